// SPDX-License-Identifier: Apache-2.0
// A link whose sockets may be changed for others, as many as turn out to be best, while frames travel: from one socket to rails or back. Each channel goes over to
// the new sockets by itself, behind a note that is the last on the old ones. Of the two sides one leads: the other leaves a channel when it has read that the
// leader has. So the leader, once it has read that all channels are left, knows that nobody needs the old sockets, and closes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "transport/transport.hpp"
#include "transports/tcp/socket_link.hpp"

namespace tutti::transports::tcp {

class ChangingLink final : public SocketLink {
 public:
  enum class Part : uint8_t { leads, follows };
  // `max_frame_bytes` are no more than what any of its sockets carries.
  ChangingLink(Part part, size_t max_frame_bytes, std::unique_ptr<SocketLink> sockets);

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override;
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  const Status& failure() const override;
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  transport::LinkEstimate estimate() const override { return newest().estimate(); }
  std::string describe() const override { return newest().describe(); }

  size_t flush() override;
  size_t look() override;
  void tend() override;
  std::vector<int> sockets() const override { return newest().sockets(); }
  SocketLoad load() const override { return newest().load(); }

  // Whether it has one set of sockets, or needs only one of two. The peer may have changed already.
  bool may_change() const { return next_ == nullptr || is_through(); }
  // Whether no change is going on.
  bool is_settled() const { return next_ == nullptr && come_ == 0; }
  // Goes over to `next`, to which the peer goes over too; only when may_change().
  void change_to(std::unique_ptr<SocketLink> next);
  // It cannot go on.
  void fail(Status why);

  // Tells the leader how fast the sockets are that there are, if the message finds room; the latest counts.
  void tell_rate(uint64_t bytes_per_s);
  std::optional<uint64_t> take_told_rate() { return std::exchange(told_rate_bytes_per_s_, std::nullopt); }
  // On all channels since the link began.
  uint64_t sent_bytes() const;

 private:
  SocketLink& newest() const { return next_ != nullptr ? *next_ : *sockets_; }
  // Whether nothing that either side sends still has to come over the old sockets.
  bool is_through() const;
  bool leave(uint32_t channel);
  void take_note(uint32_t channel, const transport::FrameHeader& note);
  void carry_on();
  void drop_old_sockets();

  const Part part_;
  const size_t max_frame_bytes_;
  std::unique_ptr<SocketLink> sockets_;
  std::unique_ptr<SocketLink> next_;
  uint32_t left_ = 0;  // channels, one bit each: this side sends over next_
  uint32_t come_ = 0;  // the peer sends over next_, which this side may not have yet
  // Payload that was sent before the first on sockets_, and before the first on next_ if the channel is left.
  std::array<uint64_t, transport::kChannelCount> before_bytes_{};
  std::array<uint64_t, transport::kChannelCount> before_next_bytes_{};
  std::array<uint64_t, transport::kChannelCount> sent_bytes_{};
  std::optional<uint64_t> told_rate_bytes_per_s_;
  Status failure_;
};

}  // namespace tutti::transports::tcp
