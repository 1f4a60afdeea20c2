// SPDX-License-Identifier: Apache-2.0
// What will happen, ordered by time and, within one nanosecond, by when it was scheduled; so that runs replay exactly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <vector>

namespace tutti::sim {

// Why an end of a connection fails.
enum class Cause : uint8_t { peer_closed, peer_crashed, link_broken, refused, wrong_secret, no_link, own_crash };

struct Event {
  enum class Kind : uint8_t {
    hello,   // `subject`'s greeting reaches its peer
    frame,   // the oldest frame in flight on (`subject`, `channel`) reaches the peer
    credit,  // `subject` learns that its peer has consumed `bytes` of `channel`
    close,   // `subject`'s farewell reaches its peer
    fail,    // `subject` notices `cause`
    action,  // the script's action number `subject` runs
  };

  Kind kind = Kind::action;
  Cause cause = Cause::peer_closed;
  uint32_t subject = 0;  // an endpoint, or the number of an action
  uint32_t channel = 0;
  uint64_t bytes = 0;
};

class EventQueue {
 public:
  struct Entry {
    uint64_t at_ns = 0;
    uint64_t sequence = 0;
    Event event;
  };

  void push(uint64_t at_ns, const Event& event) { entries_.push({.at_ns = at_ns, .sequence = next_sequence_++, .event = event}); }
  bool empty() const { return entries_.empty(); }
  const Entry& top() const { return entries_.top(); }
  void pop() { entries_.pop(); }

 private:
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.sequence > b.sequence;
    }
  };
  std::priority_queue<Entry, std::vector<Entry>, Later> entries_;
  uint64_t next_sequence_ = 0;
};

}  // namespace tutti::sim
