// SPDX-License-Identifier: Apache-2.0
// Two hops, 2a + 2(p-1)nb at the root for allreduce: slow as soon as bytes count. But there are 2(p-1) messages in all, where algorithms of one hop
// need p(p-1), and each rank waits once. That is least for ranks that share cores, where all messages add up and each wait is a switch.
#include "algorithms/tree/flat.hpp"

#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::tree {
namespace {

using namespace schedule;

constexpr uint32_t kRoot = 0;

// What a rank gives the root and what it gets from it; in place, the root has read the one before it sends the other.
struct Visit {
  Chunks given;
  Chunks got;
  Span target = output(0);
};

Schedule visit_root(Builder builder, const Visit& visit) {
  builder.send(builder.add_lane(), kRoot, visit.given, input(0));
  builder.receive(builder.add_lane(), kRoot, visit.got, visit.target);
  return std::move(builder).build();
}

// Whoever comes last delays all, so the root hears ranks one after another: fewer lanes to look at in each turn. `target_of` says where what a peer
// gives belongs. Returns what to wait for; steps of a lane run in order, so that is the last.
template <typename TargetOf>
std::vector<WaitFor> hear_all(Builder& builder, const Problem& problem, Chunks (*given_by)(uint32_t peer, uint32_t rank_count), TargetOf target_of) {
  const LaneId receives = builder.add_lane();
  StepId last;
  for (uint32_t peer = 1; peer < problem.rank_count; ++peer) {
    last = builder.receive(receives, peer, given_by(peer, problem.rank_count), target_of(peer));
  }
  return {{last}};
}

Builder builder_for(uint32_t rank, uint32_t chunk_count) { return Builder({.rank = rank, .chunk_count = chunk_count, .parts = 1}); }

Chunks whole(uint32_t, uint32_t) { return {}; }
Chunks own_block(uint32_t peer, uint32_t) { return {peer}; }
Chunks all_blocks(uint32_t, uint32_t rank_count) { return {0, rank_count}; }

// The vectors of all ranks, or blocks of them, in rank order; the peers' lie in scratch, `stride` slots apart.
std::vector<Span> sources_at(uint32_t rank_count, uint32_t stride, uint32_t block) {
  std::vector<Span> sources = {input(block)};
  for (uint32_t peer = 1; peer < rank_count; ++peer) {
    sources.push_back(scratch((peer - 1) * stride + block));
  }
  return sources;
}

Schedule all_reduce(const Problem& problem, uint32_t rank) {
  Builder builder = builder_for(rank, 1);
  if (rank != kRoot) {
    return visit_root(std::move(builder), {.given = {}, .got = {}});
  }
  builder.add_scratch(problem.rank_count - 1);
  std::vector<WaitFor> heard = hear_all(builder, problem, whole, [](uint32_t peer) { return scratch(peer - 1); });
  const LaneId answers = builder.add_lane();
  builder.reduce(answers, {}, sources_at(problem.rank_count, 1, 0), output(0), {.final = Final::yes, .waits = std::move(heard)});
  for (uint32_t peer = 1; peer < problem.rank_count; ++peer) {
    builder.send(answers, peer, {}, output(0));
  }
  return std::move(builder).build();
}

Schedule reduce_scatter(const Problem& problem, uint32_t rank) {
  const uint32_t block_count = problem.rank_count;
  Builder builder = builder_for(rank, block_count);
  if (rank != kRoot) {
    return visit_root(std::move(builder), {.given = {0, block_count}, .got = {rank}});
  }
  builder.add_scratch((problem.rank_count - 1) * block_count);
  std::vector<WaitFor> heard = hear_all(builder, problem, all_blocks, [&](uint32_t peer) { return scratch((peer - 1) * block_count); });
  const uint32_t first_result = builder.add_scratch(block_count - 1);
  const LaneId answers = builder.add_lane();
  builder.reduce(answers, {1, block_count - 1}, sources_at(problem.rank_count, block_count, 1), scratch(first_result),
                 {.final = Final::yes, .waits = std::move(heard)});
  for (uint32_t peer = 1; peer < problem.rank_count; ++peer) {
    builder.send(answers, peer, {peer}, scratch(first_result + peer - 1));
  }
  builder.reduce(answers, {0}, sources_at(problem.rank_count, block_count, 0), output(0), {.final = Final::yes});
  return std::move(builder).build();
}

Schedule all_gather(const Problem& problem, uint32_t rank) {
  Builder builder = builder_for(rank, problem.rank_count);
  if (rank != kRoot) {
    return visit_root(std::move(builder), {.given = {rank}, .got = {0, problem.rank_count}});
  }
  std::vector<WaitFor> heard = hear_all(builder, problem, own_block, [](uint32_t peer) { return output(peer); });
  const LaneId answers = builder.add_lane();
  if (problem.in_place == InPlace::no) {
    builder.copy(answers, {kRoot}, {.source = input(0), .target = output(kRoot)});
  }
  for (uint32_t peer = 1; peer < problem.rank_count; ++peer) {
    builder.send(answers, peer, {0, problem.rank_count}, output(0), {.waits = std::exchange(heard, {})});
  }
  return std::move(builder).build();
}

// Messages say what they say by arriving.
Schedule barrier(const Problem& problem, uint32_t rank) {
  Builder builder = builder_for(rank, 1);
  if (rank != kRoot) {
    return visit_root(std::move(builder), {.given = {}, .got = {}});
  }
  std::vector<WaitFor> heard = hear_all(builder, problem, whole, [](uint32_t) { return output(0); });
  const LaneId answers = builder.add_lane();
  for (uint32_t peer = 1; peer < problem.rank_count; ++peer) {
    builder.send(answers, peer, {}, input(0), {.waits = std::exchange(heard, {})});
  }
  return std::move(builder).build();
}

}  // namespace

bool flat_solves(const Problem& problem) {
  switch (problem.collective) {
    case Collective::all_reduce:
    case Collective::reduce_scatter:
    case Collective::all_gather:
    case Collective::barrier:
      return problem.blocks == Blocks::equal;
    default:
      return false;
  }
}

Schedule flat(const Problem& problem, uint32_t rank) {
  switch (problem.collective) {
    case Collective::reduce_scatter:
      return reduce_scatter(problem, rank);
    case Collective::all_gather:
      return all_gather(problem, rank);
    case Collective::barrier:
      return barrier(problem, rank);
    default:
      return all_reduce(problem, rank);
  }
}

}  // namespace tutti::algorithms::tree
