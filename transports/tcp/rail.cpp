// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/rail.hpp"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/tcp/socket_error.hpp"

namespace tutti::transports::tcp {

namespace {

constexpr size_t kRailBufferBytes = 64 * 1024;
// What is read behind a payload: room for the next header and a few small frames. More would be copied without need when the next frame is large too.
constexpr size_t kBehindPayloadBytes = 4 * 1024;
constexpr size_t kDirectPayloadBytes = 16 * 1024;
constexpr int kMaxRailReadsPerCall = 8;
// Short frames need no prompt acknowledgement, since they were copied; but the copies should not grow many.
constexpr uint32_t kMaxUntoldFrames = 32;
constexpr size_t kMaxUntoldBytes = 32 * 1024;
static_assert(kMaxUntoldBytes <= kRailCopiedPayloadBytes, "or the acknowledgement that releases a payload would not be sent");

}  // namespace

Rail::Rail(Setup setup, const Clock& clock, Inbox& inbox, Outbox& outbox)
    : setup_(std::move(setup)),
      clock_(clock),
      inbox_(inbox),
      outbox_(outbox),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(kRailBufferBytes)) {}

void Rail::send(OutgoingFrame& frame, const transport::GivenCredit::News& credit) {
  begin_header({.kind = RailKind::data,
                .channel = static_cast<uint8_t>(frame.channel),
                .credit_channel = static_cast<uint8_t>(credit.channel),
                .payload_bytes = static_cast<uint32_t>(frame.payload.size()),
                .credit_total = credit.total,
                .arrived_count = 0,
                .frame = frame.header,
                .start_units = frame.start_units});
  unacknowledged_.push(frame);
  unacknowledged_bytes_ += frame.payload.size();
  frame.sent_ns = clock_.now_ns();
  frame.bytes_on_rail = unacknowledged_bytes_;
  writing_ = &frame;
  payload_left_bytes_ = frame.payload.size();
  flush();
}

void Rail::send(const RailHeader& header) {
  writing_ = nullptr;
  begin_header(header);
  flush();
}

void Rail::begin_header(const RailHeader& header) {
  assert(idle() && failure_.ok());
  RailHeader completed = header;
  completed.arrived_count = told_arrived_count_ = arrived_count_;
  untold_arrived_bytes_ = 0;
  encode_rail_header(completed, header_);
  header_left_bytes_ = kRailHeaderBytes;
}

size_t Rail::flush() {
  if (idle() || !failure_.ok()) {
    return 0;
  }
  ssize_t written = 0;
  do {
    written = write();
  } while (written < 0 && errno == EINTR);
  if (written < 0) {
    fail(errno);
    return 0;
  }
  const size_t header_bytes = std::min(static_cast<size_t>(written), header_left_bytes_);
  header_left_bytes_ -= header_bytes;
  payload_left_bytes_ -= static_cast<size_t>(written) - header_bytes;
  return static_cast<size_t>(written);
}

ssize_t Rail::write() const {
  constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
  // sendmsg takes both parts as mutable but only reads them.
  auto* const header = const_cast<std::byte*>(header_.data()) + kRailHeaderBytes - header_left_bytes_;
  if (payload_left_bytes_ == 0) {
    return ::send(socket(), header, header_left_bytes_, kFlags);
  }
  const std::span<const std::byte> payload = writing_->payload.last(payload_left_bytes_);
  std::array<iovec, 2> parts{{{header, header_left_bytes_}, {const_cast<std::byte*>(payload.data()), payload.size()}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::sendmsg(socket(), &message, kFlags);
}

void Rail::fail(int error) {
  if (error != EAGAIN && error != EWOULDBLOCK && failure_.ok()) {
    failure_ = connection_error(error);
  }
}

FrameQueue Rail::take_unacknowledged() {
  header_left_bytes_ = payload_left_bytes_ = unacknowledged_bytes_ = 0;
  return std::exchange(unacknowledged_, FrameQueue());
}

bool Rail::acknowledgement_due() const {
  return untold_arrived_bytes_ > kMaxUntoldBytes || arrived_count_ - told_arrived_count_ >= kMaxUntoldFrames;
}

size_t Rail::read_to_frame(uint32_t channel) {
  const auto is_there = [&] { return channel < transport::kChannelCount && inbox_.ready(channel); };
  size_t read_bytes = 0;
  for (int reads = 0; failure_.ok() && breach_.ok(); ++reads) {
    while (!is_there() && consume()) {
    }
    // After a short read the socket is empty, most likely: asking again is left to the next call.
    if (is_there() || reads == kMaxRailReadsPerCall || (reads > 0 && drained_)) {
      break;
    }
    const size_t received_bytes = read_more();
    read_bytes += received_bytes;
    if (received_bytes == 0) {
      break;
    }
  }
  return read_bytes;
}

// One step over buffered bytes; false when it takes more of them, or there will be none.
bool Rail::consume() {
  if (!breach_.ok()) {
    return false;
  }
  if (inbox_.arrival(index()).left_bytes > 0) {
    if (buffered() == 0) {
      return false;
    }
    consume_payload();
    return true;
  }
  return buffered() >= kRailHeaderBytes && consume_header();
}

bool Rail::consume_header() {
  const std::optional<RailHeader> header = decode_rail_header(ConstRailHeaderBytes(buffer_.get() + buffer_begin_, kRailHeaderBytes));
  buffer_begin_ += kRailHeaderBytes;
  if (!header || header->kind == RailKind::beginning) {
    breach_ = remote_error("peer sent bytes that are no frame");
    return false;
  }
  take_acknowledgement(header->arrived_count);
  if (header->kind == RailKind::loss) {
    loss_ = header;
    return breach_.ok();
  }
  if (!outbox_.credit().set_total(header->credit_channel, header->credit_total)) {
    breach_ = remote_error("peer returned credit it never held on channel {}", header->credit_channel);
  }
  if (header->kind == RailKind::data && breach_.ok()) {
    breach_ = inbox_.begin(index(), *header);
    arriving_bytes_ = header->payload_bytes;
    if (breach_.ok() && arriving_bytes_ == 0) {
      finish_arrival(0);
    }
  }
  return breach_.ok();
}

void Rail::take_acknowledgement(uint32_t arrived_count) {
  const uint32_t more_count = arrived_count - acknowledged_count_;
  const bool is_writing_frame = !idle() && writing_ != nullptr;
  if (more_count > unacknowledged_.size() - (is_writing_frame ? 1 : 0)) {
    breach_ = remote_error("peer acknowledged {} frames more than it was sent", more_count);
    return;
  }
  const uint64_t now_ns = more_count > 0 ? clock_.now_ns() : 0;
  for (uint32_t count = 0; count < more_count; ++count) {
    OutgoingFrame& frame = unacknowledged_.pop();
    unacknowledged_bytes_ -= frame.payload.size();
    rate_.note(now_ns - frame.sent_ns, frame.bytes_on_rail);
    outbox_.acknowledge(frame);
  }
  acknowledged_count_ = arrived_count;
}

void Rail::consume_payload() {
  Inbox::Arrival& arrival = inbox_.arrival(index());
  const size_t step_bytes = std::min(buffered(), arrival.left_bytes);
  if (arrival.destination != nullptr) {
    std::memcpy(arrival.destination, buffer_.get() + buffer_begin_, step_bytes);
    arrival.destination += step_bytes;
  }
  buffer_begin_ += step_bytes;
  arrival.left_bytes -= step_bytes;
  if (arrival.left_bytes == 0) {
    finish_arrival(arriving_bytes_);
  }
}

void Rail::finish_arrival(size_t payload_bytes) {
  inbox_.finish(index());
  ++arrived_count_;
  untold_arrived_bytes_ += payload_bytes;
}

// One read. Only called when consume() has used up all it can: the buffer holds less than a header, and nothing while a payload is incomplete.
size_t Rail::read_more() {
  if (buffer_begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + buffer_begin_, buffered());
    buffer_end_ -= buffer_begin_;
    buffer_begin_ = 0;
  }
  Inbox::Arrival& arrival = inbox_.arrival(index());
  const size_t direct_bytes = arrival.destination != nullptr ? arrival.left_bytes : 0;
  const size_t behind_bytes = direct_bytes > kDirectPayloadBytes ? kBehindPayloadBytes : kRailBufferBytes - buffer_end_;
  ssize_t received = 0;
  do {
    received = receive(direct_bytes, behind_bytes);
  } while (received < 0 && errno == EINTR);
  if (received <= 0) {
    drained_ = true;
    if (received == 0) {
      failure_ = remote_error("connection closed by peer");
    } else {
      fail(errno);
    }
    return 0;
  }
  const auto received_bytes = static_cast<size_t>(received);
  drained_ = received_bytes < direct_bytes + behind_bytes;
  const size_t landed_bytes = std::min(received_bytes, direct_bytes);
  buffer_end_ += received_bytes - landed_bytes;
  if (landed_bytes > 0) {
    arrival.destination += landed_bytes;
    arrival.left_bytes -= landed_bytes;
    if (arrival.left_bytes == 0) {
      finish_arrival(arriving_bytes_);
    }
  }
  return received_bytes;
}

ssize_t Rail::receive(size_t direct_bytes, size_t behind_bytes) {
  std::byte* const behind = buffer_.get() + buffer_end_;
  if (direct_bytes == 0) {
    return ::recv(socket(), behind, behind_bytes, MSG_DONTWAIT);
  }
  std::array<iovec, 2> parts{{{inbox_.arrival(index()).destination, direct_bytes}, {behind, behind_bytes}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::recvmsg(socket(), &message, MSG_DONTWAIT);
}

// Bytes that the peer has no room for wait without anything being wrong. A kernel that does not tell about its room is believed to have none.
uint64_t Rail::silent_ns(uint64_t now_ns) {
  tcp_info info{};
  socklen_t length = sizeof info;
  if (::getsockopt(socket(), IPPROTO_TCP, TCP_INFO, &info, &length) == 0) {
    const bool has_room = info.tcpi_snd_wnd >= 2 * info.tcpi_snd_mss;
    silence_.note(now_ns, {.is_waiting = info.tcpi_unacked > 0 || (info.tcpi_notsent_bytes > 0 && has_room),
                           .acknowledged_bytes = info.tcpi_bytes_acked});
  }
  const uint64_t usual_ns = uint64_t{3'000} * info.tcpi_rtt;
  return silence_.lasted_ns(now_ns) - std::min(silence_.lasted_ns(now_ns), usual_ns);
}

}  // namespace tutti::transports::tcp
