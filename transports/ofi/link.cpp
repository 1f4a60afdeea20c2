// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/link.hpp"

#include <poll.h>

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tutti::transports::ofi {

namespace {

using transport::kChannelCount;
using transport::Outcome;

// Copying more than that into a provider's buffer costs more than a completion.
constexpr size_t kMaxInjectBytes = 4096;
// Bounds of waiting: rounds in which nothing happened, each a pause of a millisecond.
constexpr int kMaxIdleRounds = 50;
constexpr int kMaxRounds = 100'000;

}  // namespace

OfiLink::OfiLink(Hub& hub, const Ends& ends, Manner manner)
    : hub_(hub),
      ends_(ends),
      manner_(std::move(manner)),
      outbox_(hub.registrations(), failure_),
      inbox_(hub, failure_, {.owner = *this, .peer = ends.peer}) {
  hub_.attach(ends_.peer_rank, ends_.own_token, *this);
}

OfiLink::~OfiLink() {
  settle_reads();
  hub_.detach(ends_.peer_rank);
  if (!is_removed_) {
    hub_.endpoint().remove_peer(ends_.peer);
  }
}

// ---- Sending ----

Outcome OfiLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < kChannelCount && payload.size() <= manner_.max_frame_bytes);
  if (failure_.ok() && !outbox_.has_credit(channel)) {
    hub_.look(seen_sending_);
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (!outbox_.has_credit(channel)) {
    return Outcome::would_block;
  }
  const Posted posted = payload.size() <= kEagerBytes ? send_eager(channel, header, payload) : send_offer(channel, header, payload);
  if (posted == Posted::try_again) {
    hub_.look(seen_sending_);  // makes room
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  return posted == Posted::done ? Outcome::done : Outcome::would_block;
}

Posted OfiLink::send_eager(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  const Posted posted = post({.kind = Kind::data,
                              .channel = static_cast<uint8_t>(channel),
                              .number = static_cast<uint32_t>(outbox_.next(channel)),
                              .frame = header},
                             payload);
  if (posted == Posted::done) {
    outbox_.add(channel, {.bytes = static_cast<uint32_t>(payload.size())});
  }
  return posted;
}

Posted OfiLink::send_offer(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  auto registration = hub_.registrations().get(payload, Access::offered);
  if (!registration) {
    fail(registration.error());
    return Posted::failed;
  }
  Outbox::Sent sent{.bytes = static_cast<uint32_t>(payload.size()),
                    .is_offered = true,
                    .header = header,
                    .payload = payload,
                    .registration = std::move(*registration)};
  const Posted posted = post_offer(channel, outbox_.next(channel), sent);
  if (posted == Posted::done) {
    outbox_.add(channel, std::move(sent));
  }
  return posted;
}

Posted OfiLink::post_offer(uint32_t channel, uint64_t number, const Outbox::Sent& frame) {
  std::array<std::byte, kOfferBytes> offered;
  encode({.memory = frame.registration->remote(frame.payload.data()), .bytes = frame.bytes}, std::span(offered));
  return post({.kind = Kind::offer, .channel = static_cast<uint8_t>(channel), .number = static_cast<uint32_t>(number), .frame = frame.header},
              offered);
}

// Posts a message, with what else the peer should know.
Posted OfiLink::post(Header header, std::span<const std::byte> payload) {
  const transport::GivenCredit::News news = inbox_.credit().next();
  header.token = ends_.peer_token;
  header.source = ends_.own_rank;
  header.credit_channel = static_cast<uint8_t>(news.channel);
  header.popped = news.total;
  header.landed = static_cast<uint32_t>(inbox_.landed(news.channel));
  header.generation = outbox_.generation();
  header.obeyed_generation = inbox_.obeyed_generation();
  const Posted posted = post_message(header, payload);
  if (posted == Posted::done) {
    inbox_.credit().note_told(news);
    told_obeyed_ = header.obeyed_generation;
    is_to_greet_ = false;
  } else if (posted == Posted::failed) {
    fail(remote_error("{}", hub_.endpoint().error()));
  }
  return posted;
}

Posted OfiLink::post_message(const Header& header, std::span<const std::byte> payload) {
  Endpoint& endpoint = hub_.endpoint();
  const uint64_t tag = ends_.peer_tag & endpoint.traits().usable_tag_bits;
  const size_t bytes = kHeaderBytes + payload.size();
  const auto write = [&](std::byte* memory) {
    encode(header, std::span<std::byte, kHeaderBytes>(memory, kHeaderBytes));
    if (!payload.empty()) {
      std::memcpy(memory + kHeaderBytes, payload.data(), payload.size());
    }
  };
  if (bytes <= std::min(endpoint.traits().inject_bytes, kMaxInjectBytes)) {
    std::array<std::byte, kMaxInjectBytes> memory;
    write(memory.data());
    return endpoint.inject(ends_.peer, tag, std::span(memory).first(bytes));
  }
  MessageBuffer* const buffer = hub_.take_send_buffer();
  if (buffer == nullptr) {
    return Posted::try_again;
  }
  write(buffer->memory.data());
  buffer->bytes = bytes;
  buffer->rank = ends_.peer_rank;
  const Posted posted = endpoint.send(ends_.peer, tag, buffer->message(), buffer->descriptor(), *buffer);
  if (posted == Posted::done) {
    ++messages_leaving_;
  } else {
    hub_.give_back(*buffer);
  }
  return posted;
}

void OfiLink::note_sent(const std::string& error) {
  messages_leaving_ -= messages_leaving_ > 0 ? 1 : 0;  // a former link's message, otherwise
  if (!error.empty()) {
    fail(remote_error("a message could not be delivered: {}", error));
  }
}

// Whoever waits for memory to be read waits for the peer, whose reads and words may need this end's progress.
uint64_t OfiLink::released_bytes(uint32_t channel) const {
  if (!outbox_.is_all_released(channel) && failure_.ok()) {
    hub_.look(seen_waiting_);
  }
  return outbox_.released_bytes(channel);
}

size_t OfiLink::flush() {
  if (!failure_.ok() || !owes()) {
    return 0;
  }
  const size_t sent = send_words();
  const size_t offered =
      outbox_.reoffer([this](uint32_t channel, uint64_t number, const Outbox::Sent& frame) { return post_offer(channel, number, frame); });
  return sent + offered + inbox_.retry_reads();
}

size_t OfiLink::send_words() {
  size_t sent = 0;
  while (failure_.ok() && owes_word()) {
    if (post({.kind = Kind::credit, .frame = {}}, {}) != Posted::done) {
      break;
    }
    ++sent;
  }
  return sent;
}

// ---- Receiving ----

void OfiLink::receive(MessageBuffer& message) {
  const std::optional<Header> header = decode_header(message.message());
  if (!header) {
    fail(remote_error("it sent a message that makes no sense"));
  } else if (failure_.ok()) {
    greeted_ = true;
    if (!outbox_.take_words(*header)) {
      fail(remote_error("it sent credit for frames that were never sent"));
    } else {
      inbox_.note_generation(header->generation);
    }
  }
  if (!failure_.ok() || header->kind == Kind::credit) {
    hub_.give_back(message);
  } else {
    inbox_.accept(*header, message);
  }
}

void OfiLink::complete(const Completion& completion) {
  inbox_.complete(completion);
  (void)flush();
}

Outcome OfiLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  assert(channel < kChannelCount);
  if (!inbox_.ready(channel) && failure_.ok()) {
    inbox_.want(channel, landing);
    // An offer that has waited may have been taken back: what has arrived since is heard first.
    if (inbox_.is_waiting(channel)) {
      hub_.drain();
    }
    (void)inbox_.begin_reads(channel);
    hub_.look(seen_receiving_[channel]);
    if (owes()) {
      (void)flush();
    }
  }
  if (!inbox_.ready(channel)) {
    return failure_.ok() ? Outcome::would_block : Outcome::failed;
  }
  *frame = inbox_.front(channel);
  return Outcome::done;
}

void OfiLink::pop(uint32_t channel) {
  inbox_.pop(channel);
  if (owes()) {
    (void)flush();
  }
}

// ---- Letting go ----

// False when it was waited for as long as is allowed. The pause lets a peer on this very core go on.
template <typename Condition>
bool OfiLink::wait_for(Condition condition) {
  int idle_rounds = 0;
  for (int round = 0; round < kMaxRounds && idle_rounds < kMaxIdleRounds && !hub_.is_closed(); ++round) {
    if (condition()) {
      return true;
    }
    if (hub_.progress() == 0 && flush() == 0) {
      ++idle_rounds;
      (void)::poll(nullptr, 0, 1);
    }
  }
  return condition();
}

// A read cannot be called back. One that does not end is cut off from its peer, where the provider does that, or else takes the endpoint with it.
void OfiLink::settle_reads() {
  const auto are_settled = [this] { return !inbox_.is_reading(); };
  if (wait_for(are_settled)) {
    return;
  }
  fail(remote_error("it does not answer reads of its memory"));
  hub_.endpoint().remove_peer(ends_.peer);
  is_removed_ = true;
  if (!wait_for(are_settled)) {
    hub_.close(fmt::format("rank {} does not answer reads of its memory", ends_.peer_rank));
  }
}

void OfiLink::let_go() {
  inbox_.forget_landings();
  settle_reads();
  inbox_.keep_landed();
  std::vector<std::shared_ptr<Registration>> taken_back;
  outbox_.take_back(taken_back);
  if (!taken_back.empty() && failure_.ok()) {
    (void)flush();
    // The peer says when it reads no more. One that does not is cut off, as the registrations go.
    (void)wait_for([this] { return outbox_.has_peer_obeyed() || !failure_.ok(); });
  }
}

void OfiLink::note_closed(const std::string& why) {
  inbox_.note_closed();
  fail(remote_error("{}", why));
}

}  // namespace tutti::transports::ofi
