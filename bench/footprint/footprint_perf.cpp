// SPDX-License-Identifier: Apache-2.0
// What a communicator costs a rank: the time of the first one's initialisation, with and without the wait for ranks that start late, and the resident
// memory of later ones, idle and after a mix of collectives. Run under a launcher, a process for each rank.
#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "launch.hpp"

namespace tutti::perf {
namespace {

constexpr int kCommunicators = 8;

struct Resident {
  double own_kib = 0, shared_kib = 0;

  static Resident now() {
    Resident resident;
    std::ifstream file("/proc/self/status");
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("RssAnon:")) resident.own_kib = std::stod(line.substr(8));
      if (line.starts_with("RssShmem:")) resident.shared_kib = std::stod(line.substr(9));
    }
    return resident;
  }
};

// The same on all ranks of a host.
double now_ms() { return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

void print(int rank, std::string_view when, const Resident& before, const Resident& after) {
  if (rank != 0) return;
  fmt::print("{:<40} own {:8.1f} KiB, shared {:8.1f} KiB for each communicator and rank\n", when, (after.own_kib - before.own_kib) / kCommunicators,
             (after.shared_kib - before.shared_kib) / kCommunicators);
}

void use(tuttiComm_t comm, std::vector<float>& in, std::vector<float>& out, size_t rank_count) {
  for (size_t count = rank_count; count <= in.size() / rank_count; count *= 16) {
    require(tuttiAllReduce(in.data(), out.data(), count, tuttiFloat32, tuttiSum, comm, nullptr), "tuttiAllReduce", comm);
    require(tuttiAllGather(in.data(), out.data(), count, tuttiFloat32, comm, nullptr), "tuttiAllGather", comm);
    require(tuttiReduceScatter(in.data(), out.data(), count, tuttiFloat32, tuttiSum, comm, nullptr), "tuttiReduceScatter", comm);
    require(tuttiBroadcast(in.data(), out.data(), count, tuttiFloat32, 0, comm, nullptr), "tuttiBroadcast", comm);
    require(tuttiCommSynchronize(comm), "tuttiCommSynchronize", comm);
  }
}

int run_rank(const std::function<Communicator()>& connect) {
  const double began_ms = now_ms();
  Communicator world = connect();
  const double ended_ms = now_ms();
  const int rank = world.rank();
  const auto rank_count = static_cast<size_t>(world.rank_count());
  std::array<double, 2> last_ms{began_ms, ended_ms};
  require(tuttiAllReduce(last_ms.data(), last_ms.data(), last_ms.size(), tuttiFloat64, tuttiMax, world.get(), nullptr), "tuttiAllReduce", world.get());
  require(tuttiCommSynchronize(world.get()), "tuttiCommSynchronize", world.get());
  if (rank == 0) {
    fmt::print("{} ranks, initialised {:.1f} ms after the last of them began, {:.1f} ms after rank 0 did\n", rank_count, last_ms[1] - last_ms[0],
               last_ms[1] - began_ms);
  }
  std::vector<float> in(size_t{1} << 20, 1.0f);
  std::vector<float> out(in.size(), 1.0f);
  use(world.get(), in, out, rank_count);
  const Resident before = Resident::now();
  std::vector<tuttiComm_t> comms(kCommunicators);
  for (tuttiComm_t& comm : comms) require(tuttiCommSplit(world.get(), 0, rank, &comm, nullptr), "tuttiCommSplit", world.get());
  print(rank, "idle:", before, Resident::now());
  for (const tuttiComm_t comm : comms) use(comm, in, out, rank_count);
  print(rank, "after a mix of collectives:", before, Resident::now());
  for (const tuttiComm_t comm : comms) require(tuttiCommDestroy(comm), "tuttiCommDestroy", nullptr);
  print(rank, "closed:", before, Resident::now());
  world.close();
  return kExitOk;
}

}  // namespace
}  // namespace tutti::perf

int main() {
  return tutti::perf::run_ranks("footprint_perf", tutti::perf::Options{}, tutti::perf::run_rank);
}
