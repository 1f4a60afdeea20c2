// SPDX-License-Identifier: Apache-2.0
// Shows that the schedules of all ranks together solve a problem, by running them on symbolic contributions.
#pragma once

#include <functional>
#include <span>

#include "base/status.hpp"
#include "schedule/schedule.hpp"

namespace tutti::schedule {

struct VerifyOptions {
  // Whether a message may go from rank `source` to rank `target`; empty: any pair.
  std::function<bool(uint32_t source, uint32_t target)> has_link;
};

// `schedules[r]` is rank r's. Holds afterwards, for any message size and slicing, under the smallest legal buffering (a send completes only
// together with its receive):
//  - no deadlock; every send meets a receive of the same chunk range, in order, on its channel;
//  - the postcondition of the problem, each contribution entering exactly once, and `Final::yes` exactly where a reduction is complete;
//    a barrier has none, but no rank can finish before every rank has begun;
//  - an all_reduce combines contributions in the same order on every rank, so that all get the same bits;
//  - no slot is read before it is written, nor written while another step may still read or write it (happens-before over lanes, waits and
//    messages), with in-place buffers aliased;
//  - indices, ranks, lanes and channels are within bounds, a step's chunks have the lengths of what it reads and of where it writes, and
//    every message has a link.
// Inputs are never written, except through an output that is the same memory. Schedules may be garbage: they are bounded before they are
// followed. Thread-safe.
// Errors: tuttiInvalidArgument naming rank, step and what is wrong with it.
Status verify(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options = {});

}  // namespace tutti::schedule
