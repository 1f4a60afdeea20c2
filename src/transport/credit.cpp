// SPDX-License-Identifier: Apache-2.0
#include "transport/credit.hpp"

#include <bit>

namespace tutti::transport {

GivenCredit::News GivenCredit::next() const {
  uint32_t chosen = 0;
  if (is_due()) {
    chosen = static_cast<uint32_t>(std::countr_zero(due_channels_));
  } else {
    for (uint32_t left = untold_channels_; left != 0; left &= left - 1) {
      const auto channel = static_cast<uint32_t>(std::countr_zero(left));
      chosen = untold_units(channel) > untold_units(chosen) ? channel : chosen;
    }
  }
  return {.channel = chosen, .units = untold_units(chosen), .total = freed_units_[chosen]};
}

void GivenCredit::tell_again() {
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    if (told_units_[channel] != 0) {
      make_due(channel);
    }
  }
}

}  // namespace tutti::transport
