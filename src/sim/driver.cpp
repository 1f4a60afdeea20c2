// SPDX-License-Identifier: Apache-2.0
#include "sim/driver.hpp"

namespace tutti::sim {

Driver::Outcome Driver::run_until(const std::function<bool()>& condition, uint64_t round_limit) {
  for (uint64_t round = 0; round < round_limit; ++round) {
    if (condition()) {
      return Outcome::done;
    }
    if (take_turns() == 0 && !network_.advance_instant()) {
      return condition() ? Outcome::done : Outcome::stalled;
    }
  }
  return Outcome::exhausted;
}

Driver::Outcome Driver::run_until_idle(uint64_t round_limit) {
  return run_until([] { return false; }, round_limit);
}

size_t Driver::take_turns() {
  size_t work = 0;
  for (const Turn& turn : turns_) {
    work += turn();
  }
  return work;
}

}  // namespace tutti::sim
