// SPDX-License-Identifier: Apache-2.0
// The frames that a link has sent: which of them the peer has yet to pop, and which memory it may still read for them. Without an endpoint: the link says
// what was sent and what the peer tells.
//
// Memory that the peer may read can be taken back. What is offered instead, in copies, is of a later *generation*; the peer says up to which one it has stopped
// reading what is older.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ofi/failure.hpp"
#include "transports/ofi/registrations.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi {

class Outbox {
 public:
  // Both outlive it.
  Outbox(Registrations& registrations, Failure& failure);

  // A frame that was offered; of others only the size.
  struct Sent {
    uint32_t bytes = 0;
    bool is_offered = false;  // and not known to have landed
    transport::FrameHeader header = {};
    std::span<const std::byte> payload = {};
    std::unique_ptr<std::byte[]> kept = {};  // the payload, once the caller's memory has been let go
    std::shared_ptr<Registration> registration = {};
  };

  bool has_credit(uint32_t channel) const { return credit_.covers(channel, 1); }
  // Number of the next frame.
  uint64_t next(uint32_t channel) const { return outbound_[channel].next; }
  void add(uint32_t channel, Sent sent);
  // Of all that were added, on each channel.
  FrameCounts counts() const;

  // What the peer tells in a header. False when it cannot be true.
  [[nodiscard]] bool take_words(const Header& header);

  uint64_t released_bytes(uint32_t channel) const { return outbound_[channel].released_bytes; }
  bool is_all_released(uint32_t channel) const { return outbound_[channel].released == outbound_[channel].next; }

  uint16_t generation() const { return generation_; }
  // Copies are to be offered in place of the callers' memory, which counts as released. The peer may still be reading it as long as it is registered, which
  // it is until `taken_back` goes.
  void take_back(std::vector<std::shared_ptr<Registration>>& taken_back);
  bool has_peer_obeyed() const;
  bool reoffers_are_due() const { return reoffers_are_due_; }
  // Offers again what must be, by `post(channel, number, sent)`, as long as that is done. Returns how many times it was.
  template <typename Post>
  size_t reoffer(const Post& post);

 private:
  struct Outbound {
    std::array<Sent, kWindowFrames> window;
    uint64_t next = 0;      // number of the next frame
    uint64_t landed = 0;    // there
    uint64_t released = 0;  // frames whose memory is not read any more
    uint64_t released_bytes = 0;
    uint32_t reoffers_due = 0;  // one bit for each place in the window
    Sent& at(uint64_t number) { return window[number % kWindowFrames]; }
    static uint32_t bit_of(uint64_t number) { return 1u << number % kWindowFrames; }
  };

  static void advance_released(Outbound& outbound);
  void keep(Sent& sent);

  Registrations& registrations_;
  Failure& failure_;
  transport::HeldCredit credit_;  // a unit is a frame
  std::array<Outbound, transport::kChannelCount> outbound_;
  uint16_t generation_ = 0;
  uint16_t obeyed_ = 0;  // by the peer
  bool reoffers_are_due_ = false;
};

template <typename Post>
size_t Outbox::reoffer(const Post& post) {
  size_t sent = 0;
  for (uint32_t channel = 0; channel < transport::kChannelCount && reoffers_are_due_; ++channel) {
    Outbound& outbound = outbound_[channel];
    for (uint64_t number = outbound.landed; outbound.reoffers_due != 0 && number < outbound.next; ++number) {
      if ((outbound.reoffers_due & Outbound::bit_of(number)) == 0) {
        continue;
      }
      if (!failure_.ok() || post(channel, number, outbound.at(number)) != Posted::done) {
        return sent;
      }
      outbound.reoffers_due &= ~Outbound::bit_of(number);
      ++sent;
    }
  }
  reoffers_are_due_ = false;
  return sent;
}

}  // namespace tutti::transports::ofi
