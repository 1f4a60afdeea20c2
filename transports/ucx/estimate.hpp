// SPDX-License-Identifier: Apache-2.0
// What a link is taken to do, by the transports of UCX that it uses.
#pragma once

#include <string_view>

#include "transport/transport.hpp"

namespace tutti::transports::ucx {

// Whether one of these transports of UCX ("rc_mlx5/mlx5_0:1, tcp/eth0") is of an adapter with remote access to memory.
bool has_remote_memory_access(std::string_view names);

transport::LinkEstimate estimate_of(std::string_view lanes, bool is_same_host);

}  // namespace tutti::transports::ucx
