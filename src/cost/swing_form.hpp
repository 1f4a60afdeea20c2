// SPDX-License-Identifier: Apache-2.0
// The closed form of Swing (topology/swing.hpp).
#pragma once

#include <cstdint>
#include <optional>

#include "cost/cost.hpp"
#include "cost/grid_forms.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

enum class SwingMessages : uint8_t { halves, whole };

// Of allreduce: the steps' waves one after another, or overlapping where all of the vector is exchanged. Nothing where Swing does not fit.
std::optional<uint64_t> swing_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                      SwingMessages messages, const NoteWave& note);

}  // namespace tutti::cost
