// SPDX-License-Identifier: Apache-2.0
// Runs several ranks on a network in one thread. Each rank is a turn: a function that does what it can without waiting and
// returns how much that was. When no rank can do anything, virtual time moves on; when it cannot either, the run has stalled
// and says so at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/network.hpp"

namespace tutti::sim {

class Driver {
 public:
  using Turn = std::function<size_t()>;
  enum class Outcome : uint8_t {
    done,       // the condition holds
    stalled,    // it does not, and nothing will ever happen again: a deadlock
    exhausted,  // it does not, after as many rounds as were allowed: perhaps a livelock
  };

  // `network` outlives the driver.
  explicit Driver(Network& network) : network_(network) {}

  // Turns are taken in the order in which they were added.
  void add(Turn turn) { turns_.push_back(std::move(turn)); }
  // Until `condition` holds, which is asked once per round: a turn of each, or, when none did anything, all events
  // of the next instant.
  Outcome run_until(const std::function<bool()>& condition, uint64_t round_limit = kDefaultRoundLimit);
  // Until nothing happens any more; `stalled` is the good ending here.
  Outcome run_until_idle(uint64_t round_limit = kDefaultRoundLimit);

  static constexpr uint64_t kDefaultRoundLimit = 100'000'000;

 private:
  size_t take_turns();

  Network& network_;
  std::vector<Turn> turns_;
};

}  // namespace tutti::sim
