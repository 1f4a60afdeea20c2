// SPDX-License-Identifier: Apache-2.0
// What a link through shared memory is taken to do.
#pragma once

#include "transport/transport.hpp"

namespace tutti::transports::shm {

// Whether memory is reached, the pair has to probe.
inline constexpr transport::LinkEstimate kEstimate{.latency_ns = 150,
                                                   .bandwidth_bytes_per_s = 14'000'000'000,
                                                   .source = "default: shm_link_perf on two cores of a Sapphire Rapids virtual machine",
                                                   .reaches_memory = false,
                                                   .copied_by_cores = true};

}  // namespace tutti::transports::shm
