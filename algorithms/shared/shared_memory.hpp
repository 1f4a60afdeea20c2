// SPDX-License-Identifier: Apache-2.0
// "shared_memory": each rank works straight in its peers' memory. "root_reads": the root alone does.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::algorithms::shared {

bool shared_memory_solves(const schedule::Problem& problem);
// For at least two ranks, each of which reaches the memory of all others.
schedule::Schedule shared_memory(const schedule::Problem& problem, uint32_t rank);

bool root_reads_solves(const schedule::Problem& problem);
schedule::Schedule root_reads(const schedule::Problem& problem, uint32_t rank);

}  // namespace tutti::algorithms::shared
