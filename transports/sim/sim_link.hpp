// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "sim/network.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::sim {

// One end of a simulated connection as a transport::Link. Owns the endpoint: closes it when destroyed.
class SimLink final : public transport::Link {
 public:
  SimLink(tutti::sim::Network& network, tutti::sim::EndpointId endpoint) : network_(network), endpoint_(endpoint) {}
  ~SimLink() override { network_.close(endpoint_); }
  SimLink(const SimLink&) = delete;
  SimLink& operator=(const SimLink&) = delete;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header,
                              std::span<const std::byte> payload) override;
  transport::Outcome try_send_in_gang(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload,
                                      const Gang& gang) override;
  uint64_t released_bytes(uint32_t channel) const override { return network_.released_bytes(endpoint_, channel); }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override { network_.pop(endpoint_, channel); }
  void let_go() override { network_.let_go(endpoint_); }
  const Status& failure() const override { return network_.failure(endpoint_); }
  size_t max_frame_bytes() const override { return network_.options().max_frame_bytes; }
  transport::LinkEstimate estimate() const override;
  std::string describe() const override;

 private:
  tutti::sim::Network& network_;
  tutti::sim::EndpointId endpoint_;
};

}  // namespace tutti::transports::sim
