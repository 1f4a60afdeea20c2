// SPDX-License-Identifier: Apache-2.0
// A transport that wraps another and breaks it on purpose, so that everything above can be shown to survive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "transport/transport.hpp"
#include "transports/fault/fault_link.hpp"
#include "transports/fault/fault_script.hpp"

namespace tutti::transports::fault {

// Named "fault"; never chosen by itself, and its create() explains that it needs a transport to wrap.
const transport::TransportType& type();

class FaultTransport final : public transport::Transport {
 public:
  // Wraps `inner`, made for a communicator of `rank_count` ranks.
  FaultTransport(std::unique_ptr<transport::Transport> inner, uint32_t rank_count, FaultScript script);
  FaultTransport(const FaultTransport&) = delete;
  FaultTransport& operator=(const FaultTransport&) = delete;

  std::vector<std::byte> address() const override { return inner_->address(); }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override;
  std::string reason(uint32_t peer) const override;
  transport::Link* link(uint32_t peer) override;
  size_t poll() override;

  // Ends the stalls of a channel to `peer`, both directions.
  void release(uint32_t peer, uint32_t channel);
  transport::Transport& inner() { return *inner_; }

 private:
  bool unreachable_by_script(uint32_t peer) const;

  FaultScript script_;
  std::vector<std::unique_ptr<FaultLink>> links_;  // by peer; made when first asked for
  // Last, so that it is destroyed first: it may be reading payloads that links_ own.
  std::unique_ptr<transport::Transport> inner_;
};

}  // namespace tutti::transports::fault
