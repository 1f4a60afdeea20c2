// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/simulation.hpp"

#include <algorithm>
#include <span>

namespace tutti::bootstrap {

namespace {

// What base/authentication.hpp exchanges before a connection stands: a hello each way, a proof each way.
constexpr uint64_t kHelloBytes = 56;
constexpr uint64_t kProofBytes = 32;

void count_connecting(Traffic* traffic) {
  traffic->messages_sent += 2;
  traffic->bytes_sent += kHelloBytes + kProofBytes;
  traffic->messages_received += 1;
  traffic->bytes_received += kHelloBytes + kProofBytes;
}

void count_accepting(Traffic* traffic) {
  traffic->messages_sent += 1;
  traffic->bytes_sent += kHelloBytes + kProofBytes;
  traffic->messages_received += 2;
  traffic->bytes_received += kHelloBytes + kProofBytes;
}

Frame frame_of(const Bytes& encoded) {
  const auto header = *decode_frame_header(std::span(encoded).first<kFrameHeaderBytes>());
  return {.type = header.type, .payload = Bytes(encoded.begin() + kFrameHeaderBytes, encoded.end())};
}

SocketAddress address_of(uint32_t rank) {
  return *SocketAddress::resolve(fmt::format("10.0.{}.{}", rank >> 8, rank & 255), 1);
}

}  // namespace

struct SimulatedBootstrap::Root final : Registrar::Voice {
  Root(SimulatedBootstrap& world, uint32_t index) : world(world), index(index), registrar(0, world.clock_, *this) {}

  void tell(uint32_t rank, const std::shared_ptr<const Bytes>& frame) override {
    ++traffic.messages_sent;
    traffic.bytes_sent += frame->size();
    world.schedule({.kind = Event::Kind::frame, .target = rank, .source = kMaxRankCount, .line = line_at(rank), .frame = frame, .byte_count = frame->size()});
  }
  // What the rank calls this root.
  Line line_at(uint32_t rank) const {
    const Share share = share_of(index, world.options_.root_count, world.options_.rank_count);
    return {Line::Kind::root, rank >= share.first && rank - share.first < share.count ? 0u : 1u};
  }

  SimulatedBootstrap& world;
  const uint32_t index;
  Registrar registrar;
  Traffic traffic;
};

struct SimulatedBootstrap::Node final : Gathering::Wires {
  Node(SimulatedBootstrap& world, uint32_t rank)
      : world(world), rank(rank), roots(roots_of({rank, world.options_.rank_count}, world.options_.root_count)),
        gathering({rank, world.options_.rank_count}, static_cast<uint32_t>(roots.size()), *this, world.clock_) {}

  void open(uint32_t step, const SocketAddress&) override {
    const uint32_t other = gathering.successor(step);
    count_connecting(&traffic);
    count_accepting(&world.nodes_[other]->traffic);
    world.schedule({.kind = Event::Kind::up, .target = rank, .source = other, .line = {Line::Kind::successor, step}}, 2);
    world.schedule({.kind = Event::Kind::up, .target = other, .source = rank, .line = {Line::Kind::predecessor, step}}, 3);
  }
  void send(const Line& line, const std::shared_ptr<const Bytes>& frame) override {
    count(frame->size());
    if (line.kind == Line::Kind::root) {
      world.schedule({.kind = Event::Kind::root_frame, .target = roots[line.index], .source = rank, .frame = frame, .byte_count = frame->size()});
    } else {
      world.schedule({.kind = Event::Kind::frame, .target = other_end(line), .source = rank, .line = seen_from_there(line), .frame = frame, .byte_count = frame->size()});
    }
  }
  void send_blocks(uint32_t step, uint32_t block_count) override {
    const uint64_t byte_count = kFrameHeaderBytes + 8 + block_count * (sizeof(uint32_t) + world.options_.contribution_bytes);
    count(byte_count);
    const Line line{Line::Kind::predecessor, step};
    world.schedule({.kind = Event::Kind::blocks, .target = other_end(line), .source = rank, .line = seen_from_there(line), .round = gathering.round(), .byte_count = byte_count});
  }
  void keep_blocks(uint32_t) override {}

  void count(uint64_t byte_count) {
    ++traffic.messages_sent;
    traffic.bytes_sent += byte_count;
  }
  uint32_t other_end(const Line& line) const {
    return line.kind == Line::Kind::successor ? gathering.successor(line.index) : gathering.predecessor(line.index);
  }
  static Line seen_from_there(const Line& line) {
    return {line.kind == Line::Kind::successor ? Line::Kind::predecessor : Line::Kind::successor, line.index};
  }

  SimulatedBootstrap& world;
  const uint32_t rank;
  const std::vector<uint32_t> roots;
  Gathering gathering;
  Traffic traffic;
  bool dead = false;
  bool done = false;
};

SimulatedBootstrap::SimulatedBootstrap(Options options) : options_(std::move(options)) {
  for (uint32_t root = 0; root < options_.root_count; ++root) {
    roots_.push_back(std::make_unique<Root>(*this, root));
  }
  for (uint32_t rank = 0; rank < options_.rank_count; ++rank) {
    nodes_.push_back(std::make_unique<Node>(*this, rank));
    Node& node = *nodes_.back();
    node.dead = options_.absent.contains(rank);
    if (node.dead) {
      continue;
    }
    [[maybe_unused]] const Status begun = node.gathering.begin_round();
    for (uint32_t index = 0; index < node.roots.size(); ++index) {
      count_connecting(&node.traffic);
      count_accepting(&roots_[node.roots[index]]->traffic);
      schedule({.kind = Event::Kind::root_up, .target = node.roots[index], .source = rank}, 3);
      schedule({.kind = Event::Kind::up, .target = rank, .source = kMaxRankCount, .line = {Line::Kind::root, index}}, 3);
    }
  }
}

SimulatedBootstrap::~SimulatedBootstrap() = default;

void SimulatedBootstrap::schedule(Event event, uint64_t latencies) {
  event.at_ns = clock_.now + latencies * options_.latency_ns;
  event.number = event_count_++;
  events_.push(std::move(event));
}

bool SimulatedBootstrap::step() {
  if (events_.empty()) {
    return false;
  }
  const Event event = events_.top();
  events_.pop();
  clock_.now = event.at_ns;
  carry_out(event);
  return true;
}

void SimulatedBootstrap::carry_out(const Event& event) {
  if (event.kind == Event::Kind::root_up) {
    Root& root = *roots_[event.target];
    const Status verdict = root.registrar.admit({.rank = event.source, .rank_count = options_.rank_count, .purpose = 0});
    if (!verdict.ok()) {
      root.tell(event.source, std::make_shared<const Bytes>(encode_frame(FrameType::failure, encode_status(verdict))));
    }
    return;
  }
  if (event.kind == Event::Kind::root_frame) {
    Root& root = *roots_[event.target];
    ++root.traffic.messages_received;
    root.traffic.bytes_received += event.byte_count;
    return root.registrar.receive(event.source, frame_of(*event.frame));
  }
  Node& node = *nodes_[event.target];
  if (node.dead || node.done) {
    return;
  }
  deliver(event);
  go_on(node);
}

void SimulatedBootstrap::deliver(const Event& event) {
  Node& node = *nodes_[event.target];
  if (event.byte_count > 0) {
    ++node.traffic.messages_received;
    node.traffic.bytes_received += event.byte_count;
  }
  switch (event.kind) {
    case Event::Kind::up:
      if (event.line.kind == Line::Kind::root) {
        const uint32_t root = node.roots[event.line.index];
        const Registration registration{.share = share_of(root, options_.root_count, options_.rank_count), .address = address_of(node.rank)};
        node.send(event.line, std::make_shared<const Bytes>(encode_frame(FrameType::registration, encode_registration(registration))));
      } else if (nodes_[event.source]->dead) {
        return;  // it had not answered yet
      }
      return node.gathering.up(event.line);
    case Event::Kind::down: return node.gathering.down(event.line, "connection closed");
    case Event::Kind::frame: return node.gathering.receive(event.line, frame_of(*event.frame));
    case Event::Kind::blocks:
      if (!node.gathering.take_blocks(event.line.index, event.round)) {
        node.gathering.fail(internal_error("rank {} got blocks of round {} too early or twice", node.rank, event.round));
      }
      return;
    case Event::Kind::root_up:
    case Event::Kind::root_frame: return;
  }
}

void SimulatedBootstrap::go_on(Node& node) {
  while (node.gathering.failure().ok() && node.gathering.has_all()) {
    node.gathering.end_round();
    if (node.gathering.round() == options_.rounds) {
      node.gathering.leave();
      node.done = true;
      return;
    }
    if (options_.stalled.contains(node.rank)) {
      return;
    }
    [[maybe_unused]] const Status begun = node.gathering.begin_round();
  }
}

void SimulatedBootstrap::wait_ns(uint64_t duration_ns) {
  clock_.now += duration_ns;
  for (const auto& root : roots_) {
    root->registrar.tick();
  }
  for (const auto& node : nodes_) {
    if (!node->dead && !node->done) {
      node->gathering.tick();
    }
  }
}

void SimulatedBootstrap::kill(uint32_t rank) {
  Node& victim = *nodes_[rank];
  if (victim.dead || victim.done) {
    return;
  }
  victim.dead = true;
  for (uint32_t step = 0; step < line_count(options_.rank_count); ++step) {
    for (const Line line : {Line{Line::Kind::successor, step}, Line{Line::Kind::predecessor, step}}) {
      schedule({.kind = Event::Kind::down, .target = victim.other_end(line), .source = rank, .line = Node::seen_from_there(line)});
    }
  }
  for (const uint32_t root : victim.roots) {
    roots_[root]->registrar.ended(rank, "connection closed");
  }
}

bool SimulatedBootstrap::is_done(uint32_t rank) const { return nodes_[rank]->done; }
const Status& SimulatedBootstrap::failure(uint32_t rank) const { return nodes_[rank]->gathering.failure(); }
std::string SimulatedBootstrap::waiting_for(uint32_t rank) const { return nodes_[rank]->gathering.waiting_for(); }
const Traffic& SimulatedBootstrap::traffic_of_rank(uint32_t rank) const { return nodes_[rank]->traffic; }
const Traffic& SimulatedBootstrap::traffic_of_root(uint32_t root) const { return roots_[root]->traffic; }

}  // namespace tutti::bootstrap
