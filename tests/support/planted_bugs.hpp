// SPDX-License-Identifier: Apache-2.0
// What tests do to a correct schedule to see that the verifier notices.
#pragma once

#include <cstdint>
#include <vector>

#include "schedule/schedule.hpp"

namespace tutti::tests {

// Takes a step out of its lane and renumbers those after it. A wait for it becomes one for the step that follows.
inline void drop_step(schedule::Schedule& schedule, uint32_t index) {
  schedule.steps.erase(schedule.steps.begin() + index);
  for (schedule::Lane& lane : schedule.lanes) {
    if (index < lane.first_step) {
      --lane.first_step;
    } else if (index < lane.first_step + lane.step_count) {
      --lane.step_count;
    }
  }
  std::erase_if(schedule.lanes, [](const schedule::Lane& lane) { return lane.step_count == 0; });
  for (schedule::Wait& wait : schedule.waits) {
    wait.step -= wait.step > index ? 1 : 0;
  }
}

}  // namespace tutti::tests
