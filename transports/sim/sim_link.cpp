// SPDX-License-Identifier: Apache-2.0
#include "transports/sim/sim_link.hpp"

namespace tutti::transports::sim {

namespace {

transport::Outcome outcome_of(tutti::sim::Transfer transfer) {
  switch (transfer) {
    case tutti::sim::Transfer::done:
      return transport::Outcome::done;
    case tutti::sim::Transfer::would_block:
      return transport::Outcome::would_block;
    case tutti::sim::Transfer::failed:
      break;
  }
  return transport::Outcome::failed;
}

}  // namespace

transport::Outcome SimLink::try_send(uint32_t channel, const transport::FrameHeader& header,
                                     std::span<const std::byte> payload) {
  return try_send_in_gang(channel, header, payload, {});
}

transport::Outcome SimLink::try_send_in_gang(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload,
                                             const Gang& gang) {
  return outcome_of(network_.send(endpoint_, channel,
                                  {.header = {header.call, header.message_bytes},
                                   .payload = payload,
                                   .message_bytes = header.message_bytes,
                                   .gang = gang,
                                   .gang_group = header.call}));
}

transport::Outcome SimLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  tutti::sim::Message message;
  const transport::Outcome outcome = outcome_of(network_.peek(endpoint_, channel, landing, &message));
  if (outcome == transport::Outcome::done) {
    *frame = {.header = {.call = message.header[0], .message_bytes = message.header[1]}, .payload = message.payload};
  }
  return outcome;
}

transport::LinkEstimate SimLink::estimate() const {
  const topology::LinkSpec& spec = network_.link(network_.node(endpoint_), network_.peer_node(endpoint_));
  return {.latency_ns = spec.latency_ns,
          .bandwidth_bytes_per_s = spec.bandwidth_bytes_per_s,
          .source = spec.source.empty() ? std::string_view("the simulated topology") : std::string_view(spec.source)};
}

std::string SimLink::describe() const {
  return fmt::format("sim node {} -> node {}", network_.node(endpoint_), network_.peer_node(endpoint_));
}

}  // namespace tutti::transports::sim
