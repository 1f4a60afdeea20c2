// SPDX-License-Identifier: Apache-2.0
// A link over the transport's endpoint. Small frames travel in messages. Of large ones a message offers the memory, and the receiver reads it, as soon as it
// knows where to: the completion of a read says on every provider that the bytes are there, in whatever order messages and completions come, and
// a receiver that many send to takes its frames at its own pace.
//
// Frames are numbered on each channel, as nothing below keeps an order. The receiver tells, with whatever it sends, how many it has popped, which is
// what lets the sender go on, and how many it needs nothing more of, which is what releases memory that has been offered. Both only grow, so an
// older word that comes late says nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "base/status.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/failure.hpp"
#include "transports/ofi/hub.hpp"
#include "transports/ofi/inbox.hpp"
#include "transports/ofi/outbox.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi {

class OfiLink final : public transport::Link, private Hub::Destination, private Operation::Owner {
 public:
  struct Ends {
    uint32_t own_rank = 0;
    uint32_t peer_rank = 0;
    uint64_t peer = 0;  // as add_peer() named it
    uint64_t peer_tag = 0;    // of what it receives
    uint64_t own_token = 0;   // of what arrives here
    uint64_t peer_token = 0;  // of what arrives there
  };
  struct Manner {
    size_t max_frame_bytes = kMaxFrameBytes;
    transport::LinkEstimate estimate;
    std::string description;
  };
  // `hub` outlives it.
  OfiLink(Hub& hub, const Ends& ends, Manner manner);
  // Waits, but not for long, for what the endpoint is doing with its callers' memory.
  ~OfiLink() override;
  OfiLink(const OfiLink&) = delete;
  OfiLink& operator=(const OfiLink&) = delete;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override;
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  const Status& failure() const override { return failure_.status(); }
  size_t max_frame_bytes() const override { return manner_.max_frame_bytes; }
  transport::LinkEstimate estimate() const override { return manner_.estimate; }
  std::string describe() const override { return manner_.description; }

  // Owes the peer a message, by which it sees that the endpoints reach each other.
  void greet() { is_to_greet_ = true; }
  // Whether anything has arrived from the peer.
  bool greeted() const { return greeted_; }
  // Sends what it owes, and goes on where it had to try again. Returns how many messages and reads began.
  size_t flush();
  bool owes() const { return owes_word() || outbox_.reoffers_are_due() || inbox_.has_to_retry(); }
  bool is_sending() const { return messages_leaving_ > 0; }
  // Frames that try_send took, and whether as many as the peer says have arrived.
  FrameCounts sent() const { return outbox_.counts(); }
  bool has_arrived(const FrameCounts& sent_by_peer) const { return inbox_.has_arrived(sent_by_peer); }
  void fail(Status why) { failure_.note(std::move(why)); }

 private:
  void receive(MessageBuffer& message) override;
  void note_sent(const std::string& error) override;
  void note_closed(const std::string& why) override;
  void complete(const Completion& completion) override;

  Posted post(Header header, std::span<const std::byte> payload);
  Posted post_message(const Header& header, std::span<const std::byte> payload);
  Posted post_offer(uint32_t channel, uint64_t number, const Outbox::Sent& frame);
  Posted send_eager(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  Posted send_offer(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  bool owes_word() const { return is_to_greet_ || inbox_.obeyed_generation() != told_obeyed_ || inbox_.credit().is_due(); }
  size_t send_words();

  template <typename Condition>
  bool wait_for(Condition condition);
  void settle_reads();

  Hub& hub_;
  const Ends ends_;
  const Manner manner_;
  Failure failure_;
  Outbox outbox_;
  Inbox inbox_;
  bool is_to_greet_ = false;
  uint16_t told_obeyed_ = 0;
  bool greeted_ = false;
  bool is_removed_ = false;  // from the endpoint's peers
  size_t messages_leaving_ = 0;
  uint64_t seen_sending_ = 0;  // Hub::look()
  mutable uint64_t seen_waiting_ = 0;
  std::array<uint64_t, transport::kChannelCount> seen_receiving_{};
};

}  // namespace tutti::transports::ofi
