// SPDX-License-Identifier: Apache-2.0
#include "cost/fabric_player.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "cost/arithmetic.hpp"

namespace tutti::cost {
namespace {

using schedule::StepKind;

// Of a flow that carries a gang, with its number below; else a flow's tag is its node.
constexpr uint64_t kGangTag = uint64_t{1} << 32;

bool is_send(const Graph::Node& node) { return node.step->kind == StepKind::send || node.step->kind == StepKind::signal; }
bool is_local(const Graph::Node& node) { return node.step->kind == StepKind::copy || node.step->kind == StepKind::reduce; }

uint64_t most_slices(const Graph& graph) {
  const uint64_t messages = std::max<uint64_t>(graph.nodes.size() / 2, 1);  // a step at each end
  return std::clamp<uint64_t>(kMostSlicesOfAll / messages, 1, kMostSlices);
}

// A vector's last chunk, or the last part of a block, is shorter than the others. It is taken to be as long: what comes of a chunk that ends early, on links that are shared, would
// make longer vectors cheaper than those whose chunks are alike.
schedule::Layout even_layout_of(const Play& play) {
  const schedule::Layout layout = layout_of(play);
  if (!schedule::is_cut_vector(play.problem.collective) && play.schedules.front().parts == 1) {
    return layout;
  }
  Workload even = play.workload;
  if (const uint64_t chunk = layout.length(0, 1); chunk != 0 && even.element_count % chunk != 0) {
    even.element_count = add(even.element_count, chunk - even.element_count % chunk);
  }
  return layout_of({play.problem, play.schedules, play.peers, play.topology, even});
}

}  // namespace

FabricPlayer::FabricPlayer(const Play& play)
    : graph_(play.schedules, play.peers),
      peers_(play.peers),
      most_slices_(most_slices(graph_)),
      traffic_(play.topology.fabric()),
      states_(graph_.nodes.size()) {
  find_streamed();
  const schedule::Layout layout = even_layout_of(play);
  // Messages of nothing are not sent, but for those of a barrier.
  const uint64_t least = play.problem.collective == schedule::Collective::barrier ? 1 : 0;
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    set_up(node, is_local(graph_.nodes[node]) ? 0 : std::max(least, bytes_of(play, layout, *graph_.nodes[node].step)));
    states_[node].slice_bytes = play.schedules.front().slice_bytes(states_[node].bytes, play.workload.slice_bytes);
  }
}

FabricPlayer::FabricPlayer(const MessageGraph& messages, const Options& options)
    : graph_(messages.graph()),
      peers_(Peers::present),
      most_slices_(most_slices(graph_)),
      traffic_(options.fabric),
      states_(graph_.nodes.size()) {
  find_streamed();
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    set_up(node, messages.bytes_of_node(node));
    states_[node].slice_bytes = options.slice_bytes;
  }
}

void FabricPlayer::set_up(uint32_t index, uint64_t bytes) {
  const Graph::Node& node = graph_.nodes[index];
  State& state = states_[index];
  state.begin_pending = node.pending;
  if (!is_local(node)) {
    state.bytes = bytes;
    state.begin_pending -= !is_send(node) && peers_ == Peers::present ? 1 : 0;  // the message, which counts its bytes itself
    state.is_in_pieces |= node.step->gang.exists();  // for all messages of a gang, or for none
  }
  for (uint32_t waiter = node.first_waiter; waiter != kNone; waiter = graph_.waiters[waiter].next) {
    if (graph_.waiters[waiter].mode == schedule::WaitMode::streaming) {
      ++states_[graph_.waiters[waiter].node].end_pending;
      state.is_in_pieces = true;
      states_[graph_.waiters[waiter].node].is_in_pieces = true;
    }
  }
}

bool FabricPlayer::is_later(const Arrival& left, const Arrival& right) {
  return left.at_ns != right.at_ns ? left.at_ns > right.at_ns : left.node > right.node;
}

std::optional<uint64_t> FabricPlayer::run_within(uint64_t most_rated) {
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    if (states_[node].begin_pending == 0) {
      do_soon(node);
    }
  }
  while (true) {
    advance_all();
    const uint64_t departure_ns = traffic_.flows().next_completion_ns();
    const uint64_t arrival_ns = arrivals_.empty() ? kNever : arrivals_.front().at_ns;
    if (std::min(departure_ns, arrival_ns) == kNever) {
      break;
    }
    if (traffic_.flows().rated_count() > most_rated) {
      return std::nullopt;
    }
    now_ns_ = std::min(departure_ns, arrival_ns);
    topology::Flows::Completed completed;
    while (traffic_.flows().find_completed(now_ns_, &completed)) {
      on_flow_end(completed);
    }
    while (!arrivals_.empty() && arrivals_.front().at_ns == now_ns_) {
      std::pop_heap(arrivals_.begin(), arrivals_.end(), &FabricPlayer::is_later);
      const Arrival arrival = arrivals_.back();
      arrivals_.pop_back();
      on_arrival(arrival);
    }
  }
  const bool fits = now_ns_ < topology::kNoCompletion - 1;  // where flows end that never do
  return fits && finished_count_ == graph_.nodes.size() ? add(now_ns_, traffic_.base_ns()) : kNever;
}

void FabricPlayer::do_soon(uint32_t node) {
  Turn turn{.number = doing_.number, .rank = graph_.nodes[node].rank, .node = node};
  turn.number += turn < doing_ ? 1 : 0;
  to_do_.push_back(turn);
  std::push_heap(to_do_.begin(), to_do_.end(), std::greater());
}

void FabricPlayer::advance_all() {
  while (!to_do_.empty()) {
    std::pop_heap(to_do_.begin(), to_do_.end(), std::greater());
    doing_ = to_do_.back();
    to_do_.pop_back();
    advance(doing_.node);
  }
  doing_ = {};
}

void FabricPlayer::advance(uint32_t index) {
  const Graph::Node& node = graph_.nodes[index];
  State& state = states_[index];
  if (state.begin_pending != 0 || state.is_done) {
    return;
  }
  if (state.bytes != 0) {
    if (is_send(node) || peers_ == Peers::absent) {
      send_piece(index);
    }
    if (!is_send(node) && state.arrived_bytes != 0) {
      note_first_slice(index);
    }
    if ((is_send(node) ? state.left_bytes : state.arrived_bytes) != state.bytes) {
      note_progress(index);
      return;
    }
  }
  note_first_slice(index);
  if (state.end_pending == 0) {
    finish(index);
  } else {
    note_progress(index);
  }
}

// A rank played alone is sent what it receives from the moment it is ready for it.
void FabricPlayer::send_piece(uint32_t index) {
  State& state = states_[index];
  if (state.piece_bytes != 0) {
    return;  // one after another
  }
  state.piece_bytes = next_piece_bytes(index);
  if (state.piece_bytes == 0) {
    return;
  }
  if (graph_.nodes[index].step->gang.exists() && peers_ == Peers::present) {
    join(index);
  } else {
    begin(index);
  }
}

uint64_t FabricPlayer::next_piece_bytes(uint32_t index) const {
  const Graph::Node& node = graph_.nodes[index];
  const State& state = states_[index];
  const uint64_t remaining = state.bytes - state.left_bytes;
  const bool is_in_pieces = state.is_in_pieces || (node.match != kNone && states_[node.match].is_in_pieces);
  if (!is_in_pieces || remaining <= state.slice_bytes) {
    return state.end_pending == 0 ? remaining : 0;
  }
  const bool is_in_slices = state.bytes / state.slice_bytes <= most_slices_;
  uint64_t piece = state.slice_bytes;
  if (!is_in_slices && state.left_bytes != 0) {
    piece = std::min(remaining - state.slice_bytes, std::max(state.slice_bytes, state.bytes / most_slices_));
  }
  const uint64_t needed = is_in_slices || state.left_bytes == 0 ? state.left_bytes + piece : state.left_bytes;
  return allowed_bytes(index) >= needed ? piece : 0;
}

void FabricPlayer::begin(uint32_t index) {
  State& state = states_[index];
  const topology::Traffic::Begun begun = traffic_.begin(piece(index), now_ns_, index);
  state.latency_ns = begun.latency_ns;
  state.way = begun.way;
}

topology::Traffic::Message FabricPlayer::piece(uint32_t index) const {
  const Graph::Node& node = graph_.nodes[index];
  const State& state = states_[index];
  const bool sends = is_send(node);
  return {.source = sends ? node.rank : node.step->peer,
          .target = sends ? node.step->peer : node.rank,
          .bytes = state.piece_bytes,
          .message_bytes = state.bytes,
          .bytes_before = state.left_bytes,
          .way = state.way};
}

void FabricPlayer::join(uint32_t index) {
  const Gang& gang = graph_.nodes[index].step->gang;
  std::vector<uint32_t>& nodes = gangs_[gang.number];
  nodes.push_back(index);
  if (nodes.size() != gang.message_count) {
    return;
  }
  std::vector<topology::Traffic::Pair> messages;
  for (const uint32_t node : nodes) {
    messages.push_back({graph_.nodes[node].rank, graph_.nodes[node].step->peer});
  }
  const auto begun =
      traffic_.begin_together({.messages = messages, .bytes = states_[index].piece_bytes, .number = gang.number}, now_ns_, kGangTag | gang.number);
  if (!begun) {
    for (const uint32_t node : std::exchange(nodes, {})) {
      begin(node);
    }
    return;
  }
  for (const uint32_t node : nodes) {
    states_[node].latency_ns = begun->latency_ns;
  }
}

void FabricPlayer::on_flow_end(const topology::Flows::Completed& ended) {
  if ((ended.tag & kGangTag) != 0) {
    traffic_.flows().end(ended.flow);
    for (const uint32_t node : std::exchange(gangs_[static_cast<uint32_t>(ended.tag)], {})) {
      on_departure(node);
    }
    return;
  }
  const auto index = static_cast<uint32_t>(ended.tag);
  on_departure(index);
  State& state = states_[index];
  state.piece_bytes = graph_.nodes[index].step->gang.exists() ? 0 : next_piece_bytes(index);
  if (state.piece_bytes == 0) {
    traffic_.flows().end(ended.flow);
  } else {
    state.latency_ns = traffic_.go_on(ended.flow, piece(index)).latency_ns;
  }
}

void FabricPlayer::on_departure(uint32_t index) {
  const Graph::Node& node = graph_.nodes[index];
  State& state = states_[index];
  const uint32_t receive = is_send(node) ? node.match : index;
  state.left_bytes += state.piece_bytes;
  if (receive != kNone) {
    state.last_arrival_ns = std::max(state.last_arrival_ns, add(now_ns_, state.latency_ns));
    arrivals_.push_back({.at_ns = state.last_arrival_ns,
                         .node = receive,
                         .bytes = state.piece_bytes,
                         .chain_ns = add(state.chain_ns, state.latency_ns)});
    std::push_heap(arrivals_.begin(), arrivals_.end(), &FabricPlayer::is_later);
  }
  state.piece_bytes = 0;
  if (is_send(node)) {
    note_first_slice(index);
  }
  do_soon(index);
}

void FabricPlayer::on_arrival(const Arrival& arrival) {
  State& state = states_[arrival.node];
  state.arrived_bytes += arrival.bytes;
  if (state.begin_pending == 0) {
    state.chain_ns = arrival.chain_ns;
  }
  do_soon(arrival.node);
}

void FabricPlayer::note_first_slice(uint32_t index) {
  if (std::exchange(states_[index].has_first_slice, true)) {
    return;
  }
  for (uint32_t at = graph_.nodes[index].first_waiter; at != kNone; at = graph_.waiters[at].next) {
    const Graph::Waiter& waiter = graph_.waiters[at];
    if (waiter.mode == schedule::WaitMode::streaming && --states_[waiter.node].begin_pending == 0) {
      states_[waiter.node].chain_ns = states_[index].chain_ns;
      do_soon(waiter.node);
    }
  }
}

void FabricPlayer::note_progress(uint32_t index) {
  for (uint32_t at = graph_.nodes[index].first_waiter; at != kNone; at = graph_.waiters[at].next) {
    const Graph::Waiter& waiter = graph_.waiters[at];
    if (waiter.mode == schedule::WaitMode::streaming && states_[waiter.node].begin_pending == 0 && !states_[waiter.node].is_done) {
      do_soon(waiter.node);
    }
  }
}

uint64_t FabricPlayer::done_bytes(uint32_t index) const {
  const State& state = states_[index];
  if (state.is_done || state.begin_pending != 0) {
    return state.is_done ? kNever : 0;
  }
  const uint64_t allowed = allowed_bytes(index);
  return is_local(graph_.nodes[index]) ? allowed : is_send(graph_.nodes[index]) ? state.left_bytes : std::min(allowed, state.arrived_bytes);
}

uint64_t FabricPlayer::allowed_bytes(uint32_t index) const {
  uint64_t allowed = kNever;
  for (uint32_t at = first_streamed_[index]; at != first_streamed_[index + 1]; ++at) {
    allowed = std::min(allowed, done_bytes(streamed_[at]));
  }
  return allowed;
}

void FabricPlayer::find_streamed() {
  first_streamed_.assign(graph_.nodes.size() + 1, 0);
  for (const Graph::Waiter& waiter : graph_.waiters) {
    first_streamed_[waiter.node + 1] += waiter.mode == schedule::WaitMode::streaming ? 1 : 0;
  }
  std::partial_sum(first_streamed_.begin(), first_streamed_.end(), first_streamed_.begin());
  streamed_.resize(first_streamed_.back());
  std::vector<uint32_t> places(first_streamed_.begin(), first_streamed_.end() - 1);
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    for (uint32_t at = graph_.nodes[node].first_waiter; at != kNone; at = graph_.waiters[at].next) {
      if (graph_.waiters[at].mode == schedule::WaitMode::streaming) {
        streamed_[places[graph_.waiters[at].node]++] = node;
      }
    }
  }
}

void FabricPlayer::finish(uint32_t index) {
  const Graph::Node& node = graph_.nodes[index];
  states_[index].is_done = true;
  ++finished_count_;
  latency_ns_ = states_[index].chain_ns;  // steps finish in the order of time
  if (node.successor != kNone && --states_[node.successor].begin_pending == 0) {
    states_[node.successor].chain_ns = latency_ns_;
    do_soon(node.successor);
  }
  for (uint32_t at = node.first_waiter; at != kNone; at = graph_.waiters[at].next) {
    const Graph::Waiter& waiter = graph_.waiters[at];
    State& state = states_[waiter.node];
    uint32_t& pending = waiter.mode == schedule::WaitMode::streaming ? state.end_pending : state.begin_pending;
    if (--pending == 0) {
      state.chain_ns = latency_ns_;
      do_soon(waiter.node);
    }
  }
}

}  // namespace tutti::cost
