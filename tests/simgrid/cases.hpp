// SPDX-License-Identifier: Apache-2.0
// What both simulators run: messages that all begin at once on networks whose links are alike.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tutti::tests {

inline constexpr double kBytesPerS = 10e9;
inline constexpr uint64_t kBytes = 10'000'000;  // of a message, a millisecond of a link

struct Message {
  uint32_t source = 0;
  uint32_t target = 0;
};

enum class Machine : uint8_t {
  torus,         // 3x5x3, all axes wrap. An axis of even length would have ties, of which SimGrid always takes the same
  fat_tree,      // 16 chips, 4 leaves, 4 spines
  tapered_tree,  // 16 chips, 4 leaves, 2 spines
  dragonfly,     // 4 groups of 4 switches of 2 chips, a link between any two groups
};

struct Case {
  std::string name;
  Machine machine = Machine::torus;
  std::vector<Message> messages;
};

uint32_t chip_count(Machine machine);
std::vector<Case> all_cases();
std::vector<Message> all_pairs(uint32_t chip_count);

// Of each case, until the last message is there, in seconds: as SimGrid has it, with links that share bytes max-min fairly and have no latency, since
// it gives flows with a longer way less.
std::vector<double> simgrid_times(const std::vector<Case>& cases);

}  // namespace tutti::tests
