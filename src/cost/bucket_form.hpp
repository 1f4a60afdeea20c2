// SPDX-License-Identifier: Apache-2.0
// The closed form of collectives that go through the axes of a torus or mesh one after another (algorithms/bucket.hpp).
#pragma once

#include <cstdint>
#include <optional>

#include "cost/cost.hpp"
#include "cost/grid_forms.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// Of allreduce, allgather and reducescatter. Plays the shares of the vector turn by turn: those that are on the links of an axis in one direction at a time
// share them evenly. Nothing for machines that are no grid, and other collectives.
std::optional<uint64_t> bucket_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                       const NoteWave& note);

}  // namespace tutti::cost
