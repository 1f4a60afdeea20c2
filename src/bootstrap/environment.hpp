// SPDX-License-Identifier: Apache-2.0
// How a launcher tells a process its place: torchrun, else PMIx, PMI-1, or torchrun's variables set by somebody else.
#pragma once

#include "base/settings.hpp"
#include "base/status.hpp"
#include "tutti/tutti.h"

namespace tutti::bootstrap {

struct Placement {
  uint32_t rank = 0;
  uint32_t rank_count = 1;
  tuttiUniqueId id;
  std::string launcher;  // "PMIx", "PMI", "torchrun variables"
};

// Each call on all ranks, in the same order, gives one new communicator's placement. Blocks while ranks exchange the id, at most
// settings.timeout_ms. Errors: tuttiInvalidUsage naming everything that was looked for and not found.
Result<Placement> placement_from_environment(const Settings& settings);

}  // namespace tutti::bootstrap
