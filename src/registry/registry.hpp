// SPDX-License-Identifier: Apache-2.0
// The only place that names every algorithm and every transport. The tables are generated at configure time, so that a static
// link keeps all of them and a new folder is enough to add one.
#pragma once

#include <span>

#include "planner/algorithm.hpp"
#include "transport/transport.hpp"

namespace tutti::registry {

// One function per folder of algorithms/; each returns that family's algorithms.
std::span<std::span<const planner::Algorithm> (*const)()> algorithm_families();
// One function per folder of transports/.
std::span<const transport::TransportType& (*const)()> transport_types();

}  // namespace tutti::registry
