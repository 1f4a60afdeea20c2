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
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/hub.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi {

using FrameCounts = std::array<uint32_t, transport::kChannelCount>;  // modulo 2^32

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
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return manner_.max_frame_bytes; }
  transport::LinkEstimate estimate() const override { return manner_.estimate; }
  std::string describe() const override { return manner_.description; }

  // Owes the peer a message, by which it sees that the endpoints reach each other.
  void greet() { owes_word_ = true; }
  // Whether anything has arrived from the peer.
  bool greeted() const { return greeted_; }
  // Sends what it owes, and goes on where it had to try again. Returns how many messages and reads began.
  size_t flush();
  bool owes() const { return owes_word_ || given_.is_due() || reoffers_are_due_ || reads_to_retry_ != 0; }
  bool is_sending() const { return messages_leaving_ > 0; }
  // Frames that try_send took, and whether as many as the peer says have arrived.
  FrameCounts sent() const;
  bool has_arrived(const FrameCounts& sent_by_peer) const;
  void fail(Status why);

 private:
  // A frame that was offered; of others only the size.
  struct Sent {
    uint32_t bytes = 0;
    bool is_offered = false;  // and not known to have landed
    transport::FrameHeader header;
    std::span<const std::byte> payload;
    std::unique_ptr<std::byte[]> kept;  // the payload, once the caller's memory has been let go
    std::shared_ptr<Registration> registration;
  };
  struct Outbound {
    std::array<Sent, kWindowFrames> window;
    uint64_t next = 0;      // number of the next frame
    uint64_t landed = 0;    // there
    uint64_t released = 0;  // frames whose memory is not read any more
    uint64_t released_bytes = 0;
    uint32_t reoffers_due = 0;  // one bit for each place in the window
    Sent& at(uint64_t number) { return window[number % kWindowFrames]; }
  };
  struct Slot : Operation {
    explicit Slot(Operation::Owner& operation_owner) : Operation(operation_owner) {}
    enum class State : uint8_t { empty, eager, offered, reading, landed };
    State state = State::empty;
    bool is_stale = false;  // the read that is under way is of memory that the peer has taken back
    bool was_offered = false;
    uint8_t channel = 0;
    uint16_t generation = 0;
    uint32_t bytes = 0;
    transport::FrameHeader header;
    RemoteMemory source;
    MessageBuffer* message = nullptr;  // of an eager frame
    std::span<std::byte> target;       // of a read
    bool in_landing = false;           // whether that is the caller's memory
    Staging staging;
    std::shared_ptr<Registration> registration;
    bool is_here() const { return state == State::eager || state == State::landed; }
  };
  struct Inbound {
    explicit Inbound(Operation::Owner& owner);
    std::vector<std::unique_ptr<Slot>> window;
    uint64_t head = 0;    // number of the frame that peek() shows
    uint64_t landed = 0;  // all frames below are here
    std::span<std::byte> landing;
    bool is_wanted = false;    // somebody has peeked since the last pop()
    bool reads_ahead = false;  // whoever peeked last named no landing
    uint64_t seen = 0;
    Slot& at(uint64_t number) { return *window[number % kWindowFrames]; }
  };

  void receive(MessageBuffer& message) override;
  void note_sent(const std::string& error) override;
  void note_closed(const std::string& why) override;
  void complete(const Completion& completion) override;

  Posted post(Header header, std::span<const std::byte> payload);
  Posted post_offer(uint32_t channel, uint64_t number, const Sent& frame);
  transport::Outcome send_eager(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  transport::Outcome send_offer(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload);
  transport::Outcome outcome_of(Posted posted);
  static void advance_released(Outbound& outbound);

  size_t send_words();
  size_t send_reoffers();

  bool take_words(const Header& header);
  void obey_generation();
  void accept(const Header& header, MessageBuffer& message);
  void accept_offer(const Header& header, const OfferedMemory& offered, Slot& slot);
  void advance_landed(Inbound& inbound);
  size_t begin_reads(uint32_t channel);
  bool begin_read(Inbound& inbound, uint64_t number);
  bool choose_target(Inbound& inbound, uint64_t number);
  transport::Frame frame_of(const Slot& slot) const;
  void clear(Slot& slot);

  bool has_open_offers() const;
  bool take_back_offers(std::vector<std::shared_ptr<Registration>>& taken_back);
  void keep(Sent& sent);
  void keep_landed();
  template <typename Condition>
  bool wait_for(Condition condition);
  void settle_reads();
  void violation(std::string_view what);

  Hub& hub_;
  const Ends ends_;
  const Manner manner_;
  transport::HeldCredit held_;  // a unit is a frame
  transport::GivenCredit given_;
  std::array<Outbound, transport::kChannelCount> outbound_;
  std::vector<Inbound> inbound_;  // by channel
  size_t reads_under_way_ = 0;
  size_t stale_reads_ = 0;
  uint32_t reads_to_retry_ = 0;  // channels, one bit each
  uint16_t generation_ = 0;          // of this rank's offers
  uint16_t obeyed_by_peer_ = 0;
  uint16_t peer_generation_ = 0;     // of the peer's
  uint16_t obeyed_ = 0;
  bool owes_word_ = false;
  bool reoffers_are_due_ = false;
  bool greeted_ = false;
  bool is_removed_ = false;  // from the endpoint's peers
  size_t messages_leaving_ = 0;
  uint64_t seen_sending_ = 0;
  mutable uint64_t seen_waiting_ = 0;
  Status failure_;
};

}  // namespace tutti::transports::ofi
