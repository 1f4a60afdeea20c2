// SPDX-License-Identifier: Apache-2.0
// Two ranks with a link each, over a fabric that keeps no order.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "transports/ofi/hub.hpp"
#include "transports/ofi/link.hpp"
#include "unit/transport_ofi/fake_fabric.hpp"

namespace tutti::transports::ofi::test {

using transport::Frame;
using transport::FrameHeader;
using transport::Outcome;

inline constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;
inline constexpr int kTurnLimit = 1'000'000;

inline std::vector<std::byte> pattern(size_t byte_count, uint64_t seed) {
  std::vector<std::byte> bytes(byte_count);
  for (size_t index = 0; index < byte_count; ++index) {
    bytes[index] = static_cast<std::byte>(mix64(seed * 0x1'0000'0001 + index / 8) >> (index % 8 * 8));
  }
  return bytes;
}

class LinkWorld {
 public:
  static constexpr uint64_t kTag = 0xf00d;
  static constexpr uint64_t kToken = 0x1122'3344;  // of rank 0; rank 1 has the next

  explicit LinkWorld(const FakeOptions& options) : fabric(options) {
    for (uint32_t rank = 0; rank < 2; ++rank) {
      hubs[rank] = std::make_unique<Hub>(fabric.make_endpoint(), kTag + rank, 2);
    }
    for (uint32_t rank = 0; rank < 2; ++rank) {
      const uint32_t peer = 1 - rank;
      links[rank] = std::make_unique<OfiLink>(*hubs[rank],
                                              OfiLink::Ends{.own_rank = rank,
                                                            .peer_rank = peer,
                                                            .peer = peer,
                                                            .peer_tag = kTag + peer,
                                                            .own_token = kToken + rank,
                                                            .peer_token = kToken + peer},
                                              OfiLink::Manner{.max_frame_bytes = kMaxFrameBytes, .estimate = {}, .description = "fake"});
    }
  }

  void turn(uint32_t rank) {
    hubs[rank]->progress();
    links[rank]->flush();
  }
  bool run_until(const std::function<bool()>& condition) {
    for (int turns = 0; turns < kTurnLimit; ++turns) {
      if (condition()) {
        return true;
      }
      turn(0);
      turn(1);
    }
    return condition();
  }
  bool send(uint32_t rank, std::span<const std::byte> payload, uint64_t call, uint32_t channel = kChannel) {
    Outcome outcome = Outcome::would_block;
    run_until([&] { return (outcome = links[rank]->try_send(channel, {.call = call, .message_bytes = 1}, payload)) != Outcome::would_block; });
    return outcome == Outcome::done;
  }
  std::optional<Frame> receive(uint32_t rank, std::span<std::byte> landing = {}, uint32_t channel = kChannel) {
    Outcome outcome = Outcome::would_block;
    Frame frame;
    run_until([&] { return (outcome = links[rank]->peek(channel, landing, &frame)) != Outcome::would_block; });
    return outcome == Outcome::done ? std::optional(frame) : std::nullopt;
  }

  FakeFabric fabric;
  std::unique_ptr<Hub> hubs[2];
  std::unique_ptr<OfiLink> links[2];
};

}  // namespace tutti::transports::ofi::test
