// SPDX-License-Identifier: Apache-2.0
// Shows that the schedules of all ranks together solve a problem, by running them on symbolic contributions.
#pragma once

#include <functional>
#include <span>
#include <string>

#include "base/status.hpp"
#include "schedule/schedule.hpp"

namespace tutti::schedule {

struct VerifyOptions {
  // Whether a message may go from rank `source` to rank `target`; empty: any pair.
  std::function<bool(uint32_t source, uint32_t target)> has_link = {};
  // Whether rank `rank` passes in-place buffers, where ranks differ in that; empty: as the problem says.
  std::function<InPlace(uint32_t rank)> in_place = {};
  // What errors call a step; empty: "rank 2 step 5 (send)".
  std::function<std::string(uint32_t rank, uint32_t step)> step_name = {};
};

// `schedules[r]` is rank r's. Holds afterwards, for any message size and slicing, under the smallest legal buffering (a send completes only
// together with its receive):
//  - no deadlock; every send meets a receive of the same chunk range and every signal an await, in order, on its channel;
//  - the postcondition of the problem, each contribution entering exactly once, and `Final::yes` exactly where a reduction is complete;
//    a barrier has none, but no rank can finish before every rank has begun;
//  - an all_reduce combines contributions in the same order on every rank, so that all get the same bits;
//  - no slot is read before it is written, nor written while another step may still read or write it (happens-before over lanes, waits and
//    messages), with in-place buffers aliased;
//  - messages of a gang are one from every source to every target but itself, of the same chunks, from one place of each source; where there are several
//    sources, a target receives in scratch what one reduce, and nothing else, then reads;
//  - indices, ranks, lanes and channels are within bounds, a step's chunks have the lengths of what it reads and of where it writes, and
//    every message and signal has a link.
// Steps in a peer's memory count as steps of the peer too. Beside the above holds:
//  - such a step comes after an await of a signal from that peer, and before some step of that peer, so that no rank ends, and gives its buffers
//    back, while others work in them;
//  - accesses of two ranks to a slot, one writing it, are ordered by signals or messages between whole steps: nothing streams across ranks here;
//  - of a peer's memory only input and output are named, and only the output is written, in one place at a time; none of it where blocks are
//    variable, since each rank knows only where its own blocks lie;
//  - all of this and the postcondition, whichever outputs are shared with whom: none, all, those of some ranks, or with some ranks.
// Inputs are never written, except through an output that is the same memory. Schedules may be garbage: they are bounded before they are
// followed. Thread-safe.
// Errors: tuttiInvalidArgument naming rank, step and what is wrong with it.
Status verify(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options = {});

}  // namespace tutti::schedule
