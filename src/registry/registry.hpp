// SPDX-License-Identifier: Apache-2.0
// The only place that names every algorithm and every transport. Tables are generated at configure time, so that a static
// link keeps all of them and a new folder is enough to add one.
#pragma once

#include <span>
#include <string_view>

#include "planner/algorithm.hpp"
#include "transport/transport.hpp"

namespace tutti::registry {

// One function per folder of algorithms/; each returns that family's algorithms.
std::span<std::span<const planner::Algorithm> (*const)()> algorithm_families();
// One function per folder of transports/ that is part of this library.
std::span<const transport::TransportType& (*const)()> transport_types();
// The other folders of transports/: libraries of their own, built where what they need is there.
std::span<const std::string_view> plugin_transports();

}  // namespace tutti::registry
