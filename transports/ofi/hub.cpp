// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/hub.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "base/log.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ofi {

namespace {

constexpr size_t kSlabBuffers = 16;
constexpr size_t kSlabBytes = kSlabBuffers * kMessageBytes;
constexpr size_t kMaxSendSlabs = 16;
// Posted receives beside those for each link: enough that a peer's burst finds room, which it would otherwise take in the provider.
constexpr size_t kReceivesAlways = 16;
constexpr size_t kReceivesPerLink = 16;
// What peers may have sent without having seen it popped, all channels of a link together.
constexpr size_t kUnpoppedPerLink = size_t{transport::kChannelCount} * kWindowFrames;
constexpr size_t kMaxFreeStaging = 32;
constexpr size_t kCompletionsAtOnce = 16;
constexpr int kMaxDrainRounds = 64;

}  // namespace

Hub::Hub(std::unique_ptr<Endpoint> endpoint, uint64_t own_tag, uint32_t rank_count)
    : endpoint_(std::move(endpoint)), own_tag_(own_tag & endpoint_->traits().usable_tag_bits), registrations_(*endpoint_), attached_(rank_count) {
  post_receives();
}

// Registrations go before the endpoint that they are of, and after the operations that use them.
Hub::~Hub() { endpoint_->close(); }

void Hub::attach(uint32_t rank, uint64_t token, Destination& destination) {
  assert(attached_[rank].destination == nullptr);
  attached_[rank] = {.token = token, .destination = &destination};
  ++attached_count_;
  post_receives();
}

void Hub::detach(uint32_t rank) {
  assert(attached_[rank].destination != nullptr);
  attached_[rank] = {};
  --attached_count_;
}

size_t Hub::progress() {
  if (closed_) {
    return 0;
  }
  std::array<Completion, kCompletionsAtOnce> completions;
  const size_t count = endpoint_->take(completions);
  for (const Completion& completion : std::span(completions).first(count)) {
    if (completion.operation != nullptr) {
      completion.operation->owner->complete(completion);
    } else {
      log::info("ofi: {}", completion.error);  // of a message without a completion; the sentinel tells whether its peer lives
    }
  }
  if (posted_receives_ < wanted_receives()) {
    post_receives();
  }
  return count;
}

void Hub::drain() {
  for (int round = 0; round < kMaxDrainRounds && progress() > 0; ++round) {
  }
}

size_t Hub::look(uint64_t& seen) {
  if (seen < vain_looks_) {
    seen = vain_looks_;
    return 0;
  }
  const size_t count = progress();
  if (count == 0) {
    seen = ++vain_looks_;
  }
  return count;
}

void Hub::Direction::complete(const Completion& completion) {
  auto& buffer = static_cast<MessageBuffer&>(*completion.operation);
  if (this == &hub.receives_) {
    hub.note_received(buffer, completion);
  } else {
    hub.note_sent(buffer, completion);
  }
}

void Hub::note_received(MessageBuffer& buffer, const Completion& completion) {
  --posted_receives_;
  buffer.bytes = std::min(completion.bytes, buffer.memory.size());
  const auto origin = completion.error.empty() ? origin_of(buffer.message()) : std::nullopt;
  const bool is_known = origin && origin->source < attached_.size() && attached_[origin->source].destination != nullptr &&
                        attached_[origin->source].token == origin->token;
  if (is_known) {
    attached_[origin->source].destination->receive(buffer);
    return;
  }
  ++stray_count_;
  log::trace("ofi: a message for no link was dropped {}", completion.error);
  give_back(buffer);
}

void Hub::note_sent(MessageBuffer& buffer, const Completion& completion) {
  const uint32_t rank = buffer.rank;
  sends_.free.push_back(&buffer);
  if (attached_[rank].destination != nullptr) {
    attached_[rank].destination->note_sent(completion.error);
  }
}

size_t Hub::wanted_receives() const {
  return std::min(endpoint_->traits().receive_depth, kReceivesAlways + kReceivesPerLink * attached_count_);
}

void Hub::post_receives() {
  while (!closed_ && posted_receives_ < wanted_receives()) {
    const size_t limit = kReceivesAlways + (kReceivesPerLink + kUnpoppedPerLink) * attached_count_;
    if (receives_.free.empty() && (receives_.slabs.size() * kSlabBuffers >= limit || !grow(receives_))) {
      return;
    }
    MessageBuffer& buffer = *receives_.free.back();
    const Posted posted = endpoint_->receive(own_tag_, buffer.memory, buffer.descriptor(), buffer);
    if (posted == Posted::failed) {
      close(fmt::format("a receive could not be posted: {}", endpoint_->error()));
    }
    if (posted != Posted::done) {
      return;
    }
    receives_.free.pop_back();
    ++posted_receives_;
  }
}

bool Hub::grow(Direction& direction) {
  Slab slab{.memory = std::make_unique_for_overwrite<std::byte[]>(kSlabBytes), .registration = nullptr, .buffers = {}};
  if (endpoint_->traits().registers_local_memory) {
    auto registration = endpoint_->register_memory({slab.memory.get(), kSlabBytes}, Access::messages);
    if (!registration) {
      log::warn("ofi: {}", registration.error().message());
      return false;
    }
    slab.registration = std::move(*registration);
  }
  for (size_t index = 0; index < kSlabBuffers; ++index) {
    const std::span<std::byte, kMessageBytes> memory(slab.memory.get() + index * kMessageBytes, kMessageBytes);
    slab.buffers.push_back(std::make_unique<MessageBuffer>(direction, memory, slab.registration.get()));
    direction.free.push_back(slab.buffers.back().get());
  }
  direction.slabs.push_back(std::move(slab));
  return true;
}

MessageBuffer* Hub::take_send_buffer() {
  if (closed_ || (sends_.free.empty() && (sends_.slabs.size() == kMaxSendSlabs || !grow(sends_)))) {
    return nullptr;
  }
  MessageBuffer* const buffer = sends_.free.back();
  sends_.free.pop_back();
  return buffer;
}

void Hub::give_back(MessageBuffer& buffer) {
  if (buffer.owner == &sends_) {
    sends_.free.push_back(&buffer);
  } else {
    receives_.free.push_back(&buffer);
    post_receives();
  }
}

Result<Staging> Hub::take_staging() {
  if (!free_staging_.empty()) {
    Staging staging = std::move(free_staging_.back());
    free_staging_.pop_back();
    return staging;
  }
  Staging staging{.memory = std::make_unique_for_overwrite<std::byte[]>(kMaxFrameBytes), .registration = nullptr};
  if (endpoint_->traits().registers_local_memory) {
    auto registration = endpoint_->register_memory({staging.memory.get(), kMaxFrameBytes}, Access::landing);
    if (!registration) {
      return tl::make_unexpected(registration.error());
    }
    staging.registration = std::move(*registration);
  }
  return staging;
}

void Hub::give_back(Staging staging) {
  if (staging.memory != nullptr && free_staging_.size() < kMaxFreeStaging) {
    free_staging_.push_back(std::move(staging));
  }
}

void Hub::close(const std::string& why) {
  if (closed_) {
    return;
  }
  closed_ = true;
  log::warn("ofi: the endpoint is closed: {}", why);
  endpoint_->close();
  for (const Attached& attached : attached_) {
    if (attached.destination != nullptr) {
      attached.destination->note_closed(why);
    }
  }
}

}  // namespace tutti::transports::ofi
