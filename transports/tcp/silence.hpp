// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tutti::transports::tcp {

// Since when the peer's kernel owes this one an answer. A network that swallows packets resets nothing: that bytes are on their way and none of them
// arrives is all that there is to see. A peer that does not read is not silent, since its kernel takes bytes or says that it has no room.
class Silence {
 public:
  struct Progress {
    bool is_waiting = false;  // some bytes could be acknowledged
    uint64_t acknowledged_bytes = 0;
  };
  void note(uint64_t now_ns, const Progress& progress) {
    if (!progress.is_waiting || !was_waiting_ || progress.acknowledged_bytes != acknowledged_bytes_) {
      since_ns_ = now_ns;
    }
    was_waiting_ = progress.is_waiting;
    acknowledged_bytes_ = progress.acknowledged_bytes;
  }
  // At the latest note.
  uint64_t lasted_ns(uint64_t now_ns) const { return was_waiting_ ? now_ns - since_ns_ : 0; }

 private:
  bool was_waiting_ = false;
  uint64_t acknowledged_bytes_ = 0;
  uint64_t since_ns_ = 0;
};

}  // namespace tutti::transports::tcp
