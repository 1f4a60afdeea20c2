// SPDX-License-Identifier: Apache-2.0
// Why an algorithm does not apply, found out by asking it about other problems and machines.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "planner/algorithm.hpp"

namespace tutti::planner {

// Small machines of every kind, at least one of which suits any algorithm that solves something for so many ranks.
std::vector<topology::Topology> sample_topologies(uint32_t rank_count);

// Whether `algorithm` solves some ordinary problem of `collective`. A rank alone is left out: there everything is a copy.
bool ever_applies(const Algorithm& algorithm, schedule::Collective collective);

// What a problem and a machine that `algorithm` does not apply to lack, as far as that can be told: "it needs ranks that reach each other's memory".
std::string why_not_applicable(const Algorithm& algorithm, const schedule::Problem& problem, const topology::Topology& topology);

}  // namespace tutti::planner
