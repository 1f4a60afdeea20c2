// SPDX-License-Identifier: Apache-2.0
// The sending half of a link: writes one frame at a time from the caller's memory, within the credit the peer has given.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

// A payload up to this size is copied behind its header: that costs less than handing the kernel two pieces, and releases the caller's memory at
// once.
inline constexpr size_t kCopiedPayloadBytes = 1024;

class Sender {
 public:
  // `socket` outlives this.
  explicit Sender(int socket);

  // Whether everything given to it has reached the kernel.
  bool idle() const { return copied_begin_ == copied_end_ && payload_.empty(); }
  bool has_credit_for(uint32_t channel, size_t payload_bytes) const {
    return credit_.covers(channel, credit_units(payload_bytes));
  }
  // Begins a header with its payload and writes what the socket takes; only when idle(), and with credit for a data header.
  void send(const Header& header, std::span<const std::byte> payload);
  // Writes on. Returns the number of bytes that went out.
  size_t flush();
  transport::HeldCredit& credit() { return credit_; }

  // Payload bytes on `channel` that are read no more.
  uint64_t released_bytes(uint32_t channel) const { return released_bytes_[channel]; }
  const Status& failure() const { return failure_; }
  // Drops what is not written yet: it counts as released.
  void abandon();
  // Continues from a copy of its own: the caller's memory counts as released.
  void let_go();

 private:
  ssize_t write() const;
  void account_write(size_t written_bytes);

  const int socket_;
  transport::HeldCredit credit_;
  std::array<uint64_t, transport::kChannelCount> released_bytes_{};
  std::array<std::byte, kHeaderBytes + kCopiedPayloadBytes> copied_;  // the header, and the payload if it is small
  size_t copied_begin_ = 0;
  size_t copied_end_ = 0;
  std::span<const std::byte> payload_;  // what is left of it: the caller's memory, or kept_
  std::vector<std::byte> kept_;         // not empty: the payload that let_go() copied, already counted as released
  uint32_t payload_channel_ = 0;
  Status failure_;
};

}  // namespace tutti::transports::tcp
