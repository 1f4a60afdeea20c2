// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/introduction.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace tutti::transports::shm {
namespace {

constexpr uint32_t kOfferMagic = 0x324f5354;       // "TSO2"
constexpr uint32_t kAcceptanceMagic = 0x32415354;  // "TSA2"

struct Offer {
  uint32_t magic;
  uint32_t slot_bytes;
  uint32_t slot_count;
  uint32_t unused;
  Mark mark;
};

struct Acceptance {
  uint32_t magic;
  uint32_t unused;
  Mark mark;
};

std::span<const std::byte> bytes_of(const auto& message) { return std::as_bytes(std::span(&message, 1)); }
std::span<std::byte> writable_bytes_of(auto& message) { return std::as_writable_bytes(std::span(&message, 1)); }

}  // namespace

Introduction::Introduction(Handshake::Side side, const Identity& identity, Descriptor socket, pid_t process_id)
    : identity_(identity), side_(side), handshake_(side, identity.key, identity.claim) {
  parts_.socket = std::move(socket);
  parts_.process_id = process_id;
  // The lower rank connects.
  parts_.outgoing = side == Handshake::Side::connecting ? Direction::from_lower_rank : Direction::from_higher_rank;
}

Result<std::unique_ptr<Introduction>> Introduction::begin(Handshake::Side side, const Identity& identity, Descriptor socket) {
  const Result<PeerCredentials> credentials = peer_credentials(socket);
  if (!credentials.has_value()) {
    return tl::make_unexpected(credentials.error());
  }
  if (credentials->user_id != ::geteuid()) {
    return tl::make_unexpected(remote_error("process {} belongs to user {}, this one to user {}", credentials->process_id,
                                            credentials->user_id, ::geteuid()));
  }
  return std::unique_ptr<Introduction>(new Introduction(side, identity, std::move(socket), credentials->process_id));
}

Introduction::State Introduction::advance() {
  while (state_ == State::running && step() == Pace::on) {
  }
  return state_;
}

Introduction::Pace Introduction::step() {
  switch (phase_) {
    case Phase::prove:
      return prove();
    case Phase::send_offer:
      return send_offer();
    case Phase::await_acceptance:
      return await_acceptance();
    case Phase::await_offer:
      return await_offer();
    case Phase::send_acceptance:
      return send_acceptance();
  }
  return fail(internal_error("introduction in phase {}", static_cast<int>(phase_)));
}

Introduction::Pace Introduction::prove() {
  Pace pace = Pace::wait;
  if (const std::span<const std::byte> outgoing = handshake_.outgoing(); !outgoing.empty()) {
    const Transferred sent = send_some(parts_.socket, outgoing);
    if (sent.outcome == Transfer::closed) {
      return fail(remote_error("closed the connection before it proved itself"));
    }
    handshake_.written(sent.byte_count);
    pace = sent.outcome == Transfer::done ? Pace::on : pace;
  }
  if (handshake_.state() == Handshake::State::running && handshake_.wanted() > 0) {
    std::array<std::byte, 256> buffer;
    const Transferred received = receive_some(parts_.socket, std::span(buffer).first(std::min(handshake_.wanted(), buffer.size())));
    if (received.outcome == Transfer::closed) {
      return fail(remote_error("closed the connection before it proved itself"));
    }
    if (received.outcome == Transfer::done) {
      handshake_.received(std::span(buffer).first(received.byte_count));
      pace = Pace::on;
    }
  }
  if (handshake_.state() == Handshake::State::rejected) {
    return fail(remote_error("{}", handshake_.rejection()));
  }
  if (handshake_.state() != Handshake::State::done) {
    return pace;
  }
  if (Status status = check_claim(); !status.ok()) {
    return fail(std::move(status));
  }
  // The peer still has to answer, so the number names its process and none that took it over since.
  parts_.process_watch = watch_process(parts_.process_id);
  phase_ = side_ == Handshake::Side::connecting ? Phase::send_offer : Phase::await_offer;
  return Pace::on;
}

Status Introduction::check_claim() const {
  const Handshake::Claim& own = identity_.claim;
  const Handshake::Claim& peer = handshake_.peer_claim();
  if (peer.purpose != own.purpose || peer.rank_count != own.rank_count) {
    return remote_error("is of another communicator, of {} ranks", peer.rank_count);
  }
  const bool in_order = side_ == Handshake::Side::connecting ? own.rank < peer.rank : peer.rank < own.rank;
  if (peer.rank >= own.rank_count || !in_order) {
    return remote_error("says it is rank {} of {}, to rank {}", peer.rank, own.rank_count, own.rank);
  }
  return {};
}

Introduction::Pace Introduction::send_offer() {
  parts_.geometry = identity_.geometry;
  if (!offered_memfd_.valid()) {
    Result<Segment> segment = Segment::create(segment_bytes(parts_.geometry), &offered_memfd_);
    if (!segment.has_value()) {
      return fail(segment.error());
    }
    parts_.segment = std::move(*segment);
  }
  const Offer offer{kOfferMagic, parts_.geometry.slot_bytes, parts_.geometry.slot_count, 0, own_mark()};
  const Transferred sent = send_with_descriptor(parts_.socket, bytes_of(offer), offered_memfd_);
  if (sent.outcome == Transfer::done) {
    offered_memfd_.reset();
  }
  return after(sent, sizeof(offer), Phase::await_acceptance);
}

Introduction::Pace Introduction::await_acceptance() {
  Acceptance acceptance{};
  const Transferred received = receive_some(parts_.socket, writable_bytes_of(acceptance));
  if (received.outcome == Transfer::done && received.byte_count == sizeof(acceptance) && acceptance.magic == kAcceptanceMagic) {
    look_at(acceptance.mark);
    return finish();
  }
  return received.outcome == Transfer::would_block ? Pace::wait : fail(remote_error("refused the shared segment"));
}

Introduction::Pace Introduction::await_offer() {
  Offer offer{};
  Descriptor memfd;
  const Transferred received = receive_with_descriptor(parts_.socket, writable_bytes_of(offer), &memfd);
  if (received.outcome != Transfer::done || received.byte_count != sizeof(offer)) {
    return after(received, sizeof(offer), Phase::send_acceptance);
  }
  parts_.geometry = {offer.slot_bytes, offer.slot_count};
  if (offer.magic != kOfferMagic || !memfd.valid()) {
    return fail(remote_error("passed no shared segment"));
  }
  if (Status status = check(parts_.geometry); !status.ok()) {
    return fail(std::move(status));
  }
  Result<Segment> segment = Segment::attach(segment_bytes(parts_.geometry), memfd);
  if (!segment.has_value()) {
    return fail(segment.error());
  }
  parts_.segment = std::move(*segment);
  look_at(offer.mark);
  phase_ = Phase::send_acceptance;
  return Pace::on;
}

Introduction::Pace Introduction::send_acceptance() {
  const Acceptance acceptance{kAcceptanceMagic, 0, own_mark()};
  const Transferred sent = send_some(parts_.socket, bytes_of(acceptance));
  if (sent.outcome == Transfer::done && sent.byte_count == sizeof(acceptance)) {
    return finish();
  }
  return sent.outcome == Transfer::would_block ? Pace::wait : fail(remote_error("closed the connection before it was accepted"));
}

Introduction::Pace Introduction::after(const Transferred& transferred, size_t expected_bytes, Phase next) {
  if (transferred.outcome == Transfer::would_block) {
    return Pace::wait;
  }
  // Messages are far smaller than a socket buffer and arrive whole, except from a peer that is up to something.
  if (transferred.outcome == Transfer::closed || transferred.byte_count != expected_bytes) {
    return fail(remote_error("broke off before a segment was shared"));
  }
  phase_ = next;
  return Pace::on;
}

Introduction::Pace Introduction::fail(Status failure) {
  failure_ = std::move(failure);
  state_ = State::failed;
  parts_ = {};
  offered_memfd_.reset();
  return Pace::wait;
}

void Introduction::look_at(const Mark& mark) {
  parts_.reach = find_reach(parts_.process_id, mark, identity_.reaches_memory);
  parts_.reaches_memory = identity_.reaches_memory && parts_.reach != Reach::none;
}

Introduction::Pace Introduction::finish() {
  state_ = State::done;
  return Pace::wait;
}

std::unique_ptr<ShmLink> Introduction::take_link() { return std::make_unique<ShmLink>(std::move(parts_)); }

}  // namespace tutti::transports::shm
