// SPDX-License-Identifier: Apache-2.0
// The closed forms of algorithms that go along the axes of a torus or mesh.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "cost/cost.hpp"
#include "cost/wave.hpp"
#include "schedule/pattern.hpp"
#include "schedule/problem.hpp"
#include "topology/grid.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// Is told of waves that go so many times; empty: nobody is.
using NoteWave = std::function<void(const Wave& wave, uint64_t times)>;

// That all links of an axis carry so much, each direction.
void note_axis(const topology::Fabric& fabric, const topology::Grid& grid, uint32_t axis, uint64_t bytes, const NoteWave& note);

// Whether the pattern is one of those.
bool follows_grid(schedule::Pattern pattern);
// Nothing for machines that are no grid, and collectives and shapes that the pattern does not serve.
std::optional<uint64_t> grid_form_ns(schedule::Pattern pattern, const schedule::Problem& problem, const topology::Topology& topology,
                                     const Workload& workload, const NoteWave& note);

}  // namespace tutti::cost
