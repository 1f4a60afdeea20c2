// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tutti {

// Messages that travel as one where the switches between their ranks can do that: copied on the way to several targets, reduced on the way from several
// sources, so that each link carries the bytes once (the multicast and the reductions of NVSwitch, the trees of SHARP). Every source has a message for
// every target but itself. Elsewhere each message goes by itself, and what comes of it is the same.
struct Gang {
  uint32_t number = 0;         // of the collective's gangs, the same on all ranks
  uint32_t message_count = 0;  // of all ranks together; 0: the message is in none

  bool exists() const { return message_count != 0; }
  bool operator==(const Gang&) const = default;
};

}  // namespace tutti
