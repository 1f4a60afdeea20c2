// SPDX-License-Identifier: Apache-2.0
// Schedules made of schedules.
#pragma once

#include "schedule/schedule.hpp"

namespace tutti::schedule {

// Of one rank, both for equal blocks of one part each, without signals, and with chunk ranges that do not wrap around. The reducescatter is in place
// if the allreduce is to be, the allgather always.
struct Halves {
  Schedule reduce_scatter;
  Schedule all_gather;
};

// The allreduce of a vector that is cut into a chunk for each rank: the reducescatter gives each rank its chunk, the allgather gives it to all. The
// second half uses channels of its own, and waits only for what it reads and overwrites.
Schedule all_reduce_of(const Halves& halves);

}  // namespace tutti::schedule
