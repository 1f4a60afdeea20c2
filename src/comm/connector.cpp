// SPDX-License-Identifier: Apache-2.0
#include "comm/connector.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "comm/lazy_links.hpp"
#include "comm/machine.hpp"

namespace tutti::comm {

using transport::PeerState;

namespace {

// How long ranks go on connecting before they tell each other how far they are.
constexpr uint64_t kExchangeIntervalNs = 5'000'000;

}  // namespace

Connector::Connector(Setup setup) : setup_(std::move(setup)), neighbours_(setup_.rank_count), pairs_(setup_.rank_count) {
  for (uint32_t rank = 0; rank < setup_.rank_count; ++rank) {
    neighbours_[rank] = first_neighbours(rank, setup_.rank_count);
    pairs_[rank].resize(neighbours_[rank].size());
  }
}

const Connector::Pair* Connector::find(uint32_t source, uint32_t target) const {
  const auto place = std::ranges::lower_bound(neighbours_[source], target);
  return place != neighbours_[source].end() && *place == target ? &pairs_[source][static_cast<size_t>(place - neighbours_[source].begin())] : nullptr;
}

const Connector::Pair& Connector::known_or_alike(uint32_t source, uint32_t target) const {
  if (const Pair* const known = find(source, target)) {
    return *known;
  }
  return share_host(source, target) ? *example_inside_ : *example_between_;
}

// The first pair of each kind, but for memory, which all of the kind must reach. Where a kind has no pair, the other one stands for it.
void Connector::find_examples() {
  for (uint32_t source = 0; source < setup_.rank_count; ++source) {
    for (size_t index = 0; index < pairs_[source].size(); ++index) {
      const Pair& pair = pairs_[source][index];
      auto& example = share_host(source, neighbours_[source][index]) ? example_inside_ : example_between_;
      const bool reaches_memory = (!example || example->link.reaches_memory) && pair.link.reaches_memory;
      example = example ? example : pair;
      example->link.reaches_memory = reaches_memory;
    }
  }
  example_inside_ = example_inside_ ? example_inside_ : example_between_;
  example_between_ = example_between_ ? example_between_ : example_inside_;
}

std::span<const std::byte> Connector::address_of(uint32_t peer, const std::string& transport) const {
  const TransportOffers& offers = (*introductions_)[peer].offers;
  const auto found = offers.find(transport);
  return found == offers.end() ? std::span<const std::byte>{} : std::as_bytes(std::span(found->second.address));
}

void Connector::begin(const std::vector<Introduction>& introductions) {
  introductions_ = &introductions;
  begin_transport();
}

void Connector::begin_transport() {
  const NamedTransport& named = setup_.transports[current_];
  for (size_t index = 0; index < own_neighbours().size(); ++index) {
    if (wants_link(index)) {
      const uint32_t peer = own_neighbours()[index];
      named.transport->connect(peer, address_of(peer, named.name));
    }
  }
  plan_next_exchange();
}

void Connector::plan_next_exchange() { next_exchange_ = Deadline::after_ns(*setup_.clock, kExchangeIntervalNs); }

bool Connector::poll() {
  for (const NamedTransport& named : setup_.transports) {
    named.transport->poll();
  }
  return !is_connecting() || next_exchange_.passed(*setup_.clock);
}

bool Connector::is_connecting() const {
  const transport::Transport& transport = *setup_.transports[current_].transport;
  for (size_t index = 0; index < own_neighbours().size(); ++index) {
    if (wants_link(index) && transport.state(own_neighbours()[index]) == PeerState::connecting) {
      return true;
    }
  }
  return false;
}

const MeasuredLink* Connector::measured_link(uint32_t peer) const {
  return share_host(peer, setup_.rank) ? setup_.measured.find(setup_.transports[current_].name) : nullptr;
}

Reach Connector::reach() const {
  transport::Transport& transport = *setup_.transports[current_].transport;
  const topology::MemorySpeed speed = memory_speed_of(*introductions_, setup_.rank);
  Reach reach;
  reach.peers.resize(own_neighbours().size());
  for (size_t index = 0; index < own_neighbours().size(); ++index) {
    if (!wants_link(index)) {
      continue;
    }
    const uint32_t peer = own_neighbours()[index];
    Reach::Peer& view = reach.peers[index];
    view.state = transport.state(peer);
    if (view.state == PeerState::connected) {
      const transport::LinkEstimate estimate = transport.link(peer)->estimate();
      view.latency_ns = estimate.latency_ns;
      view.bandwidth_bytes_per_s = estimate.bandwidth_bytes_per_s;
      view.source = estimate.source;
      if (estimate.copied_by_cores) {
        view.bandwidth_bytes_per_s = topology::scaled_by_cores(estimate.bandwidth_bytes_per_s, speed);
        view.source += fmt::format(", to scale with a copy in caches, {:.1f} GB/s here", static_cast<double>(speed.copy_bytes_per_s) / 1e9);
      }
      view.reaches_memory = estimate.reaches_memory;
      view.copies_out = estimate.copies_out;
      if (const MeasuredLink* const measured = measured_link(peer)) {
        view.latency_ns = measured->latency_ns;
        view.bandwidth_bytes_per_s = measured->bandwidth_bytes_per_s;
        view.source = "measured by calibrate";
      }
    }
  }
  return reach;
}

Result<Connector::Verdict> Connector::decide(const std::vector<Reach>& reaches) {
  for (uint32_t source = 0; source < setup_.rank_count; ++source) {
    for (size_t index = 0; index < pairs_[source].size(); ++index) {
      const std::vector<uint32_t>& others = neighbours_[neighbours_[source][index]];
      const auto place = static_cast<size_t>(std::ranges::lower_bound(others, source) - others.begin());
      if (pairs_[source][index].state == PairState::undecided) {
        decide_pair(pairs_[source][index], reaches[source].peers[index], reaches[neighbours_[source][index]].peers[place]);
      }
    }
  }
  if (has_pair_that_is(PairState::undecided)) {
    plan_next_exchange();
    return Verdict::go_on;
  }
  if (!has_pair_that_is(PairState::unreached)) {
    if (setup_.rank_count > kMostFullyLinked) {
      find_examples();
    }
    return Verdict::all_connected;
  }
  if (current_ + 1 == setup_.transports.size()) {
    return tl::make_unexpected(unreached_pair());
  }
  ++current_;
  for (std::vector<Pair>& of_source : pairs_) {
    for (Pair& pair : of_source) {
      pair.state = pair.state == PairState::unreached ? PairState::undecided : pair.state;
    }
  }
  begin_transport();
  return Verdict::go_on;
}

// A pair uses the transport if both of its ranks say that it works, and goes without as soon as one says that it does not. The same for memory.
void Connector::decide_pair(Pair& pair, const Reach::Peer& view, const Reach::Peer& other_view) const {
  if (view.state == PeerState::unreachable || other_view.state == PeerState::unreachable) {
    pair.state = PairState::unreached;
  } else if (view.state == PeerState::connected && other_view.state == PeerState::connected) {
    pair.state = PairState::connected;
    pair.transport = current_;
    pair.link = {.latency_ns = view.latency_ns,
                 .bandwidth_bytes_per_s = std::max<uint64_t>(view.bandwidth_bytes_per_s, 1),
                 .source = view.source,
                 .reaches_memory = view.reaches_memory && other_view.reaches_memory,
                 .copies_out = view.copies_out};
  }
}

bool Connector::has_pair_that_is(PairState state) const {
  return std::ranges::any_of(pairs_, [&](const std::vector<Pair>& of_source) {
    return std::ranges::any_of(of_source, [&](const Pair& pair) { return pair.state == state; });
  });
}

Status Connector::unreached_pair() const {
  for (size_t index = 0; index < own_neighbours().size(); ++index) {
    if (own_pair(index).state != PairState::unreached) {
      continue;
    }
    const uint32_t peer = own_neighbours()[index];
    std::vector<std::string> reasons;
    for (const NamedTransport& named : setup_.transports) {
      reasons.push_back(fmt::format("{}: {}", named.name, reason(named, peer)));
    }
    for (const LeftOut& one : setup_.left_out) {
      reasons.push_back(fmt::format("{}: {}", one.name, one.why));
    }
    return failure(tuttiSystemError, "rank {} cannot reach rank {}: {}", setup_.rank, peer, fmt::join(reasons, "; "));
  }
  return failure(tuttiSystemError, "rank {} reaches all others, but some of them do not reach each other", setup_.rank);
}

std::string Connector::reason(const NamedTransport& named, uint32_t peer) const {
  if (named.transport->state(peer) != PeerState::unreachable) {
    return "the other rank is not connected";
  }
  const bool is_offered = introductions_ == nullptr || (*introductions_)[peer].offers.contains(named.name);
  const bool is_here = introductions_ == nullptr || (*introductions_)[setup_.rank].offers.contains(named.name);
  return is_here && !is_offered ? "the other rank has none" : named.transport->reason(peer);
}

LinkReport Connector::report() const {
  LinkReport report{.rank = setup_.rank, .host_id = (*introductions_)[setup_.rank].host_id, .left_out = setup_.left_out};
  std::ranges::transform(setup_.transports, std::back_inserter(report.transports), &NamedTransport::name);
  const auto number_of = [&](std::string text) {
    const auto found = std::ranges::find(report.texts, text);
    const auto number = static_cast<uint32_t>(found - report.texts.begin());
    if (found == report.texts.end()) {
      report.texts.push_back(std::move(text));
    }
    return number;
  };
  report.links.resize(setup_.rank_count);
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (peer == setup_.rank) {
      continue;
    }
    const Pair& used = known_or_alike(setup_.rank, peer);
    const bool is_connected = find(setup_.rank, peer) != nullptr;
    LinkReport::Link& link = report.links[peer];
    link.transport = static_cast<uint32_t>(used.transport);
    const NamedTransport& named = setup_.transports[used.transport];
    link.description = is_connected ? named.transport->link(peer)->describe() : named.name + ", when first needed";
    link.latency_ns = used.link.latency_ns;
    link.bandwidth_bytes_per_s = used.link.bandwidth_bytes_per_s;
    link.source = number_of(used.link.source);
    link.reaches_memory = used.link.reaches_memory;
    for (uint32_t better = 0; is_connected && better < link.transport; ++better) {
      link.passed_over.push_back({.transport = better, .reason = number_of(reason(setup_.transports[better], peer))});
    }
  }
  return report;
}

engine::Executor::Connections Connector::take_connections() {
  engine::Executor::Connections connections;
  connections.links.resize(setup_.rank_count);
  std::set<size_t> used;
  for (size_t place = 0; place < own_neighbours().size(); ++place) {
    const uint32_t peer = own_neighbours()[place];
    const size_t chosen = own_pair(place).transport;
    used.insert(chosen);
    for (size_t index = 0; index < setup_.transports.size(); ++index) {
      if (index != chosen) {
        setup_.transports[index].transport->disconnect(peer);
      }
    }
    connections.links[peer] = setup_.transports[chosen].transport->link(peer);
  }
  if (setup_.rank_count > kMostFullyLinked) {
    connections.opener = make_opener(&used);
  }
  for (const size_t index : used) {
    connections.transports.push_back(std::move(setup_.transports[index].transport));
  }
  setup_.transports.clear();
  return connections;
}

std::unique_ptr<engine::LinkOpener> Connector::make_opener(std::set<size_t>* used) const {
  std::vector<LazyLinks::Route> routes(setup_.rank_count);
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (peer == setup_.rank || find(setup_.rank, peer) != nullptr) {
      continue;
    }
    const size_t chosen = known_or_alike(setup_.rank, peer).transport;
    const NamedTransport& named = setup_.transports[chosen];
    const auto address = address_of(peer, named.name);
    routes[peer] = {.name = named.name, .transport = named.transport.get(), .address = {address.begin(), address.end()}};
    used->insert(chosen);
  }
  return std::make_unique<LazyLinks>(setup_.rank, std::move(routes));
}

std::string Connector::waiting_for() const {
  std::vector<uint32_t> connecting;
  const NamedTransport& named = setup_.transports[current_];
  for (size_t index = 0; index < own_neighbours().size(); ++index) {
    if (wants_link(index) && named.transport->state(own_neighbours()[index]) == PeerState::connecting) {
      connecting.push_back(own_neighbours()[index]);
    }
  }
  return fmt::format("{} connections to ranks {}", named.name, fmt::join(connecting, ", "));
}

}  // namespace tutti::comm
