// SPDX-License-Identifier: Apache-2.0
// What the conformance suites of transports share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "conformance/transport_world.hpp"

namespace tutti::conformance {

inline constexpr uint32_t kChannel = transport::kFirstCollectiveChannel;

class TransportTest : public testing::TestWithParam<TransportKind> {
 protected:
  // Two connected ranks, or more; nullptr, and a failure of the test, when they do not connect.
  static std::unique_ptr<TransportWorld> connected_world(uint32_t rank_count = 2) {
    auto world = std::make_unique<TransportWorld>(GetParam(), WorldOptions{.rank_count = rank_count});
    if (!world->connected()) {
      ADD_FAILURE() << GetParam().name << ": " << rank_count << " ranks do not connect";
      return nullptr;
    }
    return world;
  }
};

inline std::vector<std::byte> bytes_of(std::span<const std::byte> payload) { return {payload.begin(), payload.end()}; }

// Fills a channel until the link takes no more; returns how many frames it took, 0 when that was more than `limit`.
inline size_t fill(TransportWorld& world, transport::Link& link, uint32_t channel, std::span<const std::byte> payload,
                   size_t limit) {
  size_t taken = 0;
  size_t refused_in_a_row = 0;
  // A storm of the fault transport ends after a few calls, a full channel does not.
  while (refused_in_a_row < 5'000 && taken <= limit) {
    const transport::Outcome outcome = link.try_send(channel, {.call = taken, .message_bytes = channel}, payload);
    if (outcome == transport::Outcome::failed) {
      return 0;
    }
    if (outcome == transport::Outcome::done) {
      ++taken;
      refused_in_a_row = 0;
    } else {
      ++refused_in_a_row;
      world.step();
    }
  }
  return taken <= limit ? taken : 0;
}

}  // namespace tutti::conformance
