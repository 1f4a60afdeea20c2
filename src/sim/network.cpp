// SPDX-License-Identifier: Apache-2.0
#include "sim/network.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/hash.hpp"

namespace tutti::sim {

namespace {

// Rounded up: a link is never faster than its specification. Frames are at most kMaxFrameBytes, so the product fits 64 bits.
uint64_t serialisation_ns(uint64_t bytes, uint64_t bandwidth_bytes_per_s) {
  static_assert(kMaxFrameBytes <= UINT64_MAX / 2'000'000'000);
  const uint64_t bandwidth = std::max<uint64_t>(bandwidth_bytes_per_s, 1);
  const uint64_t scaled = bytes * 1'000'000'000;
  return scaled / bandwidth + (scaled % bandwidth != 0 ? 1 : 0);
}

// Of a flow that carries a gang's frames, with their index in leaving_ below; else the tag tells endpoint and channel.
constexpr uint64_t kGangTag = uint64_t{1} << 63;

// Occupies what is busy until `busy_until_ns` for `duration_ns`, not before `ready_ns`; returns when it is done.
uint64_t occupy(uint64_t& busy_until_ns, uint64_t ready_ns, uint64_t duration_ns) {
  return busy_until_ns = std::max(busy_until_ns, ready_ns) + duration_ns;
}

}  // namespace

Network::Network(topology::Topology topology, const NetworkOptions& options)
    : topology_(std::move(topology)),
      options_(options),
      nodes_(topology_.rank_count()),
      sides_(topology_.rank_count(), 0),
      copiers_(topology_.rank_count()),
      trace_hash_(mix64(topology_.rank_count())) {
  for (const topology::Level& level : topology_.levels()) {  // there are at most as many domains as nodes
    crossings_.emplace_back(level.domains.size());
  }
  set_max_frame_bytes(options.max_frame_bytes);
  if (topology_.fabric() != nullptr) {
    traffic_ = std::make_unique<topology::Traffic>(topology_.fabric(), options.traffic);
  }
}

void Network::set_max_frame_bytes(size_t max_frame_bytes) { options_.max_frame_bytes = std::clamp<size_t>(max_frame_bytes, 1, kMaxFrameBytes); }

void Network::begin_collective() {
  if (traffic_ != nullptr) {
    traffic_->begin_collective();
  }
}

bool Network::advance() {
  if (!has_event_by(now_ns())) {
    const std::optional<uint64_t> next_ns = next_event_ns();
    if (!next_ns) {
      return false;
    }
    clock_.advance_to(*next_ns);
  }
  topology::Flows::Completed completed;
  if (traffic_ != nullptr && traffic_->flows().is_due(now_ns()) && traffic_->flows().find_completed(now_ns(), &completed)) {
    on_flow_end(completed);
    return true;
  }
  const EventQueue::Entry entry = events_.top();
  events_.pop();
  clock_.advance_to(entry.at_ns);
  if (separated(entry.event)) {
    held_.push_back(entry.event);
  } else {
    dispatch(entry.event);
  }
  return true;
}

bool Network::advance_instant() {
  if (!advance()) {
    return false;
  }
  while (has_event_by(now_ns())) {
    advance();
  }
  return true;
}

void Network::advance_until(uint64_t at_ns) {
  while (has_event_by(at_ns) || next_departure_ns() <= at_ns) {
    advance();
  }
  clock_.advance_to(at_ns);
}

// Without looking for departures that are not yet worked out, so that all that happens in an instant shares links anew at once.
bool Network::has_event_by(uint64_t at_ns) const {
  return (!events_.empty() && events_.top().at_ns <= at_ns) || (traffic_ != nullptr && traffic_->flows().is_due(at_ns));
}

std::optional<uint64_t> Network::next_event_ns() const {
  const uint64_t event_ns = events_.empty() ? UINT64_MAX : std::max(events_.top().at_ns, now_ns());
  const uint64_t next_ns = std::min(event_ns, next_departure_ns());
  return next_ns == UINT64_MAX ? std::nullopt : std::optional(next_ns);
}

uint64_t Network::next_departure_ns() const { return traffic_ == nullptr ? topology::kNoCompletion : traffic_->flows().next_completion_ns(); }

void Network::wake(uint32_t node) {
  if (!std::exchange(nodes_[node].is_woken, true)) {
    woken_.push_back(node);
  }
}

std::vector<uint32_t> Network::take_woken() {
  for (const uint32_t node : woken_) {
    nodes_[node].is_woken = false;
  }
  return std::exchange(woken_, {});
}

void Network::at(uint64_t at_ns, std::function<void()> action) {
  events_.push(std::max(at_ns, now_ns()), {.kind = Event::Kind::action, .subject = static_cast<uint32_t>(actions_.size())});
  actions_.push_back(std::move(action));
}

void Network::dispatch(const Event& event) {
  switch (event.kind) {
    case Event::Kind::hello:
      return on_hello(event.subject);
    case Event::Kind::frame:
      return on_frame(event.subject, event.channel);
    case Event::Kind::credit: {
      endpoints_[event.subject]->outgoing[event.channel].window_used_bytes -= event.bytes;
      wake(endpoints_[event.subject]->node);
      return;
    }
    case Event::Kind::close:
      return on_close(event.subject);
    case Event::Kind::fail:
      return fail(*endpoints_[event.subject], event.cause);
    case Event::Kind::action: {
      // Moved out first: an action may schedule others, which moves the vector's elements.
      const std::function<void()> action = std::move(actions_[event.subject]);
      if (action) {
        action();
      }
      return;
    }
  }
}

PortId Network::attach(const PortOptions& options) {
  assert(options.node < node_count());
  ports_.push_back({.options = options, .attached = true, .endpoints = {}});
  return static_cast<PortId>(ports_.size() - 1);
}

void Network::detach(PortId port) {
  ports_[port].attached = false;
  for (const EndpointId id : ports_[port].endpoints) {
    close(id);
  }
  for (const auto& [ports, id] : callers_) {
    const Endpoint& caller = *endpoints_[id];
    if (ports.second == port && caller.greeted) {
      fail_at(now_ns() + latency_ns(caller.peer_node, caller.node), id, Cause::refused);
    }
  }
}

Network::Ends Network::join(PortId first, PortId second) {
  const Ends ends{.first = add_endpoint(first, second), .second = add_endpoint(second, first)};
  endpoints_[ends.first]->peer = ends.second;
  endpoints_[ends.second]->peer = ends.first;
  for (const EndpointId id : {ends.first, ends.second}) {
    endpoints_[id]->greeted = true;
    greet(*endpoints_[id]);
  }
  return ends;
}

EndpointId Network::add_endpoint(PortId port, PortId peer_port) {
  const auto id = static_cast<EndpointId>(endpoints_.size());
  endpoints_.push_back(std::make_unique<Endpoint>());
  Endpoint& endpoint = *endpoints_.back();
  endpoint.port = port;
  endpoint.peer_port = peer_port;
  endpoint.node = ports_[port].options.node;
  endpoint.peer_node = ports_[peer_port].options.node;
  endpoint.outgoing.resize(options_.channel_count);
  endpoint.incoming.resize(options_.channel_count);
  assert(endpoint.node != endpoint.peer_node);
  ports_[port].endpoints.push_back(id);
  return id;
}

EndpointId Network::open(PortId port, PortId peer_port) {
  const EndpointId id = add_endpoint(port, peer_port);
  Endpoint& endpoint = *endpoints_[id];
  if (nodes_[endpoint.node].halted) {
    fail(endpoint, Cause::own_crash);
    return id;
  }
  if (nodes_[endpoint.peer_node].halted) {
    fail_at(now_ns() + options_.detection_delay_ns, id, Cause::peer_crashed);
    return id;
  }
  events_.push(transmit(endpoint.node, endpoint.peer_node, 0).arrive_ns, {.kind = Event::Kind::hello, .subject = id});
  if (const auto caller = callers_.find({peer_port, port}); caller != callers_.end()) {
    Endpoint& peer = *endpoints_[caller->second];
    endpoint.peer = caller->second;
    peer.peer = id;
    callers_.erase(caller);
    if (peer.greeted) {
      greet(endpoint);
    }
  } else {
    callers_[{port, peer_port}] = id;
  }
  return id;
}

void Network::close(EndpointId id) {
  Endpoint& endpoint = *endpoints_[id];
  if (endpoint.state == EndpointState::closed) {
    return;
  }
  // A crashed node says nothing any more, and a failed connection has nobody to say it to.
  if (endpoint.state != EndpointState::failed && !endpoint.severed) {
    endpoint.capture_in_flight();
    endpoint.state = EndpointState::closed;
    say_farewell(id);
  }
  endpoint.state = EndpointState::closed;
  endpoint.incoming.clear();
  if (const auto caller = callers_.find({endpoint.port, endpoint.peer_port}); caller != callers_.end() && caller->second == id) {
    callers_.erase(caller);
  }
}

uint64_t Network::latency_ns(uint32_t source, uint32_t target) const {
  return traffic_ != nullptr ? traffic_->latency_ns(source, target) : link(source, target).latency_ns;
}

// Behind all that was sent; on a fabric, when that has left.
void Network::say_farewell(EndpointId id) {
  const Endpoint& endpoint = *endpoints_[id];
  uint64_t at_ns = 0;
  for (const Outgoing& outgoing : endpoint.outgoing) {
    if (traffic_ != nullptr && outgoing.departed_count != outgoing.in_flight.size()) {
      return;
    }
    at_ns = std::max(at_ns, outgoing.last_arrival_ns);
  }
  events_.push(std::max(at_ns, transmit(endpoint.node, endpoint.peer_node, 0).arrive_ns), {.kind = Event::Kind::close, .subject = id});
}

Network::Passage Network::transmit(uint32_t source, uint32_t target, uint64_t bytes) {
  const topology::LinkSpec& spec = link(source, target);
  Wire& wire = wires_[uint64_t{source} * node_count() + target];
  Passage passage;
  if (traffic_ != nullptr) {
    passage = {.depart_ns = now_ns(), .arrive_ns = now_ns() + traffic_->latency_ns(source, target)};
  } else if (topology_.host(source) == topology_.host(target)) {
    passage = copy(source, target, bytes);
  } else {
    passage.depart_ns = std::max(now_ns(), wire.free_at_ns) + serialisation_ns(bytes, spec.bandwidth_bytes_per_s);
    passage.arrive_ns = passage.depart_ns + spec.latency_ns;
  }
  passage.arrive_ns = std::max(wire.last_arrival_ns, passage.arrive_ns + random_delay_ns());
  wire.free_at_ns = passage.depart_ns;
  wire.last_arrival_ns = passage.arrive_ns;
  return passage;
}

// The last byte is there when every part of the way has let it through; the parts work side by side.
Network::Passage Network::copy(uint32_t source, uint32_t target, uint64_t bytes) {
  const topology::LinkSpec& spec = link(source, target);
  const topology::Level* const level = topology_.crossed(source, target);
  const uint64_t copying_ns = serialisation_ns(bytes, spec.bandwidth_bytes_per_s);
  const uint64_t depart_ns = occupy(copiers_[source].outwards_ns, now_ns(), copying_ns);
  const uint64_t start_ns = depart_ns - copying_ns;
  const uint64_t latency_ns = spec.latency_ns + (level == nullptr ? 0 : level->crossing_ns);
  uint64_t through_ns = depart_ns;
  if (level != nullptr && level->crossing_bytes_per_s != 0) {
    std::vector<Duplex>& domains = crossings_[static_cast<size_t>(level - topology_.levels().data())];
    const uint64_t crossing_ns = serialisation_ns(bytes, level->crossing_bytes_per_s);
    through_ns = std::max(through_ns, occupy(domains[level->domains[source]].outwards_ns, start_ns, crossing_ns));
    through_ns = std::max(through_ns, occupy(domains[level->domains[target]].inwards_ns, start_ns, crossing_ns));
  }
  const uint64_t taken_in_ns = occupy(copiers_[target].inwards_ns, start_ns + latency_ns, copying_ns);
  return {.depart_ns = depart_ns, .arrive_ns = std::max(through_ns + latency_ns, taken_in_ns)};
}

Transfer Network::send(EndpointId id, uint32_t channel, const Message& message) {
  Endpoint& endpoint = *endpoints_[id];
  assert(channel < options_.channel_count && message.payload.size() <= options_.max_frame_bytes);
  if (endpoint.state != EndpointState::open) {
    return endpoint.state == EndpointState::opening ? Transfer::would_block : Transfer::failed;
  }
  if (!may_send(endpoint, channel)) {
    fail(endpoint, Cause::no_link);
    return Transfer::failed;
  }
  Outgoing& outgoing = endpoint.outgoing[channel];
  const uint64_t cost_bytes = message.payload.size() + kFrameHeaderBytes;
  if (outgoing.window_used_bytes != 0 && outgoing.window_used_bytes + cost_bytes > options_.window_bytes) {
    return Transfer::would_block;
  }
  outgoing.window_used_bytes += options_.window_bytes == kNoWindow ? 0 : cost_bytes;
  outgoing.taken_bytes += message.payload.size();
  if (!endpoint.severed && strikes(options_.faults.lost_per_million)) {
    break_link(endpoint.node, endpoint.peer_node);
  }
  if (!endpoint.severed) {
    fly(id, channel, message);
  }
  return Transfer::done;
}

bool Network::may_send(const Endpoint& endpoint, uint32_t channel) const {
  return traffic_ == nullptr || options_.reach == Reach::routed || channel == kControlChannel ||
         traffic_->fabric().is_adjacent(endpoint.node, endpoint.peer_node);
}

void Network::fly(EndpointId id, uint32_t channel, const Message& message) {
  Endpoint& endpoint = *endpoints_[id];
  Outgoing& outgoing = endpoint.outgoing[channel];
  FlyingFrame frame{.header = message.header,
                    .number = outgoing.frame_count++,
                    .payload = message.payload,
                    .captured = {},
                    .message_bytes = std::max<uint64_t>(message.message_bytes, message.payload.size()),
                    .gang = message.gang,
                    .gang_group = message.gang_group,
                    .payloads = channel == kControlChannel ? Payloads::carried : options_.payloads};
  if (frame.gang.exists()) {
    frame.message_offset = outgoing.gang_bytes;
    outgoing.gang_bytes += message.payload.size();
    outgoing.gang_bytes = outgoing.gang_bytes < frame.message_bytes ? outgoing.gang_bytes : 0;
  }
  if (traffic_ != nullptr) {
    frame.depart_ns = UINT64_MAX;  // not yet known
    outgoing.in_flight.push_back(std::move(frame));
    if (!outgoing.is_leaving) {
      leave(id, channel);
    }
    return;
  }
  const Passage passage = transmit(endpoint.node, endpoint.peer_node, message.payload.size());
  frame.depart_ns = passage.depart_ns;
  frame.arrive_ns = passage.arrive_ns;
  outgoing.in_flight.push_back(std::move(frame));
  events_.push(passage.arrive_ns, {.kind = Event::Kind::frame, .subject = id, .channel = channel});
  count_frame(endpoint.node, passage.depart_ns);
}

// The oldest frame that has not left does so now.
void Network::leave(EndpointId id, uint32_t channel) {
  Outgoing& outgoing = endpoints_[id]->outgoing[channel];
  if (outgoing.in_flight[outgoing.departed_count].gang.exists() && !has_lost_nodes_) {
    leave_together(id, channel);
  } else {
    leave_alone(id, channel);
  }
}

// When all frames like it are there.
void Network::leave_together(EndpointId id, uint32_t channel) {
  Outgoing& outgoing = endpoints_[id]->outgoing[channel];
  const FlyingFrame& frame = outgoing.in_flight[outgoing.departed_count];
  outgoing.is_leaving = true;
  const auto gathered = gathering_.try_emplace({.group = frame.gang_group, .offset = frame.message_offset, .number = frame.gang.number}).first;
  gathered->second.push_back({.endpoint = id, .channel = channel});
  if (gathered->second.size() != frame.gang.message_count) {
    return;
  }
  const std::vector<Leaving> frames = std::move(gathered->second);
  gathering_.erase(gathered);
  std::vector<topology::Traffic::Pair> messages;
  for (const Leaving& leaving : frames) {
    messages.push_back({endpoints_[leaving.endpoint]->node, endpoints_[leaving.endpoint]->peer_node});
  }
  if (free_leaving_.empty()) {
    free_leaving_.push_back(static_cast<uint32_t>(leaving_.size()));
    leaving_.emplace_back();
  }
  const uint32_t index = free_leaving_.back();
  const auto begun =
      traffic_->begin_together({.messages = messages, .bytes = frame.payload.size(), .number = frame.gang.number}, now_ns(), kGangTag | index);
  if (!begun) {
    for (const Leaving& leaving : frames) {
      leave_alone(leaving.endpoint, leaving.channel);
    }
    return;
  }
  free_leaving_.pop_back();
  leaving_[index] = frames;
  ++gang_count_;
  for (const Leaving& leaving : frames) {
    Outgoing& one = endpoints_[leaving.endpoint]->outgoing[leaving.channel];
    one.latency_ns = begun->latency_ns;
    if (one.departed_count != one.in_flight.size()) {
      one.in_flight[one.departed_count].begin_ns = now_ns();
      one.in_flight[one.departed_count].link_bytes = begun->link_bytes;
      one.in_flight[one.departed_count].flight_gang = gang_count_;
    }
  }
}

// Those that gather do not wait for others any more.
void Network::dissolve_gangs() {
  has_lost_nodes_ = true;
  for (const auto& [frame, members] : std::exchange(gathering_, {})) {
    for (const Leaving& leaving : members) {
      Outgoing& outgoing = endpoints_[leaving.endpoint]->outgoing[leaving.channel];
      outgoing.is_leaving = false;
      if (outgoing.departed_count != outgoing.in_flight.size()) {
        leave_alone(leaving.endpoint, leaving.channel);
      }
    }
  }
}

void Network::leave_alone(EndpointId id, uint32_t channel) {
  note_begun(id, channel, traffic_->begin(piece(id, channel), now_ns(), uint64_t{id} * options_.channel_count + channel));
}

void Network::go_on(EndpointId id, uint32_t channel, topology::FlowId flow) { note_begun(id, channel, traffic_->go_on(flow, piece(id, channel))); }

topology::Traffic::Message Network::piece(EndpointId id, uint32_t channel) {
  const Endpoint& endpoint = *endpoints_[id];
  Outgoing& outgoing = endpoints_[id]->outgoing[channel];
  const FlyingFrame& frame = outgoing.in_flight[outgoing.departed_count];
  const bool is_first = outgoing.way_bytes == 0;
  return {.source = endpoint.node,
          .target = endpoint.peer_node,
          .bytes = frame.payload.size(),
          .message_bytes = frame.message_bytes,
          .bytes_before = is_first ? 0 : frame.message_bytes - std::min(outgoing.way_bytes, frame.message_bytes),
          .way = is_first ? topology::kAnyWay : outgoing.way};
}

void Network::note_begun(EndpointId id, uint32_t channel, const topology::Traffic::Begun& begun) {
  Outgoing& outgoing = endpoints_[id]->outgoing[channel];
  FlyingFrame& frame = outgoing.in_flight[outgoing.departed_count];
  frame.begin_ns = now_ns();
  frame.link_bytes = begun.link_bytes;
  frame.way = begun.way;
  outgoing.way = begun.way;
  outgoing.way_bytes = (outgoing.way_bytes == 0 ? frame.message_bytes : outgoing.way_bytes);
  outgoing.way_bytes -= std::min<uint64_t>(outgoing.way_bytes, frame.payload.size());
  outgoing.is_leaving = true;
  outgoing.latency_ns = begun.latency_ns;
}

void Network::on_flow_end(const topology::Flows::Completed& ended) {
  if ((ended.tag & kGangTag) == 0) {
    const auto id = static_cast<EndpointId>(ended.tag / options_.channel_count);
    const auto channel = static_cast<uint32_t>(ended.tag % options_.channel_count);
    const Outgoing& outgoing = endpoints_[id]->outgoing[channel];
    if (outgoing.way_bytes != 0 && outgoing.departed_count + 1 < outgoing.in_flight.size()) {
      return on_departure(id, channel, ended.flow);
    }
    traffic_->flows().end(ended.flow);
    return on_departure(id, channel, std::nullopt);
  }
  traffic_->flows().end(ended.flow);
  const auto index = static_cast<uint32_t>(ended.tag);
  for (const Leaving& leaving : std::exchange(leaving_[index], {})) {
    on_departure(leaving.endpoint, leaving.channel, std::nullopt);
  }
  free_leaving_.push_back(index);
}

void Network::on_departure(EndpointId id, uint32_t channel, std::optional<topology::FlowId> flow) {
  Endpoint& endpoint = *endpoints_[id];
  Outgoing& outgoing = endpoint.outgoing[channel];
  outgoing.is_leaving = false;
  if (outgoing.departed_count == outgoing.in_flight.size()) {
    return;  // lost with its link or its node, though what carried it was still under way
  }
  FlyingFrame& frame = outgoing.in_flight[outgoing.departed_count++];
  frame.depart_ns = now_ns();
  frame.arrive_ns = std::max(outgoing.last_arrival_ns, now_ns() + outgoing.latency_ns + random_delay_ns());
  outgoing.last_arrival_ns = frame.arrive_ns;
  events_.push(frame.arrive_ns, {.kind = Event::Kind::frame, .subject = id, .channel = channel});
  if (!frame.is_released) {
    frame.capture();
    frame.is_released = true;
    if (endpoint.state == EndpointState::open) {
      outgoing.released_bytes += frame.payload.size();
    }
  }
  wake(endpoint.node);
  if (flow) {
    go_on(id, channel, *flow);
  } else if (outgoing.departed_count != outgoing.in_flight.size()) {
    leave(id, channel);
  } else if (endpoint.state == EndpointState::closed) {
    say_farewell(id);
  }
  count_frame(endpoint.node, now_ns());
}

uint64_t Network::released_bytes(EndpointId id, uint32_t channel) const {
  return endpoints_[id]->outgoing[channel].released_bytes;
}

Transfer Network::peek(EndpointId id, uint32_t channel, std::span<std::byte> landing, Message* message) {
  Endpoint& endpoint = *endpoints_[id];
  assert(channel < options_.channel_count);
  if (endpoint.state == EndpointState::closed) {
    return Transfer::failed;
  }
  if (const ArrivedFrame* frame = endpoint.incoming[channel].peek(landing); frame != nullptr) {
    *message = {.header = frame->header, .payload = frame->payload};
    return Transfer::done;
  }
  return endpoint.state == EndpointState::failed ? Transfer::failed : Transfer::would_block;
}

void Network::pop(EndpointId id, uint32_t channel) {
  Endpoint& endpoint = *endpoints_[id];
  const uint64_t cost_bytes = endpoint.incoming[channel].pop() + kFrameHeaderBytes;
  if (endpoint.state == EndpointState::open && options_.window_bytes != kNoWindow) {
    events_.push(now_ns() + latency_ns(endpoint.node, endpoint.peer_node),
                 {.kind = Event::Kind::credit, .subject = endpoint.peer, .channel = channel, .bytes = cost_bytes});
  }
}

void Network::let_go(EndpointId id) {
  endpoints_[id]->capture_in_flight();
  for (Incoming& channel : endpoints_[id]->incoming) {
    channel.let_go();
  }
}

void Network::on_hello(EndpointId id) {
  Endpoint& caller = *endpoints_[id];
  if (caller.severed || nodes_[caller.peer_node].halted) {
    return;
  }
  caller.greeted = true;
  if (caller.peer != kNoEndpoint) {
    greet(*endpoints_[caller.peer]);
  } else if (!ports_[caller.peer_port].attached) {
    fail_at(now_ns() + latency_ns(caller.peer_node, caller.node), id, Cause::refused);
  }
}

void Network::greet(Endpoint& endpoint) {
  if (endpoint.state != EndpointState::opening) {
    return;
  }
  if (ports_[endpoint.port].options.secret != ports_[endpoint.peer_port].options.secret) {
    return fail(endpoint, Cause::wrong_secret);
  }
  endpoint.state = EndpointState::open;
  endpoint.was_open = true;
  wake(endpoint.node);
}

void Network::on_frame(EndpointId id, uint32_t channel) {
  Endpoint& sender = *endpoints_[id];
  Outgoing& outgoing = sender.outgoing[channel];
  if (outgoing.in_flight.empty()) {
    return;  // lost with its link or its node
  }
  const FlyingFrame frame = std::move(outgoing.in_flight.front());
  outgoing.in_flight.pop_front();
  outgoing.departed_count -= outgoing.departed_count != 0 ? 1 : 0;
  Endpoint& receiver = *endpoints_[sender.peer];
  if (sender.severed || receiver.state != EndpointState::open) {
    return;  // nobody is there to take it; the sender gets its memory back when it notices
  }
  trace(sender, channel, frame);
  if (options_.on_flight && traffic_ != nullptr) {
    options_.on_flight({.source = sender.node,
                        .target = receiver.node,
                        .channel = channel,
                        .way = frame.way,
                        .bytes = frame.payload.size(),
                        .link_bytes = frame.link_bytes,
                        .begin_ns = frame.begin_ns,
                        .depart_ns = frame.depart_ns,
                        .arrive_ns = frame.arrive_ns,
                        .gang = frame.flight_gang});
  }
  receiver.incoming[channel].place(frame);
  wake(receiver.node);
  if (sender.state == EndpointState::open && !frame.is_released) {
    wake(sender.node);
    outgoing.released_bytes += frame.payload.size();
  }
}

void Network::on_close(EndpointId id) {
  const Endpoint& closed = *endpoints_[id];
  if (closed.peer != kNoEndpoint) {
    fail(*endpoints_[closed.peer], Cause::peer_closed);
  }
}

void Network::trace(const Endpoint& sender, uint32_t channel, const FlyingFrame& frame) {
  for (const uint64_t value : {now_ns(), uint64_t{sender.node}, uint64_t{sender.peer_node}, uint64_t{channel}, frame.number,
                               uint64_t{frame.payload.size()}}) {
    trace_hash_ = hash_combine(trace_hash_, value);
  }
  ++delivered_frame_count_;
  delivered_bytes_ += frame.payload.size();
}

}  // namespace tutti::sim
