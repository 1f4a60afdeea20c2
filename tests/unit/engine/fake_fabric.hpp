// SPDX-License-Identifier: Apache-2.0
// Links between ranks of one test, as awkward as the contract of transport::Link allows: small frames, calls that block at random, payloads that
// stay borrowed for long, landings that are written to before the frame is there. Memory that a link has borrowed is compared with what it was when
// borrowed, so that a payload overwritten too early is counted. Nothing is allocated once a fabric has been made.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "transport/transport.hpp"

namespace tutti::engine {

struct FabricOptions {
  uint32_t rank_count = 2;
  size_t max_frame_bytes = 64;
  uint32_t seed = 1;
  uint32_t refusals_per_thousand = 0;  // calls that would block for no reason
  uint32_t releases_per_thousand = 1000;  // chance, per look, that the link is done with the oldest borrowed frame
  uint32_t landings_per_thousand = 0;     // frames that are received into the landing, if they fit
  std::vector<bool> shared_ranks = {};    // whose memory peers can load and store; that of others can be fetched
};

class FakeFabric {
 public:
  static constexpr size_t kWindowFrames = 4;

  explicit FakeFabric(const FabricOptions& options) : options_(options), random_(options.seed) {
    for (uint32_t source = 0; source < options.rank_count; ++source) {
      for (uint32_t target = 0; target < options.rank_count; ++target) {
        links_.push_back(std::make_unique<FakeLink>(*this, source, target));
        for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
          pipes_.push_back(std::make_unique<Pipe>(std::max(options.max_frame_bytes, kControlBytes)));
        }
      }
    }
  }

  transport::Link& link(uint32_t rank, uint32_t peer) { return *links_[rank * options_.rank_count + peer]; }
  // As LinkTable and Executor take them.
  std::vector<transport::Link*> links_of(uint32_t rank) {
    std::vector<transport::Link*> links;
    for (uint32_t peer = 0; peer < options_.rank_count; ++peer) {
      links.push_back(&link(rank, peer));
    }
    return links;
  }

  // From now on the memory of all ranks is shared, or that of none is.
  void share_all(bool are_shared) { options_.shared_ranks.assign(options_.rank_count, are_shared); }
  // A frame that no executor sent; nothing of `payload` is needed afterwards.
  bool inject(uint32_t source, uint32_t target, uint32_t channel, std::span<const std::byte> payload) {
    const bool taken = link(source, target).try_send(channel, {}, payload) == transport::Outcome::done;
    release_all(pipe(source, target, channel));
    return taken;
  }
  // Both ends of the link fail; what was sent can still be received.
  void cut(uint32_t rank, uint32_t peer) {
    const Status reset(tuttiRemoteError, "connection reset by peer");
    static_cast<FakeLink&>(link(rank, peer)).failure_ = reset;
    static_cast<FakeLink&>(link(peer, rank)).failure_ = reset;
  }
  void set_releases_per_thousand(uint32_t chance) { options_.releases_per_thousand = chance; }

  uint64_t frames_taken() const { return frames_taken_; }
  // Payloads that changed while a link had them.
  uint64_t spoiled_payloads() const { return spoiled_payloads_; }
  // Frames whose payload still lies in memory of the sender.
  uint64_t borrowed_frames(uint32_t rank) const {
    uint64_t count = 0;
    for (uint32_t peer = 0; peer < options_.rank_count; ++peer) {
      for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
        const Pipe& pipe = *pipes_[(rank * options_.rank_count + peer) * transport::kChannelCount + channel];
        count += pipe.sent - pipe.released;
      }
    }
    return count;
  }

 private:
  static constexpr size_t kControlBytes = 512;

  struct Slot {
    transport::FrameHeader header;
    std::span<const std::byte> borrowed;
    std::vector<std::byte> copy;
    size_t size = 0;
    std::byte* landing = nullptr;  // chosen for good at the first peek that offers one
    bool looked_at = false;
  };
  // One channel of one direction. Frames are numbered; those of [popped, sent) are in the slots.
  struct Pipe {
    explicit Pipe(size_t slot_bytes) {
      for (Slot& slot : slots) {
        slot.copy.resize(slot_bytes);
      }
    }
    Slot& slot(uint64_t frame) { return slots[frame % kWindowFrames]; }
    std::array<Slot, kWindowFrames> slots;
    uint64_t sent = 0;
    uint64_t released = 0;
    uint64_t popped = 0;
    uint64_t released_bytes = 0;
  };

  class FakeLink final : public transport::Link {
   public:
    FakeLink(FakeFabric& fabric, uint32_t rank, uint32_t peer) : fabric_(fabric), rank_(rank), peer_(peer) {}

    transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header,
                                std::span<const std::byte> payload) override {
      Pipe& pipe = fabric_.pipe(rank_, peer_, channel);
      fabric_.release_some(pipe);
      if (!failure_.ok()) {
        return transport::Outcome::failed;
      }
      if (pipe.sent - std::min(pipe.popped, pipe.released) == kWindowFrames || fabric_.strikes(fabric_.options_.refusals_per_thousand)) {
        return transport::Outcome::would_block;
      }
      Slot& slot = pipe.slot(pipe.sent++);
      slot.header = header;
      slot.borrowed = payload;
      slot.size = payload.size();
      slot.landing = nullptr;
      slot.looked_at = false;
      std::ranges::copy(payload, slot.copy.begin());
      ++fabric_.frames_taken_;
      if (lets_go_) {
        fabric_.release_all(pipe);
      }
      return transport::Outcome::done;
    }

    uint64_t released_bytes(uint32_t channel) const override {
      Pipe& pipe = fabric_.pipe(rank_, peer_, channel);
      fabric_.release_some(pipe);
      return pipe.released_bytes;
    }

    transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override {
      Pipe& pipe = fabric_.pipe(peer_, rank_, channel);
      if (pipe.popped == pipe.sent) {
        return failure_.ok() ? transport::Outcome::would_block : transport::Outcome::failed;
      }
      Slot& slot = pipe.slot(pipe.popped);
      if (!slot.looked_at && landing.size() >= slot.size && slot.size != 0 && fabric_.strikes(fabric_.options_.landings_per_thousand)) {
        slot.landing = landing.data();
        // Half of the payload arrives, the rest takes its time.
        std::memcpy(slot.landing, slot.copy.data(), slot.size / 2);
      }
      const bool comes_late = slot.landing != nullptr && !slot.looked_at;
      slot.looked_at = true;
      if (comes_late || fabric_.strikes(fabric_.options_.refusals_per_thousand)) {
        return transport::Outcome::would_block;
      }
      if (slot.landing != nullptr) {
        std::memcpy(slot.landing, slot.copy.data(), slot.size);
      }
      *frame = {slot.header, {slot.landing != nullptr ? slot.landing : slot.copy.data(), slot.size}};
      return transport::Outcome::done;
    }

    void pop(uint32_t channel) override { ++fabric_.pipe(peer_, rank_, channel).popped; }

    void let_go() override {
      lets_go_ = true;
      for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
        fabric_.release_all(fabric_.pipe(rank_, peer_, channel));
      }
    }

    // All ranks are in one process: an address is an address.
    transport::MemoryAddress publish(std::span<const std::byte> memory) override {
      return {.window = fabric_.is_shared(rank_) ? 1u : 0u, .offset = reinterpret_cast<uintptr_t>(memory.data())};
    }
    bool is_shared(const transport::MemoryAddress& own) const override { return own.window != 0; }
    transport::Outcome share(const transport::MemoryAddress& address, uint64_t, std::byte** memory) override {
      if (fabric_.strikes(fabric_.options_.refusals_per_thousand)) {
        return transport::Outcome::would_block;
      }
      *memory = address.window != 0 ? reinterpret_cast<std::byte*>(address.offset) : nullptr;
      return failure_.ok() ? transport::Outcome::done : transport::Outcome::failed;
    }
    transport::Outcome fetch(const transport::MemoryAddress& address, std::span<std::byte> target) override {
      if (failure_.ok()) {
        std::memcpy(target.data(), reinterpret_cast<const std::byte*>(address.offset), target.size());
      }
      return failure_.ok() ? transport::Outcome::done : transport::Outcome::failed;
    }

    const Status& failure() const override { return failure_; }
    size_t max_frame_bytes() const override { return fabric_.options_.max_frame_bytes; }
    transport::LinkEstimate estimate() const override { return {.latency_ns = 0, .bandwidth_bytes_per_s = 0, .source = "fake", .reaches_memory = true}; }
    std::string describe() const override { return "fake"; }

   private:
    friend class FakeFabric;
    FakeFabric& fabric_;
    const uint32_t rank_;
    const uint32_t peer_;
    Status failure_;
    bool lets_go_ = false;
  };

  Pipe& pipe(uint32_t source, uint32_t target, uint32_t channel) {
    return *pipes_[(source * options_.rank_count + target) * transport::kChannelCount + channel];
  }
  bool is_shared(uint32_t rank) const { return rank < options_.shared_ranks.size() && options_.shared_ranks[rank]; }
  bool strikes(uint32_t per_thousand) { return per_thousand != 0 && random_() % 1000 < per_thousand; }
  void release_some(Pipe& pipe) {
    while (pipe.released != pipe.sent && strikes(options_.releases_per_thousand)) {
      release(pipe);
    }
  }
  void release_all(Pipe& pipe) {
    while (pipe.released != pipe.sent) {
      release(pipe);
    }
  }
  void release(Pipe& pipe) {
    const Slot& slot = pipe.slot(pipe.released++);
    spoiled_payloads_ += !std::equal(slot.borrowed.begin(), slot.borrowed.end(), slot.copy.begin());
    pipe.released_bytes += slot.size;
  }

  FabricOptions options_;
  std::mt19937 random_;
  std::vector<std::unique_ptr<FakeLink>> links_;
  std::vector<std::unique_ptr<Pipe>> pipes_;
  uint64_t frames_taken_ = 0;
  uint64_t spoiled_payloads_ = 0;
};

}  // namespace tutti::engine
