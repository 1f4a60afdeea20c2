// SPDX-License-Identifier: Apache-2.0
//
// All ranks in one process, driven by one thread: no launcher is needed.
//   ./allreduce_threads [ranks]
// Shows the two things such a program needs: a group, which enqueues the calls of all ranks together, and streams, on which
// each rank's work runs in order.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <tutti/tutti.h>

namespace {

void check(tuttiResult_t result, tuttiComm_t comm = nullptr) {
  if (result != tuttiSuccess) {
    throw std::runtime_error(std::string(tuttiGetErrorString(result)) + ": " + tuttiGetLastError(comm));
  }
}

// Tutti's handles in owning types, so that an exception leaks none.
struct CommDestroyer {
  void operator()(tuttiComm_t comm) const { tuttiCommDestroy(comm); }
};
struct StreamDestroyer {
  void operator()(tuttiStream_t stream) const { tuttiStreamDestroy(stream); }
};
using Comm = std::unique_ptr<std::remove_pointer_t<tuttiComm_t>, CommDestroyer>;
using Stream = std::unique_ptr<std::remove_pointer_t<tuttiStream_t>, StreamDestroyer>;

struct Rank {
  Comm comm;
  Stream stream;
  std::vector<std::int64_t> values;
};

constexpr std::size_t kCount = 100'003;

std::vector<Rank> make_ranks(int rank_count) {
  // Made by one call, as the ranks wait for each other.
  std::vector<tuttiComm_t> comms(static_cast<std::size_t>(rank_count));
  check(tuttiCommInitAll(comms.data(), rank_count, nullptr));
  std::vector<Rank> ranks(comms.size());
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    ranks[r].comm.reset(comms[r]);
    ranks[r].values.assign(kCount, static_cast<std::int64_t>(r) + 1);
  }
  for (Rank& rank : ranks) {
    tuttiStream_t stream = nullptr;
    check(tuttiStreamCreate(&stream));
    rank.stream.reset(stream);
  }
  return ranks;
}

// Each element becomes the sum over all ranks. Without the group the first rank's call would be enqueued alone, which is allowed
// too; the group makes the calls one submission, and is needed where a call waits for its peers.
void all_reduce(std::vector<Rank>& ranks) {
  check(tuttiGroupStart());
  for (Rank& rank : ranks) {
    check(tuttiAllReduce(rank.values.data(), rank.values.data(), rank.values.size(), tuttiInt64, tuttiSum, rank.comm.get(),
                         rank.stream.get()),
          rank.comm.get());
  }
  check(tuttiGroupEnd());
  for (Rank& rank : ranks) {
    check(tuttiStreamSynchronize(rank.stream.get()), rank.comm.get());
  }
}

}  // namespace

int main(int argc, char** argv) try {
  const int rank_count = argc > 1 ? std::stoi(argv[1]) : 4;
  std::vector<Rank> ranks = make_ranks(rank_count);
  all_reduce(ranks);

  const std::int64_t expected = std::int64_t{rank_count} * (rank_count + 1) / 2;
  std::size_t wrong = 0;
  for (const Rank& rank : ranks) {
    for (const std::int64_t value : rank.values) {
      wrong += value != expected ? 1 : 0;
    }
  }
  std::printf("%d ranks: %zu of %zu elements are wrong\n", rank_count, wrong, kCount * ranks.size());

  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return EXIT_FAILURE;
}
