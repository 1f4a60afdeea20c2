// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/hash.hpp"
#include "sim/network.hpp"

namespace tutti::sim {

inline constexpr uint64_t kLatencyNs = 1'000;
inline constexpr uint64_t kBandwidth = 1'000'000'000;  // a byte per nanosecond

inline topology::LinkSpec link_spec(uint64_t latency_ns = kLatencyNs, uint64_t bandwidth_bytes_per_s = kBandwidth) {
  return {.latency_ns = latency_ns, .bandwidth_bytes_per_s = bandwidth_bytes_per_s, .source = "test"};
}

inline std::vector<std::byte> pattern(size_t byte_count, uint64_t seed) {
  std::vector<std::byte> bytes(byte_count);
  for (size_t index = 0; index < byte_count; ++index) {
    bytes[index] = static_cast<std::byte>(hash_combine(seed, index));
  }
  return bytes;
}

// A network whose nodes all have one port and a connection to each other.
class Mesh {
 public:
  explicit Mesh(uint32_t node_count, const NetworkOptions& options = {}, const topology::LinkSpec& link = link_spec())
      : Mesh(topology::Topology::uniform(node_count, link), options) {}
  Mesh(const topology::Topology& topology, const NetworkOptions& options) : network(topology, options) {
    const uint32_t node_count = network.node_count();
    std::vector<PortId> ports;
    for (uint32_t node = 0; node < node_count; ++node) {
      ports.push_back(network.attach({.node = node, .group = 1, .secret = {}}));
    }
    endpoints.resize(size_t{node_count} * node_count, kNoEndpoint);
    for (uint32_t source = 0; source < node_count; ++source) {
      for (uint32_t target = 0; target < node_count; ++target) {
        if (source != target) {
          endpoints[source * node_count + target] = network.open(ports[source], ports[target]);
        }
      }
    }
    while (network.advance()) {
    }
    start_ns = network.now_ns();
  }

  EndpointId end(uint32_t node, uint32_t peer) const { return endpoints[node * network.node_count() + peer]; }
  Transfer send(uint32_t source, uint32_t target, std::span<const std::byte> payload, uint32_t channel = 0,
                uint64_t message_bytes = 0) {
    return network.send(end(source, target), channel, {.header = {sent_count++, 0}, .payload = payload, .message_bytes = message_bytes});
  }
  Transfer send_in_gang(uint32_t source, uint32_t target, std::span<const std::byte> payload, const Gang& gang) {
    return network.send(end(source, target), 0, {.header = {sent_count++, 0}, .payload = payload, .gang = gang, .gang_group = 1});
  }
  Transfer peek(uint32_t target, uint32_t source, Message* message, uint32_t channel = 0) {
    return network.peek(end(target, source), channel, {}, message);
  }
  // Since all connections were made.
  uint64_t elapsed_ns() const { return network.now_ns() - start_ns; }

  Network network;
  std::vector<EndpointId> endpoints;
  uint64_t start_ns = 0;
  uint64_t sent_count = 0;
};

}  // namespace tutti::sim
