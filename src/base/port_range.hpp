// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tutti {

// Ports that may be listened on, both ends included; all if `first` is 0.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

}  // namespace tutti
