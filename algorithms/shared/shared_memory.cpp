// SPDX-License-Identifier: Apache-2.0
// A round of signals lends buffers out, another one gives them back; between them every rank reads what it needs. Where a rank's result belongs into
// peers' outputs, it writes it there, and peers whose outputs it cannot write to fetch it. Each byte of the inputs is read once by who needs it,
// and reductions have rank order. What passes between ranks does not depend on who is in place.
#include "algorithms/shared/shared_memory.hpp"

#include <functional>
#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::shared {
namespace {

using namespace schedule;

using Waits = std::vector<WaitFor>;

Span input_of(uint32_t peer, uint32_t slot) { return {.buffer = Buffer::input, .slot = slot, .rank = peer}; }
Span output_of(uint32_t peer, uint32_t slot) { return {.buffer = Buffer::output, .slot = slot, .rank = peer}; }

// What a rank reads from a peer.
struct Exchange {
  Chunks chunk;
  Builder::Copy spans;
};

// Two lanes: what is told to peers, and what is done, with the awaits in between. Peers are told beginning with the next rank up, and attended to
// beginning with the next rank down, so that the ranks do not all crowd one of them first, and each is told when it listens.
class Meeting {
 public:
  Meeting(const Problem& problem, uint32_t rank, uint32_t chunk_count)
      : problem_(problem),
        rank_(rank),
        circle_{problem.rank_count},
        builder_({.rank = rank, .chunk_count = chunk_count, .parts = 1}),
        telling_(builder_.add_lane()),
        working_(builder_.add_lane()) {}

  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  uint32_t rank() const { return rank_; }
  uint32_t root() const { return problem_.root; }
  bool in_place() const { return problem_.in_place == InPlace::yes; }
  const Circle& circle() const { return circle_; }
  Builder& builder() { return builder_; }
  LaneId telling() const { return telling_; }
  LaneId working() const { return working_; }

  std::vector<uint32_t> upwards() const {
    std::vector<uint32_t> peers;
    for (uint32_t distance = 1; distance < circle_.size; ++distance) {
      peers.push_back(circle_.ahead(rank_, distance));
    }
    return peers;
  }
  std::vector<uint32_t> downwards() const {
    const std::vector<uint32_t> peers = upwards();
    return {peers.rbegin(), peers.rend()};
  }

  void signal(uint32_t peer, Waits waits = {}) { builder_.signal(telling_, peer, {.waits = std::move(waits)}); }
  void await(uint32_t peer) { builder_.await(working_, peer); }
  // The first one waits, and the others follow it.
  void signal_all(Waits waits = {}) {
    for (const uint32_t peer : upwards()) {
      signal(peer, std::exchange(waits, {}));
    }
  }
  void await_all() {
    for (const uint32_t peer : downwards()) {
      await(peer);
    }
  }

  Waits copy(Chunks chunk, const Builder::Copy& spans, StepOptions options = {}) {
    return {{builder_.copy(working_, chunk, spans, std::move(options))}};
  }
  void copy_own(Chunks chunk, const Builder::Copy& spans) {
    if (!in_place()) {
      copy(chunk, spans);
    }
  }
  // Lends to all peers, and reads from each as soon as it lends, in whatever order they come: ranks that share cores do not come in turn.
  void exchange_all(const std::function<Exchange(uint32_t peer)>& with) {
    std::vector<LaneId> telling;  // lanes of their own, which come first: no peer is told late because another is read from
    for (const uint32_t peer : upwards()) {
      telling.push_back(builder_.add_lane());
      builder_.signal(telling.back(), peer);
    }
    for (const uint32_t peer : downwards()) {
      const LaneId lane = builder_.add_lane();
      const auto [chunk, spans] = with(peer);
      builder_.await(lane, peer);
      const StepId read = builder_.copy(lane, chunk, spans);
      builder_.await(lane, peer);
      builder_.signal(telling.back(), peer, {.waits = {{read}}});
      telling.pop_back();
    }
  }
  // Reduces a chunk of all inputs.
  Waits reduce_chunk(uint32_t chunk, Span target, std::vector<Span> further_targets = {}) {
    std::vector<Span> sources;
    for (uint32_t peer = 0; peer < circle_.size; ++peer) {
      sources.push_back(peer == rank_ ? input(chunk) : input_of(peer, chunk));
    }
    return {{builder_.reduce(working_, {chunk}, sources, target, {.final = Final::yes, .further_targets = std::move(further_targets)})}};
  }

  Schedule build() && { return std::move(builder_).build(); }

 private:
  const Problem& problem_;
  uint32_t rank_;
  Circle circle_;
  Builder builder_;
  LaneId telling_;
  LaneId working_;
};

// Rank k reduces chunk k of all inputs into all outputs. A third round of signals lets peers fetch what they do not share.
Schedule all_reduce(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  std::vector<Span> peers_outputs;
  for (const uint32_t peer : meeting.upwards()) {
    peers_outputs.push_back(output_of(peer, rank));
  }
  meeting.signal_all();
  meeting.await_all();
  meeting.signal_all(meeting.reduce_chunk(rank, output(rank), std::move(peers_outputs)));
  meeting.await_all();
  Waits fetched;
  for (const uint32_t peer : meeting.downwards()) {
    fetched = meeting.copy({peer}, {.source = output_of(peer, peer), .target = output(peer)}, {.if_private = true});
  }
  meeting.signal_all(fetched);
  meeting.await_all();
  return std::move(meeting).build();
}

// In place, the own block of the input, which becomes the output, is read by this rank only.
Schedule reduce_scatter(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  meeting.signal_all();
  meeting.await_all();
  meeting.signal_all(meeting.reduce_chunk(rank, output(0)));
  meeting.await_all();
  return std::move(meeting).build();
}

// Rank k reduces chunk k of all inputs and sends it to the root, since a peer's scratch is out of the root's reach and a private output out of the
// others'. That the chunk has come tells the root also that its input is free.
Schedule reduce(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  const bool is_root = rank == problem.root;
  meeting.signal_all();
  meeting.await_all();
  const Span target = is_root ? output(rank) : scratch(meeting.builder().add_scratch(1));
  Waits reduced = meeting.reduce_chunk(rank, target);
  for (const uint32_t peer : meeting.upwards()) {
    if (peer != problem.root) {
      meeting.signal(peer, std::exchange(reduced, {}));
    }
  }
  if (!is_root) {
    meeting.builder().send(meeting.telling(), problem.root, {rank}, target, {.waits = std::move(reduced)});
    meeting.await_all();
    return std::move(meeting).build();
  }
  for (const uint32_t peer : meeting.downwards()) {
    meeting.builder().receive(meeting.working(), peer, {peer}, output(peer));
  }
  return std::move(meeting).build();
}

Schedule all_gather(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  meeting.copy_own({rank}, {.source = input(0), .target = output(rank)});
  meeting.exchange_all([](uint32_t peer) { return Exchange{{peer}, {.source = input_of(peer, 0), .target = output(peer)}}; });
  return std::move(meeting).build();
}

// The root lends its input; each reads `chunk` of it.
void read_from_root(Meeting& meeting, uint32_t chunk) {
  const uint32_t root = meeting.root();
  if (meeting.rank() == root) {
    meeting.signal_all();
    meeting.copy_own({chunk}, {.source = input(chunk), .target = output(0)});
    meeting.await_all();
  } else {
    meeting.await(root);
    meeting.signal(root, meeting.copy({chunk}, {.source = input_of(root, chunk), .target = output(0)}));
  }
}

Schedule broadcast(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, 1);
  read_from_root(meeting, 0);
  return std::move(meeting).build();
}

Schedule scatter(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  read_from_root(meeting, rank);
  return std::move(meeting).build();
}

// All write into the root's output at once; where that is private, the root fetches from one after another.
Schedule gather(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count);
  if (rank != problem.root) {
    meeting.await(problem.root);
    meeting.signal(problem.root, meeting.copy({rank}, {.source = input(0), .target = output_of(problem.root, rank)}));
    meeting.await(problem.root);
    return std::move(meeting).build();
  }
  meeting.signal_all();
  meeting.copy_own({rank}, {.source = input(0), .target = output(rank)});
  for (const uint32_t peer : meeting.downwards()) {
    meeting.await(peer);
    meeting.signal(peer, meeting.copy({peer}, {.source = input_of(peer, 0), .target = output(peer)}, {.if_private = true}));
  }
  return std::move(meeting).build();
}

// In place, the block for a peer lies where the peer's block belongs. Of each pair one rank puts the peer's block aside, so that the peer can
// overwrite it with that rank's block, and that rank then its own. Each rank puts aside about half of the blocks.
bool puts_aside(const Circle& circle, uint32_t rank, uint32_t peer) {
  const uint32_t distance = circle.distance(rank, peer);
  return 2 * distance > circle.size || (2 * distance == circle.size && rank > peer);
}

Schedule all_to_all(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, problem.rank_count * problem.rank_count);
  const auto block = [&](uint32_t source, uint32_t target) { return Chunks{source * problem.rank_count + target}; };
  const auto read = [&](uint32_t peer, Span target) {
    meeting.signal(peer, meeting.copy(block(peer, rank), {.source = input_of(peer, rank), .target = target}));
  };
  if (!meeting.in_place()) {
    meeting.copy(block(rank, rank), {.source = input(rank), .target = output(rank)});
    meeting.exchange_all([&](uint32_t peer) { return Exchange{block(peer, rank), {.source = input_of(peer, rank), .target = output(peer)}}; });
    return std::move(meeting).build();
  }
  meeting.signal_all();
  std::vector<std::pair<uint32_t, Span>> aside;
  for (const uint32_t peer : meeting.downwards()) {
    meeting.await(peer);
    if (puts_aside(meeting.circle(), rank, peer)) {
      aside.emplace_back(peer, scratch(meeting.builder().add_scratch(1)));
      read(peer, aside.back().second);
    }
  }
  for (const uint32_t peer : meeting.upwards()) {
    if (!puts_aside(meeting.circle(), rank, peer)) {
      meeting.await(peer);  // has read what lies there
      read(peer, output(peer));
    }
  }
  for (const auto& [peer, span] : aside) {
    meeting.await(peer);
    meeting.copy(block(peer, rank), {.source = span, .target = output(peer)});
  }
  return std::move(meeting).build();
}

}  // namespace

bool shared_memory_solves(const Problem& problem) {
  switch (problem.collective) {
    case Collective::barrier:
    case Collective::send:
    case Collective::receive:
      return false;
    default:
      return problem.blocks == Blocks::equal;
  }
}

Schedule shared_memory(const Problem& problem, uint32_t rank) {
  switch (problem.collective) {
    case Collective::reduce:
      return reduce(problem, rank);
    case Collective::broadcast:
      return broadcast(problem, rank);
    case Collective::all_gather:
      return all_gather(problem, rank);
    case Collective::reduce_scatter:
      return reduce_scatter(problem, rank);
    case Collective::all_to_all:
      return all_to_all(problem, rank);
    case Collective::gather:
      return gather(problem, rank);
    case Collective::scatter:
      return scatter(problem, rank);
    default:
      return all_reduce(problem, rank);
  }
}

bool root_reads_solves(const Problem& problem) { return problem.collective == Collective::reduce && problem.blocks == Blocks::equal; }

// The root lends nothing, so that a signal each way does.
Schedule root_reads(const Problem& problem, uint32_t rank) {
  Meeting meeting(problem, rank, 1);
  if (rank != problem.root) {
    meeting.signal(problem.root);
    meeting.await(problem.root);
    return std::move(meeting).build();
  }
  meeting.await_all();
  meeting.signal_all(meeting.reduce_chunk(0, output(0)));
  return std::move(meeting).build();
}

}  // namespace tutti::algorithms::shared
