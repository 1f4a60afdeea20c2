// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <utility>

#include "schedule/builder.hpp"

namespace tutti::algorithms::torus {

// One lane for what goes to a peer on a channel, and one for what comes from it, made when they are asked for.
class Lanes {
 public:
  explicit Lanes(schedule::Builder& builder) : builder_(builder) {}
  schedule::LaneId to(uint32_t channel, uint32_t peer) { return find(sending_, channel, peer); }
  schedule::LaneId from(uint32_t channel, uint32_t peer) { return find(receiving_, channel, peer); }

 private:
  using Known = std::map<std::pair<uint32_t, uint32_t>, schedule::LaneId>;
  schedule::LaneId find(Known& known, uint32_t channel, uint32_t peer) {
    const auto [lane, is_new] = known.try_emplace({channel, peer}, 0);
    if (is_new) {
      lane->second = builder_.add_lane(channel);
    }
    return lane->second;
  }
  schedule::Builder& builder_;
  Known sending_;
  Known receiving_;
};

}  // namespace tutti::algorithms::torus
