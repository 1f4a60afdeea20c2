// SPDX-License-Identifier: Apache-2.0
// A link over one proven socket.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/descriptor.hpp"
#include "base/settings.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/receiver.hpp"
#include "transports/tcp/sender.hpp"
#include "transports/tcp/socket_link.hpp"

namespace tutti::transports::tcp {

class TcpLink final : public SocketLink {
 public:
  // Takes over a connected, non-blocking socket. `backlogged_link_count`, which outlives the link, counts the links with unfinished sends.
  TcpLink(Descriptor socket, const Settings& settings, Distance distance, size_t& backlogged_link_count);
  // Closes in order, so that what has been sent still arrives.
  ~TcpLink() override;
  TcpLink(const TcpLink&) = delete;
  TcpLink& operator=(const TcpLink&) = delete;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override { return sender_.released_bytes(channel); }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  transport::LinkEstimate estimate() const override;
  std::string describe() const override { return description_; }

  size_t flush() override;
  size_t look() override;
  std::vector<int> sockets() const override { return {socket_.get()}; }
  SocketLoad load() const override { return load_of(socket_.get()); }

 private:
  size_t send_due_credit();
  void look_for_credit();
  void note_failure();
  void update_backlog();

  Descriptor socket_;
  const Distance distance_;
  const size_t max_frame_bytes_;
  std::string description_;
  size_t& backlogged_link_count_;
  bool backlogged_ = false;
  bool read_since_look_ = false;         // whether peek() has read the socket since the last look()
  bool read_since_credit_look_ = false;  // and since try_send() last lacked credit
  uint32_t seen_empty_channels_ = 0;  // one bit each: another channel's peek has just found the socket empty
  Sender sender_;
  Receiver receiver_;
  Status failure_;
};

}  // namespace tutti::transports::tcp
