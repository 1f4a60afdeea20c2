// SPDX-License-Identifier: Apache-2.0
#include "transports/sim/sim_transport.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "transports/sim/sim_link.hpp"

namespace tutti::transports::sim {

using transport::PeerState;

namespace {

constexpr uint64_t kAddressMagic = 0x5475'7474'692f'7331;  // "Tutti/s1"

// All processes of a simulation are one process, so the address needs no byte order.
struct WireAddress {
  uint64_t magic = kAddressMagic;
  uint64_t communicator_id = 0;
  uint64_t port = 0;
};

}  // namespace

const transport::TransportType& type() {
  static const transport::TransportType row{
      .name = "sim",
      .preference = 0,
      .automatic = false,
      .create = [](const transport::TransportContext&) -> Result<std::unique_ptr<transport::Transport>> {
        return tl::make_unexpected(
            invalid_usage("transport \"sim\" is made by a simulation, which knows its network; it cannot be asked for by name"));
      }};
  return row;
}

SimTransport::SimTransport(tutti::sim::Network& network, const transport::TransportContext& context, uint32_t node)
    : network_(network),
      rank_(context.rank),
      communicator_id_(context.communicator_id),
      node_(node),
      port_(network.attach({.node = node, .group = context.communicator_id, .secret = context.secret})),
      peers_(context.rank_count) {
  assert(network.options().channel_count >= transport::kChannelCount);
}

SimTransport::~SimTransport() {
  peers_.clear();
  network_.detach(port_);
}

std::vector<std::byte> SimTransport::address() const {
  const WireAddress address{.communicator_id = communicator_id_, .port = port_};
  std::vector<std::byte> bytes(sizeof(address));
  std::memcpy(bytes.data(), &address, sizeof(address));
  return bytes;
}

Result<tutti::sim::PortId> SimTransport::parse_address(std::span<const std::byte> bytes) const {
  WireAddress address;
  if (bytes.size() != sizeof(address)) {
    return tl::make_unexpected(remote_error("address of {} bytes, expected {}", bytes.size(), sizeof(address)));
  }
  std::memcpy(&address, bytes.data(), sizeof(address));
  if (address.magic != kAddressMagic || address.port >= UINT32_MAX ||
      !network_.port_exists(static_cast<tutti::sim::PortId>(address.port))) {
    return tl::make_unexpected(remote_error("no address of this simulation"));
  }
  const auto port = static_cast<tutti::sim::PortId>(address.port);
  const tutti::sim::PortOptions& options = network_.port(port);
  if (address.communicator_id != communicator_id_ || options.group != communicator_id_) {
    return tl::make_unexpected(remote_error("address of another communicator"));
  }
  if (options.node == node_) {
    return tl::make_unexpected(remote_error("same simulated node, {}", node_));
  }
  return port;
}

void SimTransport::connect(uint32_t peer_rank, std::span<const std::byte> peer_address) {
  if (peer_rank >= peers_.size() || peer_rank == rank_) {
    return;
  }
  disconnect(peer_rank);
  Peer& peer = peers_[peer_rank];
  const Result<tutti::sim::PortId> peer_port = parse_address(peer_address);
  if (!peer_port) {
    peer.reason = peer_port.error().message();
    return;
  }
  peer.endpoint = network_.open(port_, *peer_port);
  peer.state = PeerState::connecting;
  peer.reason.clear();
  connecting_.push_back(peer_rank);
}

void SimTransport::disconnect(uint32_t peer_rank) {
  if (peer_rank >= peers_.size() || peers_[peer_rank].endpoint == tutti::sim::kNoEndpoint) {
    return;
  }
  Peer& peer = peers_[peer_rank];
  network_.close(peer.endpoint);
  peer = {};
  peer.reason = "disconnected";
  std::erase(connecting_, peer_rank);
}

PeerState SimTransport::state(uint32_t peer) const { return peer < peers_.size() ? peers_[peer].state : PeerState::unreachable; }

std::string SimTransport::reason(uint32_t peer) const {
  return peer < peers_.size() ? peers_[peer].reason : fmt::format("rank {} of {}", peer, peers_.size());
}

transport::Link* SimTransport::link(uint32_t peer) { return peer < peers_.size() ? peers_[peer].link.get() : nullptr; }

bool SimTransport::settle(Peer& peer) {
  switch (network_.state(peer.endpoint)) {
    case tutti::sim::EndpointState::opening:
      return false;
    case tutti::sim::EndpointState::open:
      break;
    case tutti::sim::EndpointState::failed:
    case tutti::sim::EndpointState::closed:
      if (!network_.was_open(peer.endpoint)) {
        peer.state = PeerState::unreachable;
        peer.reason = network_.failure(peer.endpoint).message();
        return true;
      }
      break;  // what arrived before it failed can still be read
  }
  peer.state = PeerState::connected;
  peer.link = std::make_unique<SimLink>(network_, peer.endpoint);
  return true;
}

size_t SimTransport::poll() {
  return std::erase_if(connecting_, [this](uint32_t peer) { return settle(peers_[peer]); });
}

}  // namespace tutti::transports::sim
