// SPDX-License-Identifier: Apache-2.0
#include "comm/initialisation.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <set>

#include "base/log.hpp"
#include "comm/host.hpp"
#include "comm/selection.hpp"
#include "engine/engine.hpp"
#include "registry/registry.hpp"

namespace tutti::comm {

namespace {

// How long ranks go on connecting before they tell each other how far they are.
constexpr uint64_t kAnnouncementIntervalNs = 5'000'000;

std::vector<planner::Algorithm> all_algorithms() {
  std::vector<planner::Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    const auto members = family();
    algorithms.insert(algorithms.end(), members.begin(), members.end());
  }
  return algorithms;
}

uint32_t count_cores(const std::vector<uint64_t>& words) {
  uint32_t count = 0;
  for (const uint64_t word : words) {
    count += static_cast<uint32_t>(std::popcount(word));
  }
  return count;
}

}  // namespace

Initialisation::Initialisation(Setup setup) : setup_(std::move(setup)) {}
Initialisation::~Initialisation() = default;

Result<bool> Initialisation::poll() {
  auto result = step();
  if (result && !*result && deadline_.passed(*setup_.clock)) {
    result = tl::make_unexpected(timed_out());
  }
  if (!result) {
    setup_.exchange->abandon(result.error());
  }
  return result;
}

Initialisation::Parts Initialisation::take() { return std::move(parts_); }

Result<bool> Initialisation::step() {
  if (stage_ == Stage::begin) {
    TUTTI_UNEXPECTED_IF_ERROR(begin());
    return false;
  }
  if (stage_ == Stage::done) {
    return true;
  }
  for (const NamedTransport& named : setup_.transports) {
    named.transport->poll();
  }
  if (stage_ == Stage::connecting) {
    if (!is_connecting() || next_announcement_.passed(*setup_.clock)) {
      TUTTI_UNEXPECTED_IF_ERROR(announce_reach());
    }
    return false;
  }
  auto records = setup_.exchange->poll();
  if (!records) {
    return tl::make_unexpected(records.error());
  }
  if (!records->has_value()) {
    return false;
  }
  switch (stage_) {
    case Stage::introducing: TUTTI_UNEXPECTED_IF_ERROR(take_introductions(**records)); break;
    case Stage::agreeing_on_reach: TUTTI_UNEXPECTED_IF_ERROR(take_reach(**records)); break;
    case Stage::agreeing_on_plans: TUTTI_UNEXPECTED_IF_ERROR(take_agreements(**records)); break;
    case Stage::begin:
    case Stage::connecting:
    case Stage::done: break;
  }
  return stage_ == Stage::done;
}

Status Initialisation::begin() {
  auto settings = Settings::parse();
  if (!settings) {
    return settings.error();
  }
  foundation_->settings = std::move(*settings);
  deadline_ = Deadline::after_timeout_ms(*setup_.clock, setup_.config.timeout_ms);
  auto overrides = planner::Overrides::parse(setup_.config.algorithms, all_algorithms());
  if (!overrides) {
    return overrides.error();
  }
  overrides_ = std::move(*overrides);
  foundation_->secret = setup_.exchange->secret();
  pair_transport_.assign(size_t{rank_count()} * rank_count(), kUndecided);
  pair_links_.resize(pair_transport_.size());
  TUTTI_RETURN_IF_ERROR(make_transports());

  Introduction own{.version = TUTTI_VERSION_CODE,
                   .rank_count = rank_count(),
                   .name = setup_.config.name,
                   .transports = setup_.config.transports,
                   .algorithms = setup_.config.algorithms,
                   .slice_bytes = foundation_->settings.slice_bytes,
                   .host_id = host_id(foundation_->settings),
                   .allowed_cores = allowed_cores(),
                   .addresses = {}};
  for (const NamedTransport& named : setup_.transports) {
    const auto address = named.transport->address();
    auto& bytes = own.addresses[named.name];
    std::ranges::transform(address, std::back_inserter(bytes), [](std::byte byte) { return std::to_integer<uint8_t>(byte); });
  }
  stage_ = Stage::introducing;
  return setup_.exchange->begin_all_gather(encode(own));
}

Status Initialisation::make_transports() {
  if (!setup_.transports.empty()) {
    return {};
  }
  const auto types = select_transports(setup_.config.transports);
  if (!types) {
    return types.error();
  }
  const transport::TransportContext context{.rank = rank(),
                                            .rank_count = rank_count(),
                                            .communicator_id = setup_.exchange->job_id(),
                                            .secret = foundation_->secret,
                                            .host_id = host_id(foundation_->settings),
                                            .clock = *setup_.clock,
                                            .settings = foundation_->settings};
  for (const transport::TransportType* type : *types) {
    auto made = type->create(context);
    if (!made) {
      return Status(made.error().code(), fmt::format("transport {}: {}", type->name, made.error().message()));
    }
    setup_.transports.push_back({std::string(type->name), std::move(*made)});
  }
  return {};
}

Status Initialisation::take_introductions(const std::vector<bootstrap::Bytes>& records) {
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    auto introduction = decode_introduction(records[peer], peer);
    if (!introduction) {
      return introduction.error();
    }
    introductions_.push_back(std::move(*introduction));
  }
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    TUTTI_RETURN_IF_ERROR(check_introduction(peer));
  }
  if (rank_count() == 1) {
    return begin_agreement();
  }
  begin_connecting();
  return {};
}

Status Initialisation::check_introduction(uint32_t peer) const {
  const Introduction& theirs = introductions_[peer];
  const Introduction& first = introductions_[0];
  const auto differ = [&](std::string_view what, const auto& ours, const auto& other) {
    return mismatch_error("initialisation: rank 0 has {} \"{}\", rank {} has \"{}\"", what, ours, peer, other);
  };
  if (theirs.version != first.version) return differ("library version", first.version, theirs.version);
  if (theirs.rank_count != first.rank_count) return differ("rank count", first.rank_count, theirs.rank_count);
  if (theirs.name != first.name) return differ("communicator name", first.name, theirs.name);
  if (theirs.transports != first.transports) return differ("TUTTI_TRANSPORTS", first.transports, theirs.transports);
  if (theirs.algorithms != first.algorithms) return differ("TUTTI_ALGO", first.algorithms, theirs.algorithms);
  if (theirs.slice_bytes != first.slice_bytes) return differ("TUTTI_SLICE_BYTES", first.slice_bytes, theirs.slice_bytes);
  return {};
}

// Whether the pair with `peer` is still to be decided on the current transport.
bool Initialisation::wants_link(uint32_t peer) const {
  return peer != rank() && pair_transport_[size_t{rank()} * rank_count() + peer] == kUndecided;
}

void Initialisation::begin_connecting() {
  const NamedTransport& named = setup_.transports[current_];
  std::ranges::replace(pair_transport_, kNoTransport, kUndecided);
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (wants_link(peer)) {
      const auto& addresses = introductions_[peer].addresses;
      const auto found = addresses.find(named.name);
      named.transport->connect(peer, found == addresses.end() ? std::span<const std::byte>{} : std::as_bytes(std::span(found->second)));
    }
  }
  go_on_connecting();
}

void Initialisation::go_on_connecting() {
  next_announcement_ = Deadline::after_ns(*setup_.clock, kAnnouncementIntervalNs);
  stage_ = Stage::connecting;
}

bool Initialisation::is_connecting() const {
  const transport::Transport& transport = *setup_.transports[current_].transport;
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (wants_link(peer) && transport.state(peer) == transport::PeerState::connecting) {
      return true;
    }
  }
  return false;
}

Status Initialisation::announce_reach() {
  transport::Transport& transport = *setup_.transports[current_].transport;
  Reach reach;
  reach.peers.resize(rank_count());
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (!wants_link(peer)) {
      continue;
    }
    Reach::Peer& view = reach.peers[peer];
    view.state = transport.state(peer);
    if (view.state == transport::PeerState::connected) {
      const transport::LinkEstimate estimate = transport.link(peer)->estimate();
      view.latency_ns = estimate.latency_ns;
      view.bandwidth_bytes_per_s = estimate.bandwidth_bytes_per_s;
      view.source = estimate.source;
    }
  }
  stage_ = Stage::agreeing_on_reach;
  return setup_.exchange->begin_all_gather(encode(reach));
}

// A pair uses the transport if both of its ranks say that it works, and goes without as soon as one says that it does not.
Status Initialisation::take_reach(const std::vector<bootstrap::Bytes>& records) {
  std::vector<Reach> reaches;
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    auto reach = decode_reach(records[peer], peer, rank_count());
    if (!reach) {
      return reach.error();
    }
    reaches.push_back(std::move(*reach));
  }
  bool all_decided = true;
  for (uint32_t a = 0; a < rank_count(); ++a) {
    for (uint32_t b = 0; b < rank_count(); ++b) {
      if (a != b && pair_transport_[size_t{a} * rank_count() + b] == kUndecided) {
        all_decided &= decide({a, b}, reaches[a].peers[b], reaches[b].peers[a].state);
      }
    }
  }
  if (!all_decided) {
    go_on_connecting();
    return {};
  }
  return after_transport();
}

bool Initialisation::decide(const Pair& pair, const Reach::Peer& view, transport::PeerState other_view) {
  using transport::PeerState;
  const size_t index = size_t{pair.a} * rank_count() + pair.b;
  if (view.state == PeerState::unreachable || other_view == PeerState::unreachable) {
    pair_transport_[index] = kNoTransport;
    return true;
  }
  if (view.state == PeerState::connecting || other_view == PeerState::connecting) {
    return false;
  }
  pair_transport_[index] = static_cast<int>(current_);
  pair_links_[index] = {.latency_ns = view.latency_ns,
                        .bandwidth_bytes_per_s = std::max<uint64_t>(view.bandwidth_bytes_per_s, 1),
                        .source = view.source};
  return true;
}

Status Initialisation::after_transport() {
  if (std::ranges::find(pair_transport_, kNoTransport) == pair_transport_.end()) {
    return begin_agreement();
  }
  if (++current_ < setup_.transports.size()) {
    begin_connecting();
    return {};
  }
  return unreachable_peers();
}

Status Initialisation::unreachable_peers() const {
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (pair_transport_[size_t{rank()} * rank_count() + peer] != kNoTransport) {
      continue;
    }
    std::vector<std::string> reasons;
    for (const NamedTransport& named : setup_.transports) {
      reasons.push_back(fmt::format("{}: {}", named.name, named.transport->reason(peer)));
    }
    return tutti::failure(tuttiSystemError, "rank {} cannot reach rank {}: {}", rank(), peer, fmt::join(reasons, "; "));
  }
  return tutti::failure(tuttiSystemError, "rank {} reaches all others, but some of them do not reach each other", rank());
}

topology::Topology Initialisation::make_topology() const {
  topology::Topology topology(rank_count());
  std::vector<std::string> hosts;
  std::vector<std::vector<uint64_t>> cores;
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    const Introduction& introduction = introductions_[peer];
    const auto found = std::ranges::find(hosts, introduction.host_id);
    const auto host = static_cast<size_t>(found - hosts.begin());
    if (found == hosts.end()) {
      hosts.push_back(introduction.host_id);
      cores.emplace_back();
    }
    topology.set_host(peer, static_cast<uint32_t>(host));
    cores[host].resize(std::max(cores[host].size(), introduction.allowed_cores.size()));
    for (size_t word = 0; word < introduction.allowed_cores.size(); ++word) {
      cores[host][word] |= introduction.allowed_cores[word];
    }
    for (uint32_t other = 0; other < peer; ++other) {
      topology.set_link(other, peer, pair_links_[size_t{other} * rank_count() + peer]);
    }
  }
  topology.cores_per_host = UINT32_MAX;
  for (const auto& words : cores) {
    topology.cores_per_host = std::min(topology.cores_per_host, count_cores(words));
  }
  return topology;
}

engine::Crowding Initialisation::crowding() const {
  uint32_t ranks_here = 0;
  std::vector<uint64_t> cores;
  for (const Introduction& introduction : introductions_) {
    if (introduction.host_id != introductions_[rank()].host_id) {
      continue;
    }
    ++ranks_here;
    cores.resize(std::max(cores.size(), introduction.allowed_cores.size()));
    for (size_t word = 0; word < introduction.allowed_cores.size(); ++word) {
      cores[word] |= introduction.allowed_cores[word];
    }
  }
  return ranks_here > count_cores(cores) ? engine::Crowding::crowded : engine::Crowding::spacious;
}

Status Initialisation::begin_agreement() {
  parts_.planner = std::make_unique<planner::Planner>(planner::Planner::Options{
      .topology = make_topology(), .rank = rank(), .algorithms = all_algorithms(), .overrides = std::move(overrides_)});
  stage_ = Stage::agreeing_on_plans;
  return setup_.exchange->begin_all_gather(encode(Agreement{.planner_hash = parts_.planner->hash()}));
}

Status Initialisation::take_agreements(const std::vector<bootstrap::Bytes>& records) {
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    const auto agreement = decode_agreement(records[peer], peer);
    if (!agreement) {
      return agreement.error();
    }
    if (agreement->planner_hash != parts_.planner->hash()) {
      return mismatch_error("initialisation: ranks {} and {} would plan differently; they run different builds or see different machines",
                            rank(), peer);
    }
  }
  build_executor();
  stage_ = Stage::done;
  return {};
}

void Initialisation::build_executor() {
  engine::Executor::Connections connections;
  connections.foundation = foundation_;
  connections.links.resize(rank_count());
  std::set<size_t> used;
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (peer == rank()) {
      continue;
    }
    const auto chosen = static_cast<size_t>(pair_transport_[size_t{rank()} * rank_count() + peer]);
    used.insert(chosen);
    for (size_t index = 0; index < setup_.transports.size(); ++index) {
      if (index != chosen) {
        setup_.transports[index].transport->disconnect(peer);
      }
    }
    connections.links[peer] = setup_.transports[chosen].transport->link(peer);
    log::info("rank {} of \"{}\": rank {} over {}", rank(), setup_.config.name, peer, connections.links[peer]->describe());
  }
  for (const size_t index : used) {
    connections.transports.push_back(std::move(setup_.transports[index].transport));
  }
  setup_.transports.clear();
  parts_.executor = std::make_shared<engine::Executor>(engine::Executor::Options{.rank = rank(),
                                                                                 .rank_count = rank_count(),
                                                                                 .name = setup_.config.name,
                                                                                 .timeout_ms = setup_.config.timeout_ms,
                                                                                 .crowding = crowding(),
                                                                                 .clock = setup_.clock,
                                                                                 .engine = setup_.engine},
                                                       std::move(connections));
}

Status Initialisation::timed_out() const {
  if (stage_ != Stage::connecting) {
    return timeout_error("initialisation of \"{}\": rank {} has waited {} ms for {}", setup_.config.name, rank(),
                         setup_.config.timeout_ms, setup_.exchange->waiting_for());
  }
  std::vector<uint32_t> connecting;
  const NamedTransport& named = setup_.transports[current_];
  for (uint32_t peer = 0; peer < rank_count(); ++peer) {
    if (peer != rank() && named.transport->state(peer) == transport::PeerState::connecting) {
      connecting.push_back(peer);
    }
  }
  return timeout_error("initialisation of \"{}\": rank {} has tried for {} ms to connect over {} to ranks {}", setup_.config.name,
                       rank(), setup_.config.timeout_ms, named.name, fmt::join(connecting, ", "));
}

}  // namespace tutti::comm
