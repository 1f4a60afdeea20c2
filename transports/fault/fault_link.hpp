// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "transport/transport.hpp"
#include "transports/fault/fault_script.hpp"

namespace tutti::transports::fault {

// A link that fails as the script says and is the wrapped one otherwise. Order within a channel is never changed.
class FaultLink final : public transport::Link {
 public:
  // `script` outlives the link. `inner` is not used after detach_inner() nor by the destructor; it must be gone before the link
  // is destroyed, because it may still be reading a corrupted payload.
  FaultLink(transport::Link& inner, const FaultScript& script, uint32_t peer);

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header,
                              std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override;
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  transport::MemoryAddress publish(std::span<const std::byte> memory) override;
  bool is_shared(const transport::MemoryAddress& own) const override { return inner_ != nullptr && inner_->is_shared(own); }
  transport::Outcome share(const transport::MemoryAddress& address, uint64_t byte_count, std::byte** memory) override;
  bool enter() override { return inner_ != nullptr && inner_->enter(); }
  void leave() override;
  transport::Outcome fetch(const transport::MemoryAddress& address, std::span<std::byte> target) override;
  const Status& failure() const override;
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  transport::LinkEstimate estimate() const override { return estimate_; }
  std::string describe() const override { return description_; }

  // Ends the stalls of `channel`, both directions.
  void release(uint32_t channel);
  // Whether a reset has struck and no peeked frame uses the wrapped link any more.
  bool wants_detach() const;
  void detach_inner() { inner_ = nullptr; }

 private:
  enum class Verdict : uint8_t { pass, corrupt, would_block, failed };
  // One direction of one channel.
  struct Flow {
    uint64_t frame_count = 0;
    uint64_t blocked_calls = 0;  // kUntilReleased: until release()
  };
  struct Channel {
    std::array<Flow, 2> flows;
    uint64_t sent_bytes = 0;
    bool peeked = false;                         // a frame has been shown and not popped
    std::vector<std::byte> corrupted;            // its payload, when that was corrupted outside the caller's landing
    std::span<const std::byte> shown_payload{};  // `corrupted`, when not empty
  };

  Flow& flow(Direction direction, uint32_t channel) { return channels_[channel].flows[static_cast<size_t>(direction)]; }
  // Whether a stall or a storm swallows this call.
  bool blocked(Direction direction, uint32_t channel);
  // Lets the script act on the frame at hand; a corruption is due until it is marked spent.
  Verdict strike(Direction direction, uint32_t channel, size_t payload_bytes);
  bool due(const Fault& fault, Direction direction, uint32_t channel, size_t payload_bytes) const;
  void count(Direction direction, uint32_t channel);
  void flip_bit(std::span<std::byte> payload);
  void corrupt_arrived(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame);

  transport::Link* inner_;  // owned by the wrapped transport; nullptr after detach_inner()
  const FaultScript& script_;
  uint32_t peer_;
  uint64_t seed_;
  size_t max_frame_bytes_;
  transport::LinkEstimate estimate_;
  std::string description_;
  std::array<Channel, transport::kChannelCount> channels_;
  std::array<uint64_t, 2> frame_counts_{};  // of all channels, per direction
  std::vector<uint8_t> spent_;              // per fault of the script: it has struck
  // Read by the wrapped link until it releases them. At most one per fault, so they are kept until the end.
  std::deque<std::vector<std::byte>> corrupted_outgoing_;
  size_t corruption_ = 0;  // the fault behind the last Verdict::corrupt
  uint64_t storm_draws_ = 0;
  Status failure_;
  bool reset_ = false;
};

}  // namespace tutti::transports::fault
