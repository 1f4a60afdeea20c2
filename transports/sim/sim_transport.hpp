// SPDX-License-Identifier: Apache-2.0
// A transport over a simulated network: what runs on it runs in virtual time, on modelled links, and fails when the
// simulation says so.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "sim/network.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::sim {

// Named "sim"; never chosen by itself, and its create() explains that a simulation constructs SimTransport.
const transport::TransportType& type();

// Payloads are read until they have arrived at the peer, as a network card would, so a caller that reuses a buffer too early
// corrupts its own data here as well. An open connection takes one latency each way to set up; poll() reports it.
class SimTransport final : public transport::Transport {
 public:
  // Puts rank `context.rank` on node `node` of `network`, which outlives the transport and has at least
  // transport::kChannelCount channels. Ranks of one communicator are on different nodes.
  SimTransport(tutti::sim::Network& network, const transport::TransportContext& context, uint32_t node);
  ~SimTransport() override;
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;

  std::vector<std::byte> address() const override;
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override;
  std::string reason(uint32_t peer) const override;
  transport::Link* link(uint32_t peer) override;
  size_t poll() override;

 private:
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    std::string reason = "not connected";
    tutti::sim::EndpointId endpoint = tutti::sim::kNoEndpoint;
    std::unique_ptr<transport::Link> link;
  };

  Result<tutti::sim::PortId> parse_address(std::span<const std::byte> address) const;
  // Whether the attempt to reach `peer` has come to an end.
  bool settle(Peer& peer);

  tutti::sim::Network& network_;
  uint32_t rank_;
  uint64_t communicator_id_;
  uint32_t node_;
  tutti::sim::PortId port_;
  std::vector<Peer> peers_;
  std::vector<uint32_t> connecting_;  // peers whose attempt is under way
};

}  // namespace tutti::transports::sim
