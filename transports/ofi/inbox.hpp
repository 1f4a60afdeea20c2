// SPDX-License-Identifier: Apache-2.0
// The frames that arrive on a link: put in order, and of those that are offered, read from the peer's memory as soon as it is known where to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/failure.hpp"
#include "transports/ofi/hub.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi {

class Inbox {
 public:
  struct Ends {
    Operation::Owner& owner;  // of reads, whose completions it passes on
    uint64_t peer = 0;        // as Endpoint::add_peer() named it
  };
  // All outlive it.
  Inbox(Hub& hub, Failure& failure, const Ends& ends);
  // Gives memory back; no read may be under way.
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // A frame or an offer of one has come. Takes the message over.
  void accept(const Header& header, MessageBuffer& message);
  // The peer's offers are of this generation now. What is being read of older ones will not be used.
  void note_generation(uint16_t generation);
  // The generation up to which nothing older is being read any more.
  uint16_t obeyed_generation() const { return obeyed_; }

  // Whether the next frame is here.
  bool ready(uint32_t channel) const { return next(channel).is_here(); }
  transport::Frame front(uint32_t channel) const;
  void pop(uint32_t channel);
  // Whether the next frame has been offered, and is not being read.
  bool is_waiting(uint32_t channel) const { return next(channel).state == Slot::State::offered; }
  // Somebody asks for the next frame, and names a place for it, unless that is empty.
  void want(uint32_t channel, std::span<std::byte> landing);
  // Reads the next frame once its place is known, and those behind it when nobody will name one. Returns how many reads began.
  size_t begin_reads(uint32_t channel);
  size_t retry_reads();
  bool has_to_retry() const { return reads_to_retry_ != 0; }
  bool is_reading() const { return reads_under_way_ > 0; }
  void complete(const Completion& completion);
  // No read will complete.
  void note_closed();

  // Forgets where frames were to land; those that have landed move to memory of its own. The first is to be called while reads may go on, the second when
  // none does.
  void forget_landings();
  void keep_landed();

  // A unit is a frame.
  transport::GivenCredit& credit() { return credit_; }
  const transport::GivenCredit& credit() const { return credit_; }
  // All frames below this number are here.
  uint64_t landed(uint32_t channel) const { return inbound_[channel].landed; }
  // Whether all have come that the peer has sent, if only as offers.
  bool has_arrived(const FrameCounts& sent_by_peer) const;

 private:
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
    std::vector<std::unique_ptr<Slot>> window;
    uint64_t head = 0;    // number of the next frame
    uint64_t landed = 0;  // all frames below are here
    std::span<std::byte> landing;
    bool is_wanted = false;    // somebody has asked since the last pop()
    bool reads_ahead = false;  // whoever asked last named no landing
    Slot& at(uint64_t number) const { return *window[number % kWindowFrames]; }
  };

  Slot& next(uint32_t channel) const { return inbound_[channel].at(inbound_[channel].head); }
  void accept_offer(const Header& header, const OfferedMemory& offered, Slot& slot);
  void advance_landed(Inbound& inbound);
  bool begin_read(Inbound& inbound, uint64_t number);
  bool choose_target(Inbound& inbound, uint64_t number);
  void clear(Slot& slot);
  void obey_generation();
  void violation(std::string_view what) { failure_.note(remote_error("it sent {}", what)); }

  Hub& hub_;
  Failure& failure_;
  const uint64_t peer_;
  transport::GivenCredit credit_;
  std::vector<Inbound> inbound_;  // by channel
  size_t reads_under_way_ = 0;
  size_t stale_reads_ = 0;
  uint32_t reads_to_retry_ = 0;  // channels, one bit each
  uint16_t generation_ = 0;      // of the peer's offers
  uint16_t obeyed_ = 0;
};

}  // namespace tutti::transports::ofi
