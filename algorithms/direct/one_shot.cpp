// SPDX-License-Identifier: Apache-2.0
// One hop: a plus what a rank's links carry one after another, (p-1)nb for vectors, (p-1)/p nb for blocks, the n bytes
// being a rank's whole input or output. Bandwidth-optimal for all but allreduce, reduce and broadcast, which send whole
// vectors.
#include "algorithms/direct/one_shot.hpp"

#include <utility>
#include <vector>

#include "algorithms/direct/mesh.hpp"

namespace tutti::algorithms::direct {
namespace {

using namespace schedule;

using Waits = std::vector<WaitFor>;

void copy_own(Mesh& mesh, const Problem& problem, Chunks chunk, Builder::Copy spans) {
  if (problem.in_place == InPlace::no) {
    mesh.builder().copy(mesh.copying(), chunk, spans);
  }
}

// In place, two ranks would each wait for the other to read its vector before overwriting it: the upper one sends a copy.
Schedule all_reduce_of_two_in_place(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank});
  const uint32_t peer = 1 - rank;
  Span sent = input(0);
  Waits copied;
  if (rank > peer) {
    sent = scratch(mesh.builder().add_scratch(1));
    copied = {{mesh.builder().copy(mesh.preparing(), {}, {.source = input(0), .target = sent}), WaitMode::streaming}};
  }
  const StepId sending = mesh.builder().send(mesh.to(peer), peer, {}, sent, {.waits = copied});
  mesh.reduce_from_all({.chunk = {}, .own = input(0), .target = output(0)},
                       copied.empty() ? Waits{{sending, WaitMode::streaming}} : copied);
  return std::move(mesh).build();
}

Schedule reduce(const Problem& problem, uint32_t rank, Travel travel) {
  Mesh mesh(problem, {.rank = rank, .travel = travel});
  if (rank == problem.root) {
    mesh.reduce_from_all({.chunk = {}, .own = input(0), .target = output(0)});
  } else {
    mesh.builder().send(mesh.to(problem.root), problem.root, {}, input(0), {.gang = mesh.gang_to(problem.root)});
  }
  return std::move(mesh).build();
}

Schedule reduce_scatter(const Problem& problem, uint32_t rank, Travel travel) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count, .travel = travel});
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {peer}, input(peer), {.gang = mesh.gang_to(peer)});
  }
  mesh.reduce_from_all({.chunk = {rank}, .own = input(rank), .target = output(0)});
  return std::move(mesh).build();
}

Schedule broadcast(const Problem& problem, uint32_t rank, Travel travel) {
  Mesh mesh(problem, {.rank = rank, .travel = travel});
  if (rank != problem.root) {
    mesh.builder().receive(mesh.from(problem.root), problem.root, {}, output(0));
    return std::move(mesh).build();
  }
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {}, input(0), {.gang = mesh.gang_from(rank)});
  }
  copy_own(mesh, problem, {}, {.source = input(0), .target = output(0)});
  return std::move(mesh).build();
}

Schedule all_gather(const Problem& problem, uint32_t rank, Travel travel) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count, .travel = travel});
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {rank}, input(0), {.gang = mesh.gang_from(rank)});
  }
  copy_own(mesh, problem, {rank}, {.source = input(0), .target = output(rank)});
  for (const uint32_t peer : mesh.receive_order()) {
    mesh.builder().receive(mesh.from(peer), peer, {peer}, output(peer));
  }
  return std::move(mesh).build();
}

Schedule gather(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count});
  if (rank != problem.root) {
    mesh.builder().send(mesh.to(problem.root), problem.root, {rank}, input(0));
    return std::move(mesh).build();
  }
  copy_own(mesh, problem, {rank}, {.source = input(0), .target = output(rank)});
  for (const uint32_t peer : mesh.receive_order()) {
    mesh.builder().receive(mesh.from(peer), peer, {peer}, output(peer));
  }
  return std::move(mesh).build();
}

Schedule scatter(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count});
  if (rank != problem.root) {
    mesh.builder().receive(mesh.from(problem.root), problem.root, {rank}, output(0));
    return std::move(mesh).build();
  }
  for (const uint32_t peer : mesh.send_order()) {
    mesh.builder().send(mesh.to(peer), peer, {peer}, input(peer));
  }
  copy_own(mesh, problem, {rank}, {.source = input(rank), .target = output(0)});
  return std::move(mesh).build();
}

// In place, the block for a peer lies where the peer's block will be received. Of each pair one rank puts its block
// aside and can receive at once; the other receives when its own block has been sent. Each rank puts aside about half
// of its blocks.
bool puts_aside(const Circle& circle, uint32_t rank, uint32_t peer) {
  const uint32_t distance = circle.distance(rank, peer);
  return 2 * distance > circle.size || (2 * distance == circle.size && rank > peer);
}

Schedule all_to_all(const Problem& problem, uint32_t rank) {
  Mesh mesh(problem, {.rank = rank, .chunk_count = problem.rank_count * problem.rank_count});
  const auto block = [&](uint32_t source, uint32_t target) { return Chunks{source * problem.rank_count + target}; };
  copy_own(mesh, problem, block(rank, rank), {.source = input(rank), .target = output(rank)});
  for (const uint32_t peer : mesh.send_order()) {
    Waits slot_free;
    if (problem.in_place == InPlace::yes && puts_aside(mesh.circle(), rank, peer)) {
      const Span aside = scratch(mesh.builder().add_scratch(1));
      const StepId copied = mesh.builder().copy(mesh.preparing(), block(rank, peer), {.source = input(peer), .target = aside});
      mesh.builder().send(mesh.to(peer), peer, block(rank, peer), aside, {.waits = {{copied, WaitMode::streaming}}});
      slot_free = {{copied, WaitMode::complete}};
    } else {
      const StepId sent = mesh.builder().send(mesh.to(peer), peer, block(rank, peer), input(peer));
      if (problem.in_place == InPlace::yes) {
        slot_free = {{sent, WaitMode::complete}};
      }
    }
    mesh.builder().receive(mesh.from(peer), peer, block(peer, rank), output(peer), {.waits = std::move(slot_free)});
  }
  return std::move(mesh).build();
}

}  // namespace

bool one_shot_solves(const Problem& problem) {
  switch (problem.collective) {
    case Collective::all_reduce:
    case Collective::reduce:
    case Collective::broadcast:
      return problem.blocks == Blocks::equal;
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
    case Collective::gather:
    case Collective::scatter:
      return true;
    default:
      return false;
  }
}

Schedule one_shot_all_reduce(const Problem& problem, const Mesh::Options& options) {
  Mesh mesh(problem, options);
  Waits input_sent;
  for (const uint32_t peer : mesh.send_order()) {
    const StepId sending = mesh.builder().send(mesh.to(peer), peer, {}, input(0), {.gang = mesh.gang_of_all()});
    if (problem.in_place == InPlace::yes) {
      input_sent.push_back({sending, WaitMode::streaming});
    }
  }
  mesh.reduce_from_all({.chunk = {}, .own = input(0), .target = output(0)}, std::move(input_sent));
  return std::move(mesh).build();
}

Schedule one_shot(const Problem& problem, uint32_t rank, Travel travel) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(problem, rank, travel);
    case Collective::broadcast:
      return broadcast(problem, rank, travel);
    case Collective::all_gather:
      return all_gather(problem, rank, travel);
    case Collective::reduce_scatter:
      return reduce_scatter(problem, rank, travel);
    case Collective::all_to_all:
      return all_to_all(problem, rank);
    case Collective::gather:
      return gather(problem, rank);
    case Collective::scatter:
      return scatter(problem, rank);
    default:
      return problem.rank_count == 2 && problem.in_place == InPlace::yes ? all_reduce_of_two_in_place(problem, rank)
                                                                         : one_shot_all_reduce(problem, {.rank = rank, .travel = travel});
  }
}

}  // namespace tutti::algorithms::direct
