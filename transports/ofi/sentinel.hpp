// SPDX-License-Identifier: Apache-2.0
// A TCP socket beside each link, on which the two ranks have proven to each other that they know the secret, before a message of the other is looked at. While
// the link lives it says nothing but whether the peer does: the kernel closes it when the peer's process ends, which endpoints without connections do
// not tell.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/descriptor.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ofi {

class Sentinel {
 public:
  using Counts = std::array<uint32_t, transport::kChannelCount>;

  // A proven socket.
  explicit Sentinel(Descriptor socket);

  int socket() const { return socket_.get(); }
  // Says the number that goes into the link's tokens; once.
  void open(uint64_t nonce);
  // Says how many frames have been sent on each channel, and that no more will be.
  void say_goodbye(const Counts& sent);

  enum class State : uint8_t { opening, open, left, ended };  // left: the peer has said goodbye; ended: nothing more will come
  // Reads what is there.
  State look();
  State state() const { return state_; }
  uint64_t peer_nonce() const { return peer_nonce_; }
  // What the peer said when it left.
  const std::optional<Counts>& peer_sent() const { return peer_sent_; }
  // Why it ended.
  const std::string& reason() const { return reason_; }

 private:
  void write(std::span<const std::byte> record);
  void take_record();
  size_t record_bytes() const;
  void end(std::string_view reason);

  Descriptor socket_;
  State state_ = State::opening;
  std::array<std::byte, sizeof(Counts)> record_{};  // what has come of the next one
  size_t record_filled_ = 0;
  uint64_t peer_nonce_ = 0;
  std::optional<Counts> peer_sent_;
  std::string reason_;
};

}  // namespace tutti::transports::ofi
