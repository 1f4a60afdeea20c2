// SPDX-License-Identifier: Apache-2.0
// A link over several rails. Each frame goes over the rail that has least on its way; a rail that is lost leaves its frames to the others; the link
// fails when its last rail does. Rails that are made again are used again.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/settings.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/inbox.hpp"
#include "transports/tcp/outbox.hpp"
#include "transports/tcp/rail.hpp"
#include "transports/tcp/rail_name.hpp"
#include "transports/tcp/socket_link.hpp"

namespace tutti::transports::tcp {

using RailSet = std::bitset<kMaxRails>;

class RailedLink final : public SocketLink {
 public:
  struct Setup {
    uint8_t session = 0;
    RailSet rails;  // that both sides agreed on
    Distance distance = Distance::other_host;
  };
  // Has no rail until attach(). `settings`, `clock` and `backlogged_link_count`, which counts the links with unfinished sends, outlive it.
  RailedLink(const Setup& setup, const Settings& settings, const Clock& clock, size_t& backlogged_link_count);
  // Closes in order, so that what has been sent still arrives.
  ~RailedLink() override;
  RailedLink(const RailedLink&) = delete;
  RailedLink& operator=(const RailedLink&) = delete;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override { return outbox_.released_bytes(channel); }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  transport::LinkEstimate estimate() const override;
  std::string describe() const override;

  size_t flush() override;
  size_t look() override;
  // Gives up rails that are silent while another works.
  void tend() override;
  std::vector<int> sockets() const override;
  SocketLoad load() const override;

  uint8_t session() const { return setup_.session; }
  // Those that should be made again. None once the link has failed.
  RailSet missing() const;
  // Takes over a proven socket for a rail of the link, in place of what was there before. False if it has failed, or has this rail from later.
  bool attach(size_t index, uint8_t incarnation, Descriptor socket);

 private:
  // How a rail that is given up is closed: a silent one gets no answer to anything.
  enum class Close : uint8_t { at_once, in_order };

  uint64_t fastest_ns() const;
  static bool is_slow(const Rail& rail, uint64_t fastest_ns);
  Rail* choose_rail(size_t payload_bytes);
  transport::GivenCredit::News credit_for(const Rail& rail);
  void read_all(uint32_t channel);
  void look_for_news();
  size_t write_all();
  void write_news();
  void settle();
  void retire(size_t index, Close close);
  void lose(size_t index, Status why, Close close);
  void fail(Status why);
  void update_backlog();
  bool has_work() const;

  const Setup setup_;
  const Settings& settings_;
  const Clock& clock_;
  const size_t max_frame_bytes_;
  size_t& backlogged_link_count_;
  bool backlogged_ = false;
  bool read_since_look_ = false;         // whether peek() has read the rails since the last look()
  bool read_since_credit_look_ = false;  // and since try_send() last lacked credit or a rail
  uint32_t seen_empty_channels_ = 0;     // one bit each: another channel's peek has just found the rails empty
  size_t first_to_read_ = 0;
  Inbox inbox_;
  Outbox outbox_;
  std::array<std::unique_ptr<Rail>, kMaxRails> rails_;
  std::array<uint8_t, kMaxRails> incarnations_{};  // of the rails that are, or were last
  RailSet losses_to_tell_;
  FrameQueue homeless_;  // frames of lost rails, which wait for another
  Status failure_;
};

}  // namespace tutti::transports::tcp
