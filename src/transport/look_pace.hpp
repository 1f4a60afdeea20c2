// SPDX-License-Identifier: Apache-2.0
// How often a transport looks at all its sockets.
#pragma once

#include <cstdint>

namespace tutti::transport {

class LookPace {
 public:
  // Whether to look now, as at every call while peers connect. Once everybody is connected: often enough that a dead peer, and credit nobody is reading
  // for, are noticed soon; seldom enough to cost nothing beside the microseconds of a small message.
  bool is_due(uint64_t now_ns, bool is_connecting) {
    if (!is_connecting && now_ns < next_ns_ && ++call_count_ < kMostCallsBetween) {
      return false;
    }
    next_ns_ = now_ns + kInterval_ns;
    call_count_ = 0;
    return true;
  }

 private:
  static constexpr uint64_t kInterval_ns = 200'000;
  static constexpr uint32_t kMostCallsBetween = 1024;  // for callers whose clock stands still

  uint64_t next_ns_ = 0;
  uint32_t call_count_ = 0;
};

}  // namespace tutti::transport
