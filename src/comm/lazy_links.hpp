// SPDX-License-Identifier: Apache-2.0
// Links to the ranks that a communicator did not connect to while it came up: over the transport that has connected others who are placed alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/link_opener.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

class LazyLinks final : public engine::LinkOpener {
 public:
  struct Route {
    std::string name;  // of the transport
    transport::Transport* transport = nullptr;  // outlives this
    std::vector<std::byte> address;             // of the peer
  };
  // By peer; those that will not be asked for may be empty.
  LazyLinks(uint32_t rank, std::vector<Route> routes) : rank_(rank), routes_(std::move(routes)), begun_(routes_.size()) {}

  Result<transport::Link*> open(uint32_t peer) override {
    const Route& route = routes_[peer];
    if (!begun_[peer]) {
      begun_[peer] = true;
      route.transport->connect(peer, route.address);
    }
    if (route.transport->state(peer) == transport::PeerState::unreachable) {
      return tl::make_unexpected(
          failure(tuttiSystemError, "rank {} cannot reach rank {}: {}: {}", rank_, peer, route.name, route.transport->reason(peer)));
    }
    return route.transport->link(peer);
  }

 private:
  const uint32_t rank_;
  const std::vector<Route> routes_;
  std::vector<bool> begun_;
};

}  // namespace tutti::comm
