// SPDX-License-Identifier: Apache-2.0
// The simplest transport that keeps the contract: a rank whose peer echoes every frame on the channel it came on.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "transport/transport.hpp"

namespace tutti::transports::fault {

class EchoLink final : public transport::Link {
 public:
  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header,
                              std::span<const std::byte> payload) override {
    if (room == 0) {
      return transport::Outcome::would_block;
    }
    --room;
    taken_bytes_[channel] += payload.size();
    frames_[channel].push_back({header, {payload.begin(), payload.end()}});
    return transport::Outcome::done;
  }
  uint64_t released_bytes(uint32_t channel) const override { return taken_bytes_[channel]; }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override {
    if (frames_[channel].empty()) {
      return transport::Outcome::would_block;
    }
    const Echo& echo = frames_[channel].front();
    std::span<const std::byte> payload = echo.payload;
    if (!landing.empty() && landing.size() >= payload.size()) {
      if (!landed_) {
        std::copy(payload.begin(), payload.end(), landing.begin());
        landed_ = true;
      }
      payload = landing.first(payload.size());
    }
    *frame = {.header = echo.header, .payload = payload};
    return transport::Outcome::done;
  }
  void pop(uint32_t channel) override {
    frames_[channel].pop_front();
    landed_ = false;
  }
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return 1'024; }
  transport::LinkEstimate estimate() const override { return {.latency_ns = 1, .bandwidth_bytes_per_s = 2, .source = "test"}; }
  std::string describe() const override { return "echo"; }

  size_t room = SIZE_MAX;  // frames it takes until it would block

 private:
  struct Echo {
    transport::FrameHeader header;
    std::vector<std::byte> payload;
  };
  std::array<std::deque<Echo>, transport::kChannelCount> frames_;
  std::array<uint64_t, transport::kChannelCount> taken_bytes_{};
  bool landed_ = false;
  Status failure_;
};

class EchoTransport final : public transport::Transport {
 public:
  explicit EchoTransport(uint32_t rank_count) : links_(rank_count) {}

  std::vector<std::byte> address() const override { return {std::byte{1}}; }
  void connect(uint32_t peer, std::span<const std::byte>) override { links_[peer] = std::make_unique<EchoLink>(); }
  void disconnect(uint32_t peer) override { links_[peer].reset(); }
  transport::PeerState state(uint32_t peer) const override {
    return links_[peer] != nullptr ? transport::PeerState::connected : transport::PeerState::unreachable;
  }
  std::string reason(uint32_t) const override { return "not connected"; }
  transport::Link* link(uint32_t peer) override { return links_[peer].get(); }
  size_t poll() override { return 0; }

  EchoLink* echo(uint32_t peer) { return links_[peer].get(); }

 private:
  std::vector<std::unique_ptr<EchoLink>> links_;
};

}  // namespace tutti::transports::fault
