// SPDX-License-Identifier: Apache-2.0
// The sending half of a link: writes one frame at a time from the caller's memory, within the credit the peer has given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/wire.hpp"

namespace tutti::transports::tcp {

class Sender {
 public:
  // `socket` outlives this.
  explicit Sender(int socket);

  // Whether everything given to it has reached the kernel.
  bool idle() const { return header_begin_ == header_end_ && payload_.empty(); }
  bool has_credit_for(uint32_t channel, size_t payload_bytes) const {
    return outbound_[channel].credit_units >= credit_units(payload_bytes);
  }
  // Begins a header with its payload and writes what the socket takes; only when idle(), and with credit for a data header.
  void send(const Header& header, std::span<const std::byte> payload);
  // Writes on. Returns the number of bytes that went out.
  size_t flush();
  // Credit that arrived. False when it exceeds what the peer has taken so far.
  [[nodiscard]] bool add_credit(uint32_t channel, uint32_t units);

  // Payload bytes on `channel` that are read no more.
  uint64_t released_bytes(uint32_t channel) const { return outbound_[channel].released_bytes; }
  const Status& failure() const { return failure_; }
  // Drops what is not written yet: it counts as released.
  void abandon();

 private:
  struct Outbound {
    uint32_t credit_units = 0;
    uint64_t released_bytes = 0;
  };

  void account_write(size_t written_bytes);

  const int socket_;
  std::array<Outbound, transport::kChannelCount> outbound_;
  std::array<std::byte, kHeaderBytes> header_;
  size_t header_begin_ = 0;
  size_t header_end_ = 0;
  std::span<const std::byte> payload_;  // the caller's memory, what is left of it
  uint32_t payload_channel_ = 0;
  Status failure_;
};

}  // namespace tutti::transports::tcp
