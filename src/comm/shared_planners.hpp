// SPDX-License-Identifier: Apache-2.0
// Planners of this process that decide from the same facts: where many ranks are threads of one process, each call is priced once and not by each of them.
#pragma once

#include <functional>
#include <memory>

#include "bootstrap/exchange.hpp"
#include "planner/planner.hpp"

namespace tutti::comm {

// A planner for `rank`, as `make` gives it, or one that chooses as that of another rank does whose `basis` is the same: all that has been told to the ranks
// of a communicator. Thread-safe.
std::shared_ptr<planner::Planner> planner_for(uint32_t rank, bootstrap::Bytes basis, const std::function<std::unique_ptr<planner::Planner>()>& make);

}  // namespace tutti::comm
