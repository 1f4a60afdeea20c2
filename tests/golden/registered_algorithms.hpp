// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "registry/registry.hpp"

namespace tutti::tests {

inline std::vector<planner::Algorithm> registered_algorithms() {
  std::vector<planner::Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    algorithms.insert(algorithms.end(), family().begin(), family().end());
  }
  return algorithms;
}

}  // namespace tutti::tests
