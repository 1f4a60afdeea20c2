// SPDX-License-Identifier: Apache-2.0
// The receiving half of a link with several rails: puts the frames of each channel back into order and drops those that come again. A frame's place
// is told by the units before it, so any order will do. Without sockets: rails say what arrives, and put it where they are told.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/rail_name.hpp"
#include "transports/tcp/rail_wire.hpp"

namespace tutti::transports::tcp {

class Inbox {
 public:
  Inbox();

  // Whether the next frame on `channel` is complete.
  bool ready(uint32_t channel) const;
  // The next frame on `channel`; only when ready(). Its memory is valid until pop().
  transport::Frame front(uint32_t channel) const;
  void pop(uint32_t channel);
  // Remembers where the next frame on `channel` may be put; forgotten when that frame is popped. Changes nothing once the frame has begun to arrive.
  void set_landing(uint32_t channel, std::span<std::byte> landing);
  // Forgets all landings. What has already arrived in one moves to memory of the inbox's own, and the rest follows it there.
  void let_go();

  // The payload that is arriving over a rail. Whoever reads the rail puts bytes at `destination`, or drops them if that is null, and moves both on.
  struct Arrival {
    std::byte* destination = nullptr;
    size_t left_bytes = 0;

    bool is_repeat = false;
    uint32_t channel = 0;
    uint32_t start_units = 0;
  };
  Arrival& arrival(size_t rail) { return arrivals_[rail]; }
  // A data header came over `rail`, over which no payload is arriving. Errors: tuttiRemoteError if the peer broke its word.
  Status begin(size_t rail, const RailHeader& header);
  // The last of its payload has been put where it belongs; also to be called if there is none.
  void finish(size_t rail);
  // Nothing more will come over this rail, or all that comes belongs to another socket. A frame that it has begun may be begun again over another rail.
  void forget(size_t rail);

  transport::GivenCredit& credit() { return credit_; }
  const transport::GivenCredit& credit() const { return credit_; }

 private:
  struct AlignedDelete {
    void operator()(std::byte* memory) const { ::operator delete[](memory, std::align_val_t{kCreditUnitBytes}); }
  };
  // What lies in the first unit of a frame's place.
  struct Entry {
    transport::FrameHeader header;
    uint32_t payload_bytes;
  };
  static_assert(sizeof(Entry) <= kCreditUnitBytes);
  struct Inbound {
    uint32_t window_units = 0;
    std::unique_ptr<std::byte[], AlignedDelete> memory;  // made with the first frame; the place of a frame is its start modulo the window
    std::vector<bool> whole;                             // by place: a frame begins there, and all of it has arrived
    std::span<std::byte> landing;
    std::unique_ptr<std::byte[]> kept;  // what `landing` refers to after let_go(), until that frame is popped
    enum class Landed : uint8_t { nothing, part, whole };
    Landed landed = Landed::nothing;  // what of the next frame is in `landing`; other frames are in `memory`
    Entry landed_entry;

    uint32_t place(uint32_t start_units) const { return start_units % window_units; }
  };

  static void make_memory(Inbound& inbound);
  static Entry& entry_at(const Inbound& inbound, uint32_t place);
  // Where the next frame begins.
  uint32_t front_units(uint32_t channel) const { return credit_.freed_units(channel); }
  bool has_arrived(uint32_t channel, uint32_t start_units) const;
  bool is_landing(const Arrival& arrival) const;
  void drop_rest(Arrival& arrival);

  std::array<Inbound, transport::kChannelCount> inbound_;
  std::array<Arrival, kMaxRails> arrivals_;
  transport::GivenCredit credit_;
};

}  // namespace tutti::transports::tcp
