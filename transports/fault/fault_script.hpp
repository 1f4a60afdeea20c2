// SPDX-License-Identifier: Apache-2.0
// What a FaultTransport breaks, and when. Data: the same script, seed and calls give the same failures.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/status.hpp"

namespace tutti::transports::fault {

// Where a fault strikes: on the way out, on the way in.
enum class Direction : uint8_t { send, receive };

enum class Action : uint8_t {
  fail,     // this end of the link fails with `status`; the peer is not told until disconnect()
  reset,    // this end fails and the connection below it is dropped, so the peer's end fails as well
  corrupt,  // one bit of the payload, drawn from the seed, is flipped; an empty payload leaves the fault to the next frame
  stall,    // the channel answers would_block for `stalled_calls` calls, or until FaultTransport::release() for kUntilReleased
};

inline constexpr uint64_t kUntilReleased = UINT64_MAX;

// Strikes once per link, when the `nth` frame (from 1) that matches is offered for sending, or has arrived and is looked at.
// Frames taken count, not attempts, so retries do not shift it.
struct Fault {
  Direction direction = Direction::send;
  Action action = Action::fail;
  std::optional<uint32_t> peer = {};     // any
  std::optional<uint32_t> channel = {};  // any; with none, frames of all channels of the link count together
  uint64_t nth = 1;
  Status status = Status(tuttiRemoteError, "injected failure");  // of fail and reset
  uint64_t stalled_calls = kUntilReleased;
};

// Sporadic would_block on every channel: at each call, a storm begins with this chance and lasts for 1 to `longest_calls` calls.
struct Storms {
  uint32_t per_million = 0;
  uint64_t longest_calls = 16;
};

struct FaultScript {
  uint64_t seed = 0;
  std::vector<Fault> faults = {};
  Storms storms = {};
  std::vector<uint32_t> unreachable_peers = {};  // connect() to these finds nobody
};

}  // namespace tutti::transports::fault
