// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/introduction.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "base/status.hpp"

namespace tutti::transports::ucx {

namespace {

// Tells these handshakes from those of other protocols.
constexpr uint64_t kPurpose = 0x7563'7820'6c69'6e6b;  // "ucx link"

Handshake::Side side_of(const Introduction::Pair& pair) {
  return pair.rank < pair.peer ? Handshake::Side::connecting : Handshake::Side::accepting;
}

}  // namespace

Introduction::Introduction(Worker& worker, const Endpoint& endpoint, const Key& key, Pair pair)
    : worker_(worker),
      endpoint_(endpoint),
      key_(key),
      pair_(pair),
      handshake_(side_of(pair), key, {.rank = pair.rank, .rank_count = pair.rank_count, .purpose = kPurpose}),
      heard_(worker.take_slot()) {
  speak();
  listen();
}

Introduction::~Introduction() {
  if (hearing_ != nullptr) {
    hearing_->slot = heard_;
    worker_.abandon(*hearing_);
  } else {
    worker_.put_slot(heard_);
  }
  for (Operation* const operation : speaking_) {
    worker_.abandon(*operation);
  }
}

void Introduction::completed(Operation& operation, ucs_status_t status, size_t received_bytes) {
  const bool heard = &operation == hearing_;
  if (heard) {
    hearing_ = nullptr;
  } else {
    std::erase(speaking_, &operation);
  }
  worker_.end(&operation);
  if (status != UCS_OK) {
    fail(words_of(status));
  } else if (heard) {
    hear({heard_, received_bytes});
    listen();
  }
}

// Until nothing has come, or nothing more is to come.
void Introduction::listen() {
  while (state_ == State::running && hearing_ == nullptr && handshake_.wanted() > 0) {
    hearing_ = worker_.begin(this);
    size_t received_bytes = 0;
    const ucs_status_t status =
        worker_.receive(proof_tag(key_, {pair_.peer, pair_.rank}), {heard_, kMessageBytes}, *hearing_, &received_bytes);
    if (status == UCS_INPROGRESS) {
      return;
    }
    worker_.end(std::exchange(hearing_, nullptr));
    if (status == UCS_OK) {
      hear({heard_, received_bytes});
    } else {
      fail(words_of(status));
    }
  }
}

void Introduction::hear(std::span<const std::byte> bytes) {
  transcript_.insert(transcript_.end(), bytes.begin(), bytes.end());
  while (!bytes.empty()) {
    const size_t taken = std::min(bytes.size(), handshake_.wanted());
    if (taken == 0) {
      return fail("it sent more than a proof");
    }
    handshake_.received(bytes.first(taken));
    bytes = bytes.subspan(taken);
  }
  if (handshake_.state() == Handshake::State::rejected) {
    return fail(std::string(handshake_.rejection()));
  }
  speak();
}

void Introduction::speak() {
  const std::span<const std::byte> bytes = handshake_.outgoing();
  if (!bytes.empty()) {
    transcript_.insert(transcript_.end(), bytes.begin(), bytes.end());
    Operation* const operation = worker_.begin(this);
    operation->slot = worker_.take_slot();
    std::ranges::copy(bytes, operation->slot);
    const size_t byte_count = bytes.size();
    const ucs_status_t status =
        worker_.send(endpoint_, proof_tag(key_, {pair_.rank, pair_.peer}), {operation->slot, byte_count}, *operation);
    if (status == UCS_INPROGRESS) {
      speaking_.push_back(operation);
    } else {
      worker_.end(operation);
      if (status != UCS_OK) {
        return fail(words_of(status));
      }
    }
    handshake_.written(byte_count);
  }
  if (handshake_.state() != Handshake::State::done) {
    return;
  }
  const Handshake::Claim& peer = handshake_.peer_claim();
  if (peer.rank != pair_.peer || peer.rank_count != pair_.rank_count || peer.purpose != kPurpose) {
    return fail(fmt::format("it claims to be rank {} of {} with purpose {:x}", peer.rank, peer.rank_count, peer.purpose));
  }
  state_ = State::proven;
}

void Introduction::fail(std::string why) {
  if (state_ == State::running) {
    state_ = State::failed;
    reason_ = std::move(why);
  }
}

}  // namespace tutti::transports::ucx
