// SPDX-License-Identifier: Apache-2.0
#include "cost/player.hpp"

#include <algorithm>

#include "cost/arithmetic.hpp"

namespace tutti::cost {
namespace {

using schedule::Step;
using schedule::StepKind;
using topology::Adapters;

// `ns` of work on `bytes`, how much of it the first `part` takes.
uint64_t first_part(uint64_t ns, uint64_t bytes, uint64_t part) { return bytes <= part ? ns : multiply_divide(ns, part, bytes); }
uint64_t first_slice(uint64_t ns, uint64_t bytes) { return first_part(ns, bytes, kSliceBytes); }

// Puts `ns` of work in line behind what `busy_until` already has, not before `time`; returns when it is done.
uint64_t occupy(uint64_t& busy_until, uint64_t time, uint64_t ns) { return busy_until = add(std::max(busy_until, time), ns); }

uint64_t bytes_of_all(const Play& play) {
  const uint64_t blocks = schedule::is_cut_vector(play.problem.collective) ? 1 : play.topology.rank_count();
  return multiply(multiply(play.workload.element_count, play.workload.element_bytes), blocks);
}

// What the input and the output of a rank have together, of a vector or of blocks with `all_bytes`.
uint64_t buffer_bytes(const schedule::Problem& problem, uint64_t all_bytes) {
  switch (problem.collective) {
    case schedule::Collective::all_reduce:
    case schedule::Collective::all_to_all:
      return multiply(all_bytes, 2);
    case schedule::Collective::all_gather:
    case schedule::Collective::reduce_scatter:
      return add(all_bytes, all_bytes / problem.rank_count);
    default:
      return all_bytes;
  }
}

}  // namespace

schedule::Layout layout_of(const Play& play) {
  schedule::LayoutRequest request{.problem = play.problem,
                                  .chunk_count = play.schedules.front().chunk_count,
                                  .parts = play.schedules.front().parts,
                                  .element_count = play.workload.element_count,
                                  .variable = {},
                                  .element_bytes = play.workload.element_bytes};
  request.problem.blocks = schedule::Blocks::equal;
  return schedule::Layout(request);
}

uint64_t bytes_of(const Play& play, const schedule::Layout& layout, const Step& step) {
  if (step.kind == StepKind::signal || step.kind == StepKind::await) {
    return kSignalBytes;
  }
  return multiply(layout.length(step.first_chunk, step.chunk_count), play.workload.element_bytes);
}

Player::Player(const Play& play)
    : play_(play),
      graph_(play.schedules, play.peers),
      layout_(layout_of(play)),
      all_bytes_(bytes_of_all(play)),
      times_(graph_.nodes.size()),
      cores_(play.topology.rank_count(), 0),
      hosts_(play.topology.rank_count()),
      shares_(play.topology.rank_count()),
      work_(play.topology.rank_count(), 0),
      local_bytes_(play.topology.rank_count(), 0) {
  number_hosts();
  const size_t adapter_count = play.topology.adapters == Adapters::per_link ? graph_.pair_count : play.topology.rank_count();
  outwards_.resize(adapter_count, 0);
  inwards_.resize(adapter_count, 0);
  arriving_.resize(graph_.pair_count, 0);
  for (const topology::Level& level : play.topology.levels()) {  // there are at most as many domains as ranks
    crossings_.push_back({.outwards = std::vector<uint64_t>(level.domains.size()), .inwards = std::vector<uint64_t>(level.domains.size())});
  }
  heap_.reserve(graph_.nodes.size());
  sum_local_bytes();
}

void Player::sum_local_bytes() {
  for (const Graph::Node& node : graph_.nodes) {
    if (node.step->kind == StepKind::copy || node.step->kind == StepKind::reduce) {
      const uint64_t streams = sources_of(node).size() + 1 + node.step->target_count;
      local_bytes_[node.rank] = add(local_bytes_[node.rank], multiply(bytes_of(*node.step), streams));
    }
  }
}

void Player::number_hosts() {
  const topology::Topology& topology = play_.topology;
  std::vector<uint32_t> numbers(topology.rank_count());
  for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
    numbers[rank] = topology.host(rank);
  }
  std::sort(numbers.begin(), numbers.end());
  const std::vector<uint32_t> ranks_by_host = numbers;
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
    const uint32_t host = topology.host(rank);
    hosts_[rank] = static_cast<uint32_t>(std::lower_bound(numbers.begin(), numbers.end(), host) - numbers.begin());
    const auto [first, last] = std::equal_range(ranks_by_host.begin(), ranks_by_host.end(), host);
    if (topology.cores_per_host > 0) {
      shares_[rank] = Share{.ranks = static_cast<uint64_t>(last - first), .cores = topology.cores_per_host};
    }
  }
}

bool Player::is_later(const Event& left, const Event& right) {
  return left.time != right.time ? left.time > right.time : left.node > right.node;
}

uint64_t Player::run() {
  for (uint32_t node = 0; node < graph_.nodes.size(); ++node) {
    if (graph_.nodes[node].pending == 0) {
      push(node);
    }
  }
  uint64_t end = 0;
  size_t played = 0;
  for (; !heap_.empty(); ++played) {  // each step is pushed once, when nothing more is pending
    std::pop_heap(heap_.begin(), heap_.end(), &Player::is_later);
    const Event event = heap_.back();
    heap_.pop_back();
    const Span span = play(event);
    end = std::max(end, span.finish);
    release(event.node, span);
  }
  if (played != graph_.nodes.size()) {
    return kNever;
  }
  const uint64_t working = shared_cores_ns();
  return working == 0 || end <= working ? std::max(end, working) : working + (end - working) / 2;
}

// Until the cores of the busiest crowded host have done the work of all its ranks; 0 if there is none. While messages pass one after another, all ranks take turns to see
// whether theirs has come. Of a rank played alone, as if the others had as much to do.
uint64_t Player::shared_cores_ns() const {
  const uint64_t switching = multiply(most_turns_, kSwitch_ns);
  std::vector<uint64_t> busy(hosts_.size(), 0);  // by host
  uint64_t longest = 0;
  for (uint32_t rank = 0; rank < hosts_.size(); ++rank) {
    const Share& share = shares_[rank];
    if (!share.is_scarce()) {
      continue;
    }
    const uint64_t own = add(work_[rank], switching);
    uint64_t& host = busy[hosts_[rank]];
    host = play_.peers == Peers::absent ? std::max(host, multiply(own, share.ranks)) : add(host, own);
    longest = std::max(longest, multiply_divide(host, 1, share.cores));
  }
  return longest;
}

uint64_t Player::occupy_core(uint32_t rank, uint64_t time, uint64_t ns) {
  work_[rank] = add(work_[rank], ns);
  return occupy(cores_[rank], time, ns);
}

void Player::push(uint32_t node) {
  heap_.push_back(Event{.time = times_[node].ready, .node = node});
  std::push_heap(heap_.begin(), heap_.end(), &Player::is_later);
}

Player::Span Player::play(const Event& event) {
  switch (graph_.nodes[event.node].step->kind) {
    case StepKind::send:
    case StepKind::signal:
      return play_send(event);
    case StepKind::receive:
    case StepKind::receive_reduce:
    case StepKind::await:
      return play_receive(event);
    case StepKind::copy:
    case StepKind::reduce:
      break;
  }
  return play_local(event);
}

Player::Span Player::play_send(const Event& event) {
  const Graph::Node& node = graph_.nodes[event.node];
  const uint64_t bytes = bytes_of(*node.step);
  const Message parts = message(node.rank, node.step->peer, bytes);
  uint64_t finish = 0;
  if (parts.on_one_host) {
    const uint64_t crossed = cross({.source = node.rank, .target = node.step->peer}, add(event.time, parts.send_overhead_ns), bytes);
    finish = std::max(occupy_core(node.rank, event.time, add(parts.send_overhead_ns, parts.transfer_ns)), crossed);
  } else {
    const uint64_t handed_over = occupy_core(node.rank, event.time, parts.send_overhead_ns);
    finish = occupy(outwards_[adapter(node.rank, node.pair)], handed_over, parts.transfer_ns);
  }
  finish = streamed(event.node, finish, first_slice(parts.transfer_ns, bytes));
  if (node.match != kNone) {
    // The first byte leaves before the work that is in line; with how much delay all of them arrive is seen at the last one.
    Times& receive = times_[node.match];
    receive.ready = std::max(receive.ready, add(add(event.time, parts.send_overhead_ns), parts.wire_ns));
    receive.last_byte = add(finish, parts.wire_ns);
    receive.turns = std::max(receive.turns, add(times_[event.node].turns, parts.turns));
    settle(node.match);
  }
  return Span{.start = event.time, .finish = finish, .bytes = bytes};
}

Player::Span Player::play_receive(const Event& event) {
  const Graph::Node& node = graph_.nodes[event.node];
  const uint64_t bytes = bytes_of(*node.step);
  const Message parts = message(node.step->peer, node.rank, bytes);
  const uint64_t reducing = node.step->kind == StepKind::receive_reduce ? reduce_ns(node.rank, caches_of_vector(node.rank), bytes, 2) : 0;
  uint64_t start = event.time;
  uint64_t last_byte = times_[event.node].last_byte;
  if (play_.peers == Peers::absent) {  // sent just now
    start = add(start, add(parts.send_overhead_ns, parts.wire_ns));
    last_byte = add(start, parts.transfer_ns);
    times_[event.node].turns = add(times_[event.node].turns, parts.turns);
  }
  uint64_t finish = 0;
  if (parts.on_one_host) {
    const uint64_t moving = parts.copies_out ? add(parts.transfer_ns, reducing) : std::max(parts.transfer_ns, reducing);
    const bool is_hidden = bytes <= kSignalBytes || shares_[node.rank].is_scarce();  // one line comes as a whole
    const uint64_t cold = is_hidden ? 0 : first_part(moving, bytes, kColdBytes);
    const uint64_t last_frame = is_hidden ? 0 : add(first_part(moving, bytes, kFrameBytes), cold);
    const uint64_t worked = occupy_core(node.rank, start, add(parts.receive_overhead_ns, add(moving, cold)));
    finish = std::max(worked, add(add(last_byte, parts.receive_overhead_ns), last_frame));
    finish = streamed(event.node, finish, first_slice(moving, bytes));
  } else {
    const uint64_t shown = parts.copies_out ? shown_ns(node, start, bytes) : 0;
    const uint64_t taken_in = occupy(inwards_[adapter(node.rank, node.pair)], start, add(parts.transfer_ns, shown));
    arriving_[node.pair] = std::max(arriving_[node.pair], taken_in);
    const uint64_t worked = occupy_core(node.rank, start, add(parts.receive_overhead_ns, reducing));
    finish = std::max(add(std::max(taken_in, last_byte), parts.receive_overhead_ns), worked);
    finish = streamed(event.node, finish, first_slice(std::max(parts.transfer_ns, reducing), bytes));
  }
  return Span{.start = start, .finish = finish, .bytes = bytes};
}

uint64_t Player::shown_ns(const Graph::Node& node, uint64_t start, uint64_t bytes) const {
  const bool is_reduced = node.step->kind == StepKind::receive_reduce;
  const bool is_staged = is_reduced || start < arriving_[node.pair];
  return is_staged ? reduce_ns(node.rank, caches_of_vector(node.rank), bytes, is_reduced ? 2 : 1) / kShownShare : 0;
}

Player::Span Player::play_local(const Event& event) {
  const Graph::Node& node = graph_.nodes[event.node];
  const uint64_t bytes = bytes_of(*node.step);
  const uint64_t work = local_ns(node, bytes);
  const uint64_t worked = occupy_core(node.rank, event.time, work);
  const uint64_t finish = streamed(event.node, std::max(worked, cross_to_peers_memory(node, event.time, bytes)), first_slice(work, bytes));
  return Span{.start = event.time, .finish = finish, .bytes = bytes};
}

void Player::release(uint32_t node, const Span& span) {
  const Graph::Node& released = graph_.nodes[node];
  const uint64_t turns = times_[node].turns;
  most_turns_ = std::max(most_turns_, turns);
  if (released.successor != kNone) {
    Times& next = times_[released.successor];
    next.ready = std::max(next.ready, span.finish);
    next.turns = std::max(next.turns, turns);
    settle(released.successor);
  }
  for (uint32_t index = released.first_waiter; index != kNone; index = graph_.waiters[index].next) {
    const Graph::Waiter& waiter = graph_.waiters[index];
    Times& times = times_[waiter.node];
    times.turns = std::max(times.turns, turns);
    if (waiter.mode == schedule::WaitMode::streaming) {
      times.ready = std::max(times.ready, add(span.start, first_slice(span.finish - span.start, span.bytes)));
      times.streams_end = std::max(times.streams_end, span.finish);
    } else {
      times.ready = std::max(times.ready, span.finish);
    }
    settle(waiter.node);
  }
}

void Player::settle(uint32_t node) {
  if (--graph_.nodes[node].pending == 0) {
    push(node);
  }
}

Player::Message Player::message(uint32_t source, uint32_t target, uint64_t bytes) const {
  const topology::LinkSpec& link = play_.topology.link(source, target);
  const uint64_t overhead = std::min(link.latency_ns / 2, kLargestOverhead_ns);
  const auto overhead_of = [&](uint32_t rank) { return add(overhead, shares_[rank].is_scarce() ? kCrowdedOverhead_ns : 0); };
  Message parts{.send_overhead_ns = overhead_of(source),
                .wire_ns = link.latency_ns - 2 * overhead,
                .receive_overhead_ns = overhead_of(target),
                .transfer_ns = duration_ns(bytes, link.bandwidth_bytes_per_s),
                .on_one_host = hosts_[source] == hosts_[target],
                .copies_out = link.copies_out};
  if (const topology::Level* const level = play_.topology.crossed(source, target)) {
    parts.wire_ns = add(parts.wire_ns, level->crossing_ns);
  }
  if (shares_[target].is_scarce()) {
    parts.wire_ns = add(parts.wire_ns, kSwitch_ns);
    parts.turns = std::max<uint64_t>(1, multiply_divide(bytes, 1, kTurnBytes));
  }
  if (parts.on_one_host) {  // the transfer is the cores' work
    parts.transfer_ns = multiply_divide(parts.transfer_ns, copying_tenths(source), 10);
  }
  return parts;
}

// How much longer than in caches copying takes.
uint64_t Player::copying_tenths(uint32_t rank) const {
  if (shares_[rank].is_scarce()) {
    if (all_bytes_ > kCrowdedCachedBytes) {
      return kCrowdedUncachedTenths;
    }
    if (play_.problem.collective == schedule::Collective::broadcast) {
      return kCrowdedBroadcastTenths;
    }
    const uint64_t buffers_on_core = multiply_divide(multiply(buffer_bytes(play_.problem, all_bytes_), shares_[rank].ranks), 1, shares_[rank].cores);
    return buffers_on_core <= kCrowdedNearBytes ? kCrowdedNearTenths : kCrowdedTenths;
  }
  return all_bytes_ <= kCachedBytes ? 10 : kUncachedTenths;
}

uint32_t Player::adapter(uint32_t rank, uint32_t pair) const {
  switch (play_.topology.adapters) {
    case Adapters::per_link:
      return pair;
    case Adapters::per_rank:
      return rank;
    case Adapters::per_host:
      break;
  }
  return hosts_[rank];
}

Caches Player::caches_of_vector(uint32_t rank) const {
  const uint64_t most = shares_[rank].is_scarce() ? kCrowdedCachedBytes : kCachedBytes;
  return all_bytes_ <= most ? Caches::shared : Caches::none;
}

Caches Player::caches_of_local_steps(uint32_t rank) const {
  return !shares_[rank].is_scarce() && local_bytes_[rank] <= kNearBytes ? Caches::near : caches_of_vector(rank);
}

uint64_t Player::reduce_ns(uint32_t rank, Caches caches, uint64_t bytes, uint64_t source_count) const {
  const uint64_t streams = source_count + 1;
  const uint64_t in_shared_cache = duration_ns(multiply(bytes, streams), multiply(play_.topology.reduce_bytes_per_s, 3));
  switch (caches) {
    case Caches::near:
      return multiply_divide(in_shared_cache, kNearReduceTenths, 10);
    case Caches::shared:
      return in_shared_cache;
    case Caches::none:
      break;
  }
  return multiply(in_shared_cache, shares_[rank].is_scarce() ? kCrowdedUncachedReduceFactor : kUncachedReduceFactor);
}

uint64_t Player::cross(const Passage& passage, uint64_t time, uint64_t bytes) {
  const topology::Level* const level = play_.topology.crossed(passage.source, passage.target);
  if (level == nullptr || level->crossing_bytes_per_s == 0) {
    return time;
  }
  Crossing& crossing = crossings_[static_cast<size_t>(level - play_.topology.levels().data())];
  const uint64_t passing = duration_ns(bytes, level->crossing_bytes_per_s);
  const uint64_t left = occupy(crossing.outwards[level->domains[passage.source]], time, passing);
  return std::max(left, occupy(crossing.inwards[level->domains[passage.target]], time, passing));
}

uint64_t Player::cross_to_peers_memory(const Graph::Node& node, uint64_t time, uint64_t bytes) {
  if (crossings_.empty() || (play_.workload.memory == Memory::shared && node.step->if_private)) {
    return time;
  }
  uint64_t end = time;
  for (const schedule::Span& source : sources_of(node)) {
    if (source.rank != schedule::kOwnRank && (play_.workload.memory == Memory::shared || node.step->target.rank == schedule::kOwnRank)) {
      end = std::max(end, cross({.source = source.rank, .target = node.rank}, time, bytes));
    }
  }
  if (play_.workload.memory == Memory::ordinary) {
    return end;
  }
  const auto write_to = [&](const schedule::Span& target) {
    if (target.rank != schedule::kOwnRank) {
      end = std::max(end, cross({.source = node.rank, .target = target.rank}, time, bytes));
    }
  };
  write_to(node.step->target);
  for (const schedule::Span& target : further_targets_of(node)) {
    write_to(target);
  }
  return end;
}

std::span<const schedule::Span> Player::sources_of(const Graph::Node& node) const {
  const schedule::Schedule& schedule = play_.peers == Peers::absent ? play_.schedules.front() : play_.schedules[node.rank];
  return node.step->kind == StepKind::reduce ? schedule.sources_of(*node.step) : std::span(&node.step->source, 1);
}

std::span<const schedule::Span> Player::further_targets_of(const Graph::Node& node) const {
  const schedule::Schedule& schedule = play_.peers == Peers::absent ? play_.schedules.front() : play_.schedules[node.rank];
  return schedule.further_targets_of(*node.step);
}

uint64_t Player::local_ns(const Graph::Node& node, uint64_t bytes) const {
  const Step& step = *node.step;
  const std::span<const schedule::Span> sources = sources_of(node);
  const Caches caches = caches_of_local_steps(node.rank);
  if (play_.workload.memory == Memory::shared) {
    return step.if_private ? 0 : add(kLocalOverhead_ns, reduce_ns(node.rank, caches, bytes, sources.size() + step.target_count));
  }
  if (step.target.rank != schedule::kOwnRank) {
    return 0;
  }
  uint64_t fetching = 0;
  uint64_t own_count = 0;
  for (const schedule::Span& source : sources) {
    const bool is_own = source.rank == schedule::kOwnRank;
    own_count += is_own ? 1 : 0;
    fetching = is_own ? fetching : add(fetching, fetch_ns(node.rank, source, bytes));
  }
  const bool is_fetched_to_target = step.kind == StepKind::copy && own_count == 0;
  return is_fetched_to_target ? fetching : add(fetching, add(kLocalOverhead_ns, reduce_ns(node.rank, caches, bytes, own_count)));
}

// A peer's output is read only for what the peer has put there.
uint64_t Player::fetch_ns(uint32_t rank, const schedule::Span& source, uint64_t bytes) const {
  const Fetched fetched = source.buffer == schedule::Buffer::output ? Fetched::written : Fetched::unchanged;
  if (shares_[rank].is_scarce()) {
    const uint64_t unchanged_bytes_per_s = bytes <= kCrowdedNearFetchBytes ? kCrowdedNearFetchBytes_per_s : kCrowdedFetchBytes_per_s;
    const uint64_t bytes_per_s = fetched == Fetched::written ? kCrowdedWrittenFetchBytes_per_s : unchanged_bytes_per_s;
    return add(kCrowdedFetchOverhead_ns, duration_ns(bytes, std::min(bytes_per_s, play_.topology.fetch_bytes_per_s)));
  }
  return add(kFetchOverhead_ns, duration_ns(bytes, fetch_bytes_per_s(play_.topology.fetch_bytes_per_s, caches_of_local_steps(rank), fetched)));
}

// `finish`, or later when the step streams from others: a slice after them.
uint64_t Player::streamed(uint32_t node, uint64_t finish, uint64_t slice_ns) const {
  const uint64_t streams_end = times_[node].streams_end;
  return streams_end == 0 ? finish : std::max(finish, add(streams_end, slice_ns));
}

}  // namespace tutti::cost
