// SPDX-License-Identifier: Apache-2.0
// What a schedule costs on a topology, in integer nanoseconds, so that every rank computes the same.
#pragma once

#include <cstdint>
#include <span>

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

struct Workload {
  uint64_t element_count = 0;  // as LayoutRequest::element_count: the vector's length, or a block's
  uint64_t element_bytes = 1;
};

// Time until the last rank has finished: the schedules of all ranks are played step by step, each rank sending one message at a time per
// link and reducing one at a time; a message costs latency + bytes / bandwidth, streaming waits overlap. Variable blocks are priced as equal
// ones.
uint64_t price_ns(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules,
                  const topology::Topology& topology, const Workload& workload);

}  // namespace tutti::cost
