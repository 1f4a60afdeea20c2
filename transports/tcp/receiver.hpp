// SPDX-License-Identifier: Apache-2.0
// The receiving half of a link: parses the socket's bytes, and puts payloads where they belong.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/staging.hpp"
#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

// Small frames are read many at a time into a buffer and copied from there. The rest of a large payload is read straight into its destination, with
// a little of what follows behind it, so that the next header needs no system call of its own.
class Receiver {
 public:
  // `socket` outlives this; credit that arrives goes to `held`, which does too.
  Receiver(int socket, transport::HeldCredit& held);

  // Whether the next frame on `channel` is complete.
  bool ready(uint32_t channel) const;
  // The next frame on `channel`; only when ready(). Its memory is valid until pop().
  transport::Frame front(uint32_t channel) const;
  void pop(uint32_t channel);
  // Remembers where the next frame on `channel` may be put; forgotten when that frame is popped. Changes nothing once the frame has begun to arrive.
  void set_landing(uint32_t channel, std::span<std::byte> landing);
  // Forgets all landings. What has already arrived in one moves to memory of the receiver's own, and the rest follows it there.
  void let_go();

  // Reads until the next frame on `channel` is complete, the socket is empty, or the bounded work of one call is done. Stops as soon as the
  // frame is there, so that what follows can still be given a landing.
  bool advance_to_frame(uint32_t channel);
  // The same without a frame to stop at. Returns the number of bytes read.
  size_t advance();

  // Whether more may still arrive. Once false, failure() says why.
  bool open() const { return failure_.ok(); }
  const Status& failure() const { return failure_; }
  // Whether the latest read left nothing in the socket.
  bool drained() const { return drained_; }
  transport::GivenCredit& credit() { return credit_; }

 private:
  struct Inbound {
    explicit Inbound(uint32_t window_units) : staging(window_units) {}

    Staging staging;
    std::span<std::byte> landing;
    std::unique_ptr<std::byte[]> kept;  // what `landing` refers to after let_go(), until that frame is popped
    enum class Landed : uint8_t { nothing, part, whole };
    Landed landed = Landed::nothing;  // what of the next frame is in `landing`; other frames are in `staging`
    transport::FrameHeader landed_header;
    uint32_t landed_bytes = 0;
  };
  // The payload that is being received.
  struct Incoming {
    uint32_t channel = 0;
    std::byte* destination = nullptr;
    size_t left_bytes = 0;
  };

  template <size_t... channels>
  static std::array<Inbound, sizeof...(channels)> make_inbound(std::index_sequence<channels...>);

  bool consume();
  bool consume_header();
  void consume_payload();
  void begin_frame(const Header& header);
  void finish_frame();
  size_t read_more();
  ssize_t read(size_t direct_bytes, size_t behind_bytes);
  void account_read(size_t received_bytes, size_t direct_bytes);
  void fail(Status status);
  size_t buffered() const { return buffer_end_ - buffer_begin_; }

  const int socket_;
  transport::HeldCredit& held_;
  transport::GivenCredit credit_;
  std::array<Inbound, transport::kChannelCount> inbound_;
  std::unique_ptr<std::byte[]> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
  Incoming incoming_;
  size_t latest_payload_bytes_ = 0;
  bool drained_ = false;
  Status failure_;
};

}  // namespace tutti::transports::tcp
