// SPDX-License-Identifier: Apache-2.0
// The link from a rank to itself: frames are handed over by reference, nothing is copied until the receiver does it.
#pragma once

#include <array>

#include "transport/transport.hpp"

namespace tutti::engine {

class LoopbackLink final : public transport::Link {
 public:
  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header,
                              std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override { return channels_[channel].released_bytes; }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  const Status& failure() const override { return ok_; }
  size_t max_frame_bytes() const override { return 1 << 20; }
  transport::LinkEstimate estimate() const override { return {.latency_ns = 0, .bandwidth_bytes_per_s = 10'000'000'000, .source = "loopback"}; }
  std::string describe() const override { return "loopback"; }

 private:
  static constexpr size_t kMaxFrames = 8;
  struct Channel {
    std::array<transport::Frame, kMaxFrames> frames;
    size_t head = 0;
    size_t count = 0;
    uint64_t released_bytes = 0;
  };
  std::array<Channel, transport::kChannelCount> channels_;
  Status ok_;
};

}  // namespace tutti::engine
