// SPDX-License-Identifier: Apache-2.0
// How often a transport looks at what tells of its peers.
#pragma once

#include <cstdint>

namespace tutti::transport {

class LookPace {
 public:
  // By default often enough that a dead peer, and credit nobody is reading for, are noticed soon; seldom enough to cost nothing beside the microseconds of a
  // small message. The count serves callers whose clock stands still.
  explicit LookPace(uint64_t interval_ns = 200'000, uint32_t most_calls_between = 1024) : interval_ns_(interval_ns), most_calls_between_(most_calls_between) {}

  // Whether to look now, as at every call while peers connect.
  bool is_due(uint64_t now_ns, bool is_connecting) {
    if (!is_connecting && now_ns < next_ns_ && ++call_count_ < most_calls_between_) {
      return false;
    }
    next_ns_ = now_ns + interval_ns_;
    call_count_ = 0;
    return true;
  }

 private:
  uint64_t interval_ns_;
  uint32_t most_calls_between_;
  uint64_t next_ns_ = 0;
  uint32_t call_count_ = 0;
};

}  // namespace tutti::transport
