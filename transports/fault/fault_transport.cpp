// SPDX-License-Identifier: Apache-2.0
#include "transports/fault/fault_transport.hpp"

#include <algorithm>
#include <utility>

namespace tutti::transports::fault {

using transport::PeerState;

const transport::TransportType& type() {
  static const transport::TransportType row{
      .name = "fault",
      .preference = 0,
      .automatic = false,
      .create = [](const transport::TransportContext&) -> Result<std::unique_ptr<transport::Transport>> {
        return tl::make_unexpected(invalid_usage(
            "transport \"fault\" wraps another one, which a test gives it with a script; it cannot be asked for by name"));
      }};
  return row;
}

FaultTransport::FaultTransport(std::unique_ptr<transport::Transport> inner, uint32_t rank_count, FaultScript script)
    : script_(std::move(script)), links_(rank_count), inner_(std::move(inner)) {}

bool FaultTransport::unreachable_by_script(uint32_t peer) const {
  return std::ranges::find(script_.unreachable_peers, peer) != script_.unreachable_peers.end();
}

void FaultTransport::connect(uint32_t peer, std::span<const std::byte> peer_address) {
  if (!unreachable_by_script(peer)) {
    inner_->connect(peer, peer_address);
  }
}

void FaultTransport::disconnect(uint32_t peer) {
  inner_->disconnect(peer);
  if (peer < links_.size()) {
    links_[peer].reset();
  }
}

PeerState FaultTransport::state(uint32_t peer) const {
  if (unreachable_by_script(peer)) {
    return PeerState::unreachable;
  }
  // A link that a reset has parted from the wrapped transport stays until disconnect().
  return peer < links_.size() && links_[peer] != nullptr ? PeerState::connected : inner_->state(peer);
}

std::string FaultTransport::reason(uint32_t peer) const {
  return unreachable_by_script(peer) ? "unreachable by the fault script" : inner_->reason(peer);
}

transport::Link* FaultTransport::link(uint32_t peer) {
  if (peer >= links_.size()) {
    return nullptr;
  }
  if (links_[peer] == nullptr) {
    if (transport::Link* inner = inner_->link(peer); inner != nullptr) {
      links_[peer] = std::make_unique<FaultLink>(*inner, script_, peer);
    }
  }
  return links_[peer].get();
}

size_t FaultTransport::poll() {
  size_t work = inner_->poll();
  for (uint32_t peer = 0; peer < links_.size(); ++peer) {
    if (links_[peer] != nullptr && links_[peer]->wants_detach()) {
      links_[peer]->detach_inner();
      inner_->disconnect(peer);
      ++work;
    }
  }
  return work;
}

void FaultTransport::release(uint32_t peer, uint32_t channel) {
  if (peer < links_.size() && links_[peer] != nullptr) {
    links_[peer]->release(channel);
  }
}

}  // namespace tutti::transports::fault
