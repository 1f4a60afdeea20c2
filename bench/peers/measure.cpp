// SPDX-License-Identifier: Apache-2.0
// Runs collectives of one library on one set of ranks and prints a line of CSV for each point. bench/peers/run starts it.
//
//   <program> --folder F --collectives a,b,.. --sizes 8,32,.. [--cold 8,32,..] [--memory malloc|own] [--budget-us N]
//             [--deadline-ms N] [--bind] [--yield]
//
// A point is a collective, a size and a temperature: warm uses the same buffers again and again, cold goes from buffer to buffer
// through more than the L2 cache. The first call is checked, then as many are timed one by one as fit into the budget, in blocks before
// which the ranks meet; blocks of one call for broadcast and reduce, where the root need not wait for the others. The median and the 99th
// percentile of each rank are taken, and of the ranks the greatest. What the timed calls left in the buffers is checked too. Exit status: 0,
// 1 when a value was wrong, 2 for wrong flags, 3 for failures.
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "adapter.h"
#include "control.hpp"
#include "problem.hpp"
#include "stopwatch.hpp"

namespace tutti::peers {
namespace {

struct Options {
  std::string folder;
  std::vector<PeerCollective> collectives;
  std::vector<std::size_t> sizes;
  std::vector<std::size_t> cold_sizes;
  PeerMemory memory = kPeerMemoryMalloc;
  std::int64_t budget_ns = 4'000'000;
  std::int64_t deadline_ns = 60'000'000'000;
  bool shall_bind = false;
  Control::Waiting waiting = Control::Waiting::spin;
};

[[noreturn]] void usage_error(const std::string& what) {
  std::fprintf(stderr, "measure: %s\n", what.c_str());
  std::_Exit(2);
}

[[noreturn]] void failure(int rank, const std::string& what) {
  std::fprintf(stderr, "measure: rank %d: %s failed\n", rank, what.c_str());
  std::_Exit(3);
}

std::vector<std::string> parts(const std::string& list) {
  std::vector<std::string> found;
  for (std::size_t begin = 0; begin < list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    found.push_back(list.substr(begin, end - begin));
    begin = end + 1;
  }
  return found;
}

std::int64_t number(const std::string& text) {
  char* end = nullptr;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || value < 0) usage_error("not a number: " + text);
  return value;
}

std::vector<std::size_t> sizes(const std::string& list) {
  std::vector<std::size_t> found;
  for (const std::string& part : parts(list)) {
    found.push_back(static_cast<std::size_t>(number(part)));
    if (found.back() < sizeof(float) || found.back() > (std::size_t{1} << 30U)) usage_error("not between 4 bytes and 1 GiB: " + part);
  }
  return found;
}

PeerCollective collective_named(const std::string& name) {
  for (int i = 0; i < kPeerCollectiveCount; ++i) {
    if (name == name_of(static_cast<PeerCollective>(i))) return static_cast<PeerCollective>(i);
  }
  usage_error("no collective is called " + name);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--bind") {
      options.shall_bind = true;
    } else if (flag == "--yield") {
      options.waiting = Control::Waiting::yield;
    } else {
      if (i + 1 == argc) usage_error("a value is missing after " + flag);
      const std::string value = argv[++i];
      if (flag == "--folder") {
        options.folder = value;
      } else if (flag == "--collectives") {
        for (const std::string& name : parts(value)) options.collectives.push_back(collective_named(name));
      } else if (flag == "--sizes") {
        options.sizes = sizes(value);
      } else if (flag == "--cold") {
        options.cold_sizes = sizes(value);
      } else if (flag == "--memory") {
        if (value != "malloc" && value != "own") usage_error("--memory is malloc or own");
        options.memory = value == "own" ? kPeerMemoryOwn : kPeerMemoryMalloc;
      } else if (flag == "--budget-us") {
        options.budget_ns = number(value) * 1000;
      } else if (flag == "--deadline-ms") {
        options.deadline_ns = number(value) * 1'000'000;
      } else {
        usage_error("unknown flag " + flag);
      }
    }
  }
  if (options.folder.empty() || options.collectives.empty()) usage_error("--folder and --collectives are needed");
  return options;
}

// The launchers' names for a rank: the process binds itself before the library starts threads, all libraries alike.
void bind_to_core() {
  for (const char* name : {"RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "PMI_RANK"}) {
    const char* const rank = std::getenv(name);
    if (rank == nullptr) continue;
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    int left = std::atoi(rank) % CPU_COUNT(&allowed);
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (!CPU_ISSET(core, &allowed) || left-- != 0) continue;
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(core, &own);
      if (sched_setaffinity(0, sizeof own, &own) != 0) std::perror("measure: sched_setaffinity");
      return;
    }
  }
  std::fprintf(stderr, "measure: --bind: no launcher told the rank; not bound\n");
}

std::size_t l2_bytes() {
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? static_cast<std::size_t>(bytes) : std::size_t{2} << 20U;
}

enum class Temperature { warm, cold };

struct Timing {
  std::int64_t iteration_count;
  double median_ns;
  double p99_ns;
  std::int64_t wrong_count;
};

class Runner {
 public:
  Runner(const Options& options, const PeerWorld& world)
      : options_(options), world_(world), control_(options.folder, world.rank, world.rank_count, options.waiting), ns_per_tick_(ns_per_tick()) {
    pool_bytes_ = 4096;
    for (const std::size_t bytes : options.sizes) pool_bytes_ = std::max(pool_bytes_, bytes);
    if (!options.cold_sizes.empty()) pool_bytes_ = std::max(pool_bytes_, 4 * l2_bytes());
    send_ = allocate("send buffer");
    receive_ = allocate("receive buffer");
    durations_.reserve(kMaxIterations + kBlockIterations);
  }
  ~Runner() {
    release(send_);
    release(receive_);
  }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;

  // Returns how many wrong values all ranks found.
  std::int64_t run_all() {
    std::int64_t wrong = 0;
    for (const PeerCollective collective : options_.collectives) {
      if (collective == kPeerBarrier) wrong += run_point({collective, 0, world_.rank, world_.rank_count}, Temperature::warm);
    }
    for (const std::size_t bytes : options_.sizes) {
      for (const PeerCollective collective : options_.collectives) {
        const Problem problem{collective, bytes / sizeof(float), world_.rank, world_.rank_count};
        if (collective == kPeerBarrier || !is_defined(problem)) continue;
        wrong += run_point(problem, Temperature::warm);
        if (std::find(options_.cold_sizes.begin(), options_.cold_sizes.end(), bytes) != options_.cold_sizes.end()) {
          wrong += run_point(problem, Temperature::cold);
        }
      }
    }
    control_.barrier();
    return wrong;
  }

  void print_header() const {
    if (world_.rank != 0) return;
    std::printf("version,%s\ncollective,bytes,temperature,iterations,median_ns,p99_ns,wrong\n", peer_version());
    std::fflush(stdout);
  }

 private:
  static constexpr std::int64_t kMaxIterations = 4096;
  static constexpr std::int64_t kBlockIterations = 256;
  static constexpr std::size_t kLine = 64;

  float* allocate(const char* what) const {
    void* memory = nullptr;
    if (options_.memory == kPeerMemoryOwn) {
      if (peer_allocate(pool_bytes_, &memory) != 0) failure(world_.rank, what);
    } else {
      memory = std::aligned_alloc(4096, (pool_bytes_ + 4095) / 4096 * 4096);
      if (memory == nullptr) failure(world_.rank, what);
    }
    std::memset(memory, 0, pool_bytes_);
    return static_cast<float*>(memory);
  }

  void release(float* memory) const {
    if (options_.memory == kPeerMemoryOwn) {
      peer_free(memory);
    } else {
      std::free(memory);
    }
  }

  // Slots are visited in an order that no prefetcher follows: by an odd stride through a power of two.
  std::size_t slot_offset(std::int64_t iteration) const {
    return ((static_cast<std::size_t>(iteration) * 40503U) & (slot_count_ - 1)) * slot_elements_;
  }

  void lay_out(const Problem& problem, Temperature temperature) {
    const std::size_t slot_bytes = std::max(kLine, (problem.count * sizeof(float) + kLine - 1) / kLine * kLine);
    slot_elements_ = slot_bytes / sizeof(float);
    slot_count_ = 1;
    if (temperature == Temperature::warm) return;
    while (slot_count_ * 2 * slot_bytes <= pool_bytes_) slot_count_ *= 2;
  }

  PeerCall call_of(const Problem& problem, std::int64_t iteration) const {
    const std::size_t offset = slot_offset(iteration);
    return {problem.collective, send_ + offset, receive_ + offset, problem.count};
  }

  void run_once(const PeerCall& call) const {
    if (peer_run(&call) != 0) failure(world_.rank, name_of(call.collective));
  }

  // Slots in the order in which iterations come to them, so that the first `iteration_count` are those that calls have used.
  void fill(const Problem& problem) {
    for (std::size_t slot = 0; slot < slot_count_; ++slot) {
      const PeerCall call = call_of(problem, static_cast<std::int64_t>(slot));
      fill_input(problem, send_ + slot_offset(static_cast<std::int64_t>(slot)), call.receive);
    }
  }

  std::int64_t check(const Problem& problem, std::int64_t iteration_count) const {
    std::int64_t wrong = 0;
    const auto used = std::min(static_cast<std::size_t>(iteration_count), slot_count_);
    for (std::size_t slot = 0; slot < used; ++slot) wrong += count_wrong(problem, call_of(problem, static_cast<std::int64_t>(slot)).receive);
    return wrong;
  }

  // Length of the next block, 0 for none: rank 0 decides by what calls have taken so far. The least of them, since one that was interrupted
  // says nothing about the next.
  std::int64_t agree_on_block(const Problem& problem, std::int64_t begin_ns) {
    if (world_.rank == 0) control_.shared().block_iterations = next_block(problem, monotonic_ns() - begin_ns);
    control_.barrier();
    return control_.shared().block_iterations;
  }

  std::int64_t next_block(const Problem& problem, std::int64_t spent_ns) const {
    const auto done = static_cast<std::int64_t>(durations_.size());
    if (done == 0) return 1;
    const std::int64_t left_ns = options_.budget_ns - spent_ns;
    const double call_ns = static_cast<double>(*std::min_element(durations_.begin(), durations_.end())) * ns_per_tick_;
    const std::int64_t least = call_ns < 5e6 ? 5 : call_ns < 60e6 ? 3 : 1;
    if (done >= kMaxIterations || (left_ns <= 0 && done >= least)) return 0;
    // Where a root could run ahead of the others, each call begins with all of them.
    if (problem.collective == kPeerBroadcast || problem.collective == kPeerReduce) return 1;
    const auto fitting = static_cast<std::int64_t>(static_cast<double>(left_ns) / std::max(call_ns, 1.0));
    return std::clamp<std::int64_t>(fitting, 1, kBlockIterations);
  }

  void time_block(const Problem& problem, std::int64_t length) {
    const auto first = static_cast<std::int64_t>(durations_.size());
    control_.barrier();
    std::uint64_t before = ticks();
    for (std::int64_t i = first; i < first + length; ++i) {
      run_once(call_of(problem, i));
      const std::uint64_t after = ticks();
      durations_.push_back(after - before);
      before = after;
    }
  }

  double percentile_ns(double share) const {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(durations_.size() - 1) + 0.5);
    return static_cast<double>(durations_[index]) * ns_per_tick_;
  }

  std::int64_t run_point(const Problem& problem, Temperature temperature) {
    if (is_past_deadline()) return 0;
    lay_out(problem, temperature);
    fill(problem);
    const PeerCall first = call_of(problem, 0);
    if (peer_prepare(&first) != 0) failure(world_.rank, name_of(problem.collective));
    control_.barrier();
    run_once(first);
    std::int64_t wrong = check(problem, 1);
    durations_.clear();
    const std::int64_t begin_ns = monotonic_ns();
    while (const std::int64_t length = agree_on_block(problem, begin_ns)) time_block(problem, length);
    const auto iteration_count = static_cast<std::int64_t>(durations_.size());
    wrong += check(problem, iteration_count);
    std::sort(durations_.begin(), durations_.end());
    return report(problem, temperature, {iteration_count, percentile_ns(0.5), percentile_ns(0.99), wrong});
  }

  bool is_past_deadline() {
    if (world_.rank == 0) {
      ControlSegment& shared = control_.shared();
      if (shared.shall_stop == 0 && monotonic_ns() - begin_ns_ > options_.deadline_ns) {
        shared.shall_stop = 1;
        std::printf("stopped,%lld ms\n", static_cast<long long>(options_.deadline_ns / 1'000'000));
        std::fflush(stdout);
      }
    }
    control_.barrier();
    return control_.shared().shall_stop != 0;
  }

  std::int64_t report(const Problem& problem, Temperature temperature, const Timing& own) {
    ControlSegment& shared = control_.shared();
    shared.results[world_.rank] = {own.median_ns, own.p99_ns, own.wrong_count};
    control_.barrier();
    Timing all{own.iteration_count, 0, 0, 0};
    for (int rank = 0; rank < world_.rank_count; ++rank) {
      all.median_ns = std::max(all.median_ns, shared.results[rank].median_ns);
      all.p99_ns = std::max(all.p99_ns, shared.results[rank].p99_ns);
      all.wrong_count += shared.results[rank].wrong_count;
    }
    if (world_.rank == 0) {
      std::printf("%s,%zu,%s,%lld,%.1f,%.1f,%lld\n", name_of(problem.collective), problem.count * sizeof(float),
                  temperature == Temperature::warm ? "warm" : "cold", static_cast<long long>(all.iteration_count), all.median_ns, all.p99_ns,
                  static_cast<long long>(all.wrong_count));
      std::fflush(stdout);
    }
    // The next point's results must not overwrite these before all have read them: its first barrier is that of the deadline.
    return all.wrong_count;
  }

  const Options& options_;
  PeerWorld world_;
  Control control_;
  double ns_per_tick_;
  std::int64_t begin_ns_ = monotonic_ns();
  std::size_t pool_bytes_ = 0;
  std::size_t slot_count_ = 1;
  std::size_t slot_elements_ = 0;
  float* send_ = nullptr;
  float* receive_ = nullptr;
  std::vector<std::uint64_t> durations_;
};

int run(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.shall_bind) bind_to_core();
  PeerWorld world{0, 1, options.folder.c_str()};
  if (peer_begin(&world, &argc, &argv) != 0) failure(world.rank, "initialisation");
  if (world.rank_count > kMaxRanks) usage_error("too many ranks");
  std::int64_t wrong = 0;
  {
    Runner runner(options, world);
    runner.print_header();
    wrong = runner.run_all();
  }
  if (peer_end() != 0) failure(world.rank, "parting");
  return wrong == 0 ? 0 : 1;
}

}  // namespace
}  // namespace tutti::peers

int main(int argc, char** argv) { return tutti::peers::run(argc, argv); }
