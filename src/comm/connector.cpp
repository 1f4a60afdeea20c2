// SPDX-License-Identifier: Apache-2.0
#include "comm/connector.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace tutti::comm {

using transport::PeerState;

namespace {

// How long ranks go on connecting before they tell each other how far they are.
constexpr uint64_t kExchangeIntervalNs = 5'000'000;

}  // namespace

Connector::Connector(Setup setup) : setup_(std::move(setup)), pairs_(size_t{setup_.rank_count} * setup_.rank_count) {}

void Connector::begin(const std::vector<Introduction>& introductions) {
  introductions_ = &introductions;
  begin_transport();
}

void Connector::begin_transport() {
  const NamedTransport& named = setup_.transports[current_];
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (wants_link(peer)) {
      const TransportOffers& offers = (*introductions_)[peer].offers;
      const auto found = offers.find(named.name);
      named.transport->connect(peer, found == offers.end() ? std::span<const std::byte>{} : std::as_bytes(std::span(found->second.address)));
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
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (wants_link(peer) && transport.state(peer) == PeerState::connecting) {
      return true;
    }
  }
  return false;
}

const MeasuredLink* Connector::measured_link(uint32_t peer) const {
  const bool is_here = (*introductions_)[peer].host_id == (*introductions_)[setup_.rank].host_id;
  return is_here ? setup_.measured.find(setup_.transports[current_].name) : nullptr;
}

Reach Connector::reach() const {
  transport::Transport& transport = *setup_.transports[current_].transport;
  Reach reach;
  reach.peers.resize(setup_.rank_count);
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (!wants_link(peer)) {
      continue;
    }
    Reach::Peer& view = reach.peers[peer];
    view.state = transport.state(peer);
    if (view.state == PeerState::connected) {
      const transport::LinkEstimate estimate = transport.link(peer)->estimate();
      view.latency_ns = estimate.latency_ns;
      view.bandwidth_bytes_per_s = estimate.bandwidth_bytes_per_s;
      view.source = estimate.source;
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
    for (uint32_t target = 0; target < setup_.rank_count; ++target) {
      if (source != target && pair(source, target).state == PairState::undecided) {
        decide_pair(pair(source, target), reaches[source].peers[target], reaches[target].peers[source]);
      }
    }
  }
  if (has_pair_that_is(PairState::undecided)) {
    plan_next_exchange();
    return Verdict::go_on;
  }
  if (!has_pair_that_is(PairState::unreached)) {
    return Verdict::all_connected;
  }
  if (current_ + 1 == setup_.transports.size()) {
    return tl::make_unexpected(unreached_pair());
  }
  ++current_;
  std::ranges::for_each(pairs_, [](Pair& pair) {
    pair.state = pair.state == PairState::unreached ? PairState::undecided : pair.state;
  });
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
  for (uint32_t source = 0; source < setup_.rank_count; ++source) {
    for (uint32_t target = 0; target < setup_.rank_count; ++target) {
      if (source != target && pair(source, target).state == state) {
        return true;
      }
    }
  }
  return false;
}

Status Connector::unreached_pair() const {
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (peer == setup_.rank || pair(setup_.rank, peer).state != PairState::unreached) {
      continue;
    }
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
    const Pair& used = pair(setup_.rank, peer);
    LinkReport::Link& link = report.links[peer];
    link.transport = static_cast<uint32_t>(used.transport);
    link.description = setup_.transports[used.transport].transport->link(peer)->describe();
    link.latency_ns = used.link.latency_ns;
    link.bandwidth_bytes_per_s = used.link.bandwidth_bytes_per_s;
    link.source = number_of(used.link.source);
    link.reaches_memory = used.link.reaches_memory;
    for (uint32_t better = 0; better < link.transport; ++better) {
      link.passed_over.push_back({.transport = better, .reason = number_of(reason(setup_.transports[better], peer))});
    }
  }
  return report;
}

engine::Executor::Connections Connector::take_connections() {
  engine::Executor::Connections connections;
  connections.links.resize(setup_.rank_count);
  std::set<size_t> used;
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (peer == setup_.rank) {
      continue;
    }
    const size_t chosen = pair(setup_.rank, peer).transport;
    used.insert(chosen);
    for (size_t index = 0; index < setup_.transports.size(); ++index) {
      if (index != chosen) {
        setup_.transports[index].transport->disconnect(peer);
      }
    }
    connections.links[peer] = setup_.transports[chosen].transport->link(peer);
  }
  for (const size_t index : used) {
    connections.transports.push_back(std::move(setup_.transports[index].transport));
  }
  setup_.transports.clear();
  return connections;
}

std::string Connector::waiting_for() const {
  std::vector<uint32_t> connecting;
  const NamedTransport& named = setup_.transports[current_];
  for (uint32_t peer = 0; peer < setup_.rank_count; ++peer) {
    if (wants_link(peer) && named.transport->state(peer) == PeerState::connecting) {
      connecting.push_back(peer);
    }
  }
  return fmt::format("{} connections to ranks {}", named.name, fmt::join(connecting, ", "));
}

}  // namespace tutti::comm
