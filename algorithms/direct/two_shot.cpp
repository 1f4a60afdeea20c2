// SPDX-License-Identifier: Apache-2.0
// Two hops on links between all pairs: 2a + 2(p-1)/p nb for allreduce, 2a + nb for reduce and broadcast, each byte
// reduced once, in rank order (the direct algorithms of Chan et al., "Collective communication: theory, practice, and
// experience", CCPE 2007; broadcast is van de Geijn's scatter and allgather).
#include "algorithms/direct/two_shot.hpp"

#include <utility>

#include "algorithms/direct/mesh.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

// Rank k reduces chunk k of all, then sends it to all. In place, the complete chunk k comes only after this rank's own
// chunk k has gone into it, so nothing waits for that.
Schedule all_reduce(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count, .order = Order::receives_first});
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {peer}, input(peer));
  }
  const StepId reduced = mesh.reduce_from_all({.chunk = {rank}, .own = input(rank), .target = output(rank)});
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {rank}, output(rank), {.waits = {{reduced, WaitMode::streaming}}});
  }
  for (const uint32_t peer : mesh.receive_order()) {
    mesh.builder().receive(mesh.from(peer), peer, {peer}, output(peer));
  }
  return std::move(mesh).build();
}

// Rank k reduces chunk k of all, then sends it to the root.
Schedule reduce(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count, .order = Order::receives_first});
  const bool is_root = rank == problem.root;
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {peer}, input(peer));
  }
  const Span target = is_root ? output(rank) : scratch(mesh.builder().add_scratch(1));
  const StepId reduced = mesh.reduce_from_all({.chunk = {rank}, .own = input(rank), .target = target});
  if (!is_root) {
    mesh.builder().send(mesh.to(problem.root), problem.root, {rank}, target, {.waits = {{reduced, WaitMode::streaming}}});
    return std::move(mesh).build();
  }
  for (const uint32_t peer : mesh.receive_order()) {
    mesh.builder().receive(mesh.from(peer), peer, {peer}, output(peer));
  }
  return std::move(mesh).build();
}

// The root cuts the vector among the others, each of which passes its chunk on to the rest. Chunk k-1 belongs to the
// rank k ahead of the root.
Schedule broadcast(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count - 1, .order = Order::receives_first});
  const auto chunk_of = [&](uint32_t peer) { return mesh.circle().distance(problem.root, peer) - 1; };
  if (rank == problem.root) {
    for (const uint32_t peer : mesh.send_order()) {
      mesh.builder().send(mesh.to(peer), peer, {chunk_of(peer)}, input(chunk_of(peer)));
    }
    if (problem.in_place == InPlace::no) {
      mesh.builder().copy(mesh.copying(), {0, problem.rank_count - 1}, {.source = input(0), .target = output(0)});
    }
    return std::move(mesh).build();
  }
  const uint32_t own = chunk_of(rank);
  const StepId received = mesh.builder().receive(mesh.from(problem.root), problem.root, {own}, output(own));
  for (const uint32_t peer : mesh.send_order()) {
    if (peer != problem.root) {
      mesh.builder().send(mesh.to(peer), peer, {own}, output(own), {.waits = {{received, WaitMode::streaming}}});
    }
  }
  for (const uint32_t peer : mesh.receive_order()) {
    if (peer != problem.root) {
      mesh.builder().receive(mesh.from(peer), peer, {chunk_of(peer)}, output(chunk_of(peer)));
    }
  }
  return std::move(mesh).build();
}

}  // namespace

bool two_shot_solves(const Problem& problem) {
  return problem.blocks == Blocks::equal &&
         (problem.collective == Collective::all_reduce || problem.collective == Collective::reduce ||
          problem.collective == Collective::broadcast);
}

Schedule two_shot(const Problem& problem, uint32_t rank) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(problem, rank);
    case Collective::broadcast:
      return broadcast(problem, rank);
    default:
      return all_reduce(problem, rank);
  }
}

}  // namespace tutti::algorithms::direct
