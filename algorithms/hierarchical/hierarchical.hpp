// SPDX-License-Identifier: Apache-2.0
// Machines in which some ranks are nearer to each other than to the rest: on one host, in one package, around one cache. Bytes pass between two
// domains once, not once for each rank that needs them.
#pragma once

#include <span>

#include "planner/algorithm.hpp"

namespace tutti::algorithms::hierarchical {

// Where at least two domains have two ranks or more.
// "leaders": allreduce, reduce, broadcast, barrier. "rails": allreduce, reduce, broadcast, allgather, reducescatter. "rail_halves": allreduce of up
// to 1024 ranks, the reducescatter and then the allgather of rails, which with d domains lets 2(d-1)/d of the vector out of each, not d-1 times it.
// "in_switch_rails": allreduce where switches reduce and copy. "rail_shots": short allreduces on machine models, by the innermost domains. The others take
// all levels of domains into account; where there are several, "outer_" and "inner_" take the outermost and the innermost alone.
std::span<const planner::Algorithm> algorithms();

}  // namespace tutti::algorithms::hierarchical
