// SPDX-License-Identifier: Apache-2.0
#include "problem.hpp"

#include <algorithm>

namespace tutti::peers {
namespace {

constexpr const char* kNames[kPeerCollectiveCount] = {"allreduce", "all-gather", "reduce-scatter", "broadcast", "all-to-all", "reduce", "barrier"};

// Small integers: their sums are exact in any order.
inline float input(int rank, std::size_t index) {
  return static_cast<float>((static_cast<std::uint32_t>(index) * 2654435761U + static_cast<std::uint32_t>(rank) * 40503U * 65536U) >> 24U);
}

std::int64_t count_wrong_inputs(const float* values, std::size_t count, int rank, std::size_t first) {
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) wrong += values[i] != input(rank, first + i);
  return wrong;
}

std::int64_t count_wrong_sums(const float* values, std::size_t count, int rank_count, std::size_t first) {
  constexpr std::size_t kPiece = 1024;
  float expected[kPiece];
  std::int64_t wrong = 0;
  for (std::size_t begin = 0; begin < count; begin += kPiece) {
    const std::size_t length = std::min(kPiece, count - begin);
    for (std::size_t i = 0; i < length; ++i) expected[i] = input(0, first + begin + i);
    for (int rank = 1; rank < rank_count; ++rank) {
      for (std::size_t i = 0; i < length; ++i) expected[i] += input(rank, first + begin + i);
    }
    for (std::size_t i = 0; i < length; ++i) wrong += values[begin + i] != expected[i];
  }
  return wrong;
}

std::size_t block_count(const Problem& problem) { return problem.count / static_cast<std::size_t>(problem.rank_count); }

bool is_in_blocks(PeerCollective collective) {
  return collective == kPeerAllGather || collective == kPeerReduceScatter || collective == kPeerAllToAll;
}

// Blocks that came from each rank; `first` is the index of the block in that rank's input.
std::int64_t count_wrong_blocks(const Problem& problem, const float* receive, std::size_t first) {
  const std::size_t block = block_count(problem);
  std::int64_t wrong = 0;
  for (int rank = 0; rank < problem.rank_count; ++rank) {
    wrong += count_wrong_inputs(receive + static_cast<std::size_t>(rank) * block, block, rank, first);
  }
  return wrong;
}

}  // namespace

const char* name_of(PeerCollective collective) {
  return collective >= 0 && collective < kPeerCollectiveCount ? kNames[collective] : nullptr;
}

bool is_defined(const Problem& problem) {
  if (problem.collective == kPeerBarrier) return problem.count == 0;
  const auto ranks = static_cast<std::size_t>(problem.rank_count);
  return problem.count > 0 && (!is_in_blocks(problem.collective) || problem.count % ranks == 0);
}

std::size_t receive_count(const Problem& problem) {
  if (problem.collective == kPeerReduceScatter) return block_count(problem);
  if (problem.collective == kPeerReduce) return problem.rank == 0 ? problem.count : 0;
  return problem.count;
}

void fill_input(const Problem& problem, float* send, float* receive) {
  wipe_output(problem, receive);
  const std::size_t count = problem.collective == kPeerAllGather ? block_count(problem) : problem.count;
  if (problem.collective == kPeerBroadcast) {
    if (problem.rank != 0) return;
    send = receive;
  }
  for (std::size_t i = 0; i < count; ++i) send[i] = input(problem.rank, i);
}

void wipe_output(const Problem& problem, float* receive) { std::fill_n(receive, receive_count(problem), -1.0F); }

std::int64_t count_wrong(const Problem& problem, const float* receive) {
  const std::size_t own_block = static_cast<std::size_t>(problem.rank) * block_count(problem);
  switch (problem.collective) {
    case kPeerAllReduce:
    case kPeerReduce:
      return count_wrong_sums(receive, receive_count(problem), problem.rank_count, 0);
    case kPeerReduceScatter:
      return count_wrong_sums(receive, receive_count(problem), problem.rank_count, own_block);
    case kPeerBroadcast:
      return count_wrong_inputs(receive, problem.count, 0, 0);
    case kPeerAllGather:
      return count_wrong_blocks(problem, receive, 0);
    case kPeerAllToAll:
      return count_wrong_blocks(problem, receive, own_block);
    case kPeerBarrier:
    case kPeerCollectiveCount:
      break;
  }
  return 0;
}

}  // namespace tutti::peers
