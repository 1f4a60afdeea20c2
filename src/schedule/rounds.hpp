// SPDX-License-Identifier: Apache-2.0
// The messages of a collective in rounds, for people to look at: as if each took one round of its lane, and everything else no time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "schedule/schedule.hpp"

namespace tutti::schedule {

struct Passage {
  // `told` is a signal, without data.
  enum class Kind : uint8_t { copied, reduced, told };

  uint32_t round = 0;  // in which it is under way, from 0
  uint32_t source = 0;
  uint32_t target = 0;
  uint32_t first_chunk = 0;
  uint32_t chunk_count = 1;
  Kind kind = Kind::copied;

  bool operator==(const Passage&) const = default;
};

// Of all ranks' schedules, which the verifier accepts; in order of rounds. What a rank reads or writes in a peer's memory passes like a message.
std::vector<Passage> rounds_of(std::span<const Schedule> schedules);

}  // namespace tutti::schedule
