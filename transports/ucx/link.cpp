// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/link.hpp"

#include <sched.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "transports/ucx/estimate.hpp"

namespace tutti::transports::ucx {

namespace {

using transport::Outcome;

// Turns of UCX in which what was sent before a failure comes in.
constexpr int kMaxTurnsAfterFailure = 64;
// Turns in which UCX ends what is under way on an endpoint that it has given up, or takes in what a peer that has ended has sent.
constexpr int kMaxTurnsToEnd = 10'000;

size_t frame_bytes(uint64_t slice_bytes) {
  return slice_bytes == 0 ? kMaxFrameBytes : static_cast<size_t>(std::clamp<uint64_t>(slice_bytes, kMinFrameBytes, kMaxFrameBytes));
}

}  // namespace

UcxLink::UcxLink(Worker& worker, Parts parts, const Settings& settings)
    : worker_(worker),
      parts_(std::move(parts)),
      max_frame_bytes_(frame_bytes(settings.slice_bytes)),
      description_("ucx " + parts_.endpoint->lanes()),
      estimate_(estimate_of(parts_.endpoint->lanes(), parts_.is_same_host)),
      sender_(worker_, *parts_.endpoint, parts_.outgoing_session),
      receiver_(worker_, sender_.credit(), parts_.incoming_session) {}

UcxLink::~UcxLink() {
  note_failure();
  if (is_using_memory()) {
    release_memory();
  }
  if (failure_.ok()) {
    say_goodbye();
  }
  worker_.close(std::move(parts_.endpoint));
}

Outcome UcxLink::try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < transport::kChannelCount && payload.size() <= max_frame_bytes_);
  const auto can_send = [&] { return sender_.has_room() && sender_.has_credit_for(channel, payload.size()); };
  if (failure_.ok() && !can_send()) {
    worker_.progress_once(seen_by_send_);
  }
  note_failure();
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (!can_send()) {
    return Outcome::would_block;
  }
  const transport::GivenCredit::News news = receiver_.credit().tell();
  sender_.send_frame({.channel = static_cast<uint8_t>(channel),
                      .credit_channel = static_cast<uint8_t>(news.channel),
                      .credit_units = news.units,
                      .frame = header},
                     payload);
  note_failure();
  return failure_.ok() ? Outcome::done : Outcome::failed;
}

Outcome UcxLink::peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) {
  assert(channel < transport::kChannelCount);
  if (!receiver_.ready(channel)) {
    receiver_.set_landing(channel, landing);
    receiver_.receive_next(channel);
    if (!receiver_.ready(channel)) {
      worker_.progress_once(seen_by_channel_[channel]);
      receiver_.receive_next(channel);
    }
  }
  if (!receiver_.ready(channel)) {
    note_failure();
    if (failure_.ok()) {
      return Outcome::would_block;
    }
    for (int turn = 0; turn < kMaxTurnsAfterFailure && worker_.progress() > 0 && !receiver_.ready(channel); ++turn) {
    }
    if (!receiver_.ready(channel)) {
      return Outcome::failed;
    }
  }
  *frame = receiver_.front(channel);
  return Outcome::done;
}

void UcxLink::pop(uint32_t channel) {
  receiver_.pop(channel);
  return_credit();
}

// Credit whose return the peer may be waiting for does not wait for a frame to travel with.
void UcxLink::return_credit() {
  while (receiver_.credit().is_due() && failure_.ok() && sender_.has_room()) {
    const transport::GivenCredit::News news = receiver_.credit().tell();
    sender_.send_word(
        {.kind = Kind::credit, .credit_channel = static_cast<uint8_t>(news.channel), .credit_units = news.units, .frame = {}});
  }
}

void UcxLink::look() {
  receiver_.receive_aged();
  return_credit();
  note_failure();
}

void UcxLink::look_at_process() {
  if (failure_.ok() && parts_.watch.has_ended()) {
    for (int turn = 0; turn < kMaxTurnsToEnd && worker_.progress() > 0; ++turn) {  // its last words
    }
    note_failure();
  }
  if (failure_.ok() && parts_.watch.has_ended()) {
    fail(remote_error("process {} ended", parts_.watch.process_id()));
  }
}

// What the peer said goes first: what UCX reports may only follow from it.
void UcxLink::note_failure() {
  if (!failure_.ok()) {
    return;
  }
  for (const Status* status : {&receiver_.failure(), &parts_.endpoint->failure(), &sender_.failure()}) {
    if (!status->ok()) {
      fail(*status);
      return;
    }
  }
}

void UcxLink::say_goodbye() {
  if (parts_.endpoint->failure().ok() && sender_.has_room()) {
    sender_.send_word({.kind = Kind::goodbye, .frame = {}});
  }
}

void UcxLink::fail(Status why) {
  failure_ = std::move(why);
  say_goodbye();
  worker_.give_up(*parts_.endpoint);
}

void UcxLink::let_go() {
  if (is_using_memory()) {
    release_memory();
  }
  receiver_.let_go();
}

// Of what UCX is sending or receiving, it has no copy to go on with, and it cannot be stopped one by one. So it gets the time that a peer takes that
// runs, and otherwise the endpoint goes.
void UcxLink::release_memory() {
  const Deadline limit = worker_.patience();
  while (is_using_memory() && failure_.ok() && !limit.passed(monotonic_clock())) {
    receiver_.receive_waiting();  // the peer may be letting go too
    if (worker_.progress() == 0) {
      ::sched_yield();
    }
    note_failure();
  }
  if (is_using_memory() && failure_.ok()) {
    worker_.lost_patience();
    fail(remote_error("peer did not take part in a transfer for a while, when it had to end"));
  }
  for (int turn = 0; turn < kMaxTurnsToEnd && is_using_memory(); ++turn) {
    worker_.progress();
  }
  if (is_using_memory()) {  // what has not begun, of an endpoint that is gone, does not begin any more
    log::trace("ucx: {}: transfers of an endpoint that is gone have not ended", description_);
    sender_.abandon();
    receiver_.abandon();
  }
}

}  // namespace tutti::transports::ucx
