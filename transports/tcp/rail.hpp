// SPDX-License-Identifier: Apache-2.0
// One socket of a link that has several: writes a frame at a time, reads what comes, and knows which of its frames have not been acknowledged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/status.hpp"
#include "transports/tcp/drain_rate.hpp"
#include "transports/tcp/inbox.hpp"
#include "transports/tcp/outbox.hpp"
#include "transports/tcp/rail_wire.hpp"
#include "transports/tcp/silence.hpp"

namespace tutti::transports::tcp {

class Rail {
 public:
  struct Setup {
    size_t index = 0;
    uint8_t incarnation = 0;
    Descriptor socket;  // connected and non-blocking
  };
  // `clock`, `inbox` and `outbox` outlive it.
  Rail(Setup setup, const Clock& clock, Inbox& inbox, Outbox& outbox);

  size_t index() const { return setup_.index; }
  uint8_t incarnation() const { return setup_.incarnation; }
  int socket() const { return setup_.socket.get(); }

  // Whether it can begin something: all that was given to it has reached the kernel.
  bool idle() const { return header_left_bytes_ == 0 && payload_left_bytes_ == 0; }
  // Begins a frame and writes what the socket takes; only when idle(). The frame is in this rail's queue until it is acknowledged.
  void send(OutgoingFrame& frame, const transport::GivenCredit::News& credit);
  // Begins a header that is no frame; only when idle().
  void send(const RailHeader& header);
  // Writes on. Returns the number of bytes that went out.
  size_t flush();

  // Reads until the next frame on `channel` is complete, the socket is empty, or the bounded work of one call is done. Returns the bytes read.
  size_t read_to_frame(uint32_t channel);
  // The same without a frame to stop at.
  size_t read() { return read_to_frame(transport::kChannelCount); }
  // Whether the latest read left nothing in the socket.
  bool drained() const { return drained_; }

  // Whether what has arrived here should be acknowledged without waiting for a frame to travel with.
  bool acknowledgement_due() const;
  // Of frames that are not acknowledged.
  size_t unacknowledged_bytes() const { return unacknowledged_bytes_; }
  // How long it takes until all that is on its way and `bytes` more have arrived; 0 if nobody knows yet.
  uint64_t expected_ns(size_t bytes) const { return rate_.expected_ns(unacknowledged_bytes_ + bytes); }
  DrainRate& rate() { return rate_; }
  const DrainRate& rate() const { return rate_; }
  // Takes all frames that are not acknowledged; only when nothing will be sent here again.
  FrameQueue take_unacknowledged();
  // What the peer said about another rail since the last call.
  std::optional<RailHeader> take_loss() { return std::exchange(loss_, std::nullopt); }

  // Why the socket is of no use any more; ok() while it is.
  const Status& failure() const { return failure_; }
  // Why the peer cannot be trusted, which no other rail makes better.
  const Status& breach() const { return breach_; }

  // How long, by `now_ns`, bytes have been on their way without any of them arriving, beyond three times as long as an answer usually takes. Asks the
  // kernel.
  uint64_t silent_ns(uint64_t now_ns);

 private:
  bool consume();
  bool consume_header();
  void consume_payload();
  void take_acknowledgement(uint32_t arrived_count);
  void finish_arrival(size_t payload_bytes);
  size_t read_more();
  ssize_t receive(size_t direct_bytes, size_t behind_bytes);
  void begin_header(const RailHeader& header);
  ssize_t write() const;
  void fail(int error);
  size_t buffered() const { return buffer_end_ - buffer_begin_; }

  Setup setup_;
  const Clock& clock_;
  Inbox& inbox_;
  Outbox& outbox_;

  std::array<std::byte, kRailHeaderBytes> header_;
  size_t header_left_bytes_ = 0;
  OutgoingFrame* writing_ = nullptr;  // what is being written, if that is a frame: the newest of unacknowledged_
  size_t payload_left_bytes_ = 0;
  FrameQueue unacknowledged_;
  size_t unacknowledged_bytes_ = 0;
  uint32_t acknowledged_count_ = 0;
  DrainRate rate_;

  std::unique_ptr<std::byte[]> buffer_;
  size_t buffer_begin_ = 0;
  size_t buffer_end_ = 0;
  size_t arriving_bytes_ = 0;  // of the payload being read, all of it
  uint32_t arrived_count_ = 0;
  uint32_t told_arrived_count_ = 0;
  size_t untold_arrived_bytes_ = 0;
  bool drained_ = false;

  std::optional<RailHeader> loss_;
  Silence silence_;
  Status failure_;
  Status breach_;
};

}  // namespace tutti::transports::tcp
