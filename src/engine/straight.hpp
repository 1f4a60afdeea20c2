// SPDX-License-Identifier: Apache-2.0
// Short programs that need no lanes: at most one message each way, of one frame, and none that waits for what is received. Their steps are run one after another, what is
// sent first, which for 8 bytes costs a third of what lanes and waits do.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/interpreter.hpp"
#include "engine/operation.hpp"

namespace tutti::engine {

// The steps of `schedule` in an order that keeps to its lanes and waits, with their places; empty if it is not of this kind.
std::vector<StraightStep> straightened(const schedule::Schedule& schedule, std::span<const StepPlace> places);

// Whether each message of a straight program goes in one frame; one of several would have to be received while it is sent.
bool fits_frames(const Operation& operation, LinkTable& links);

// As advance(), of an operation whose program is straight.
Advance advance_straight(Operation& operation, LinkTable& links, Trouble* trouble);

}  // namespace tutti::engine
