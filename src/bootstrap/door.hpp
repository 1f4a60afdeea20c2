// SPDX-License-Identifier: Apache-2.0
// Lets in connections that prove that they know a secret. Until then they are *guests*, bounded in number and time, and nothing they send is
// parsed beyond the fixed form of the handshake.
#pragma once

#include <cstdint>
#include <list>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "bootstrap/connection.hpp"
#include "bootstrap/poll_set.hpp"

namespace tutti::bootstrap {

inline constexpr uint64_t kHandshakeLimitNs = 5'000'000'000;
inline constexpr size_t kMaxGuests = 256;

class Door {
 public:
  struct Setup {
    std::vector<Descriptor> listeners;  // non-blocking
    Key key{};
    Handshake::Claim claim;  // of this end
    size_t max_payload_bytes = 0;
  };
  // `clock` outlives it.
  Door(Setup setup, const Clock& clock);

  // Listeners and guests that want attention.
  void watch(PollSet* set);
  // Accepts whom there is room for, and drops who is late.
  void attend();
  // The connections that have proven themselves since the last call.
  std::vector<Connection> take_proven();
  // When attend() should be called next, whatever happens.
  uint64_t next_deadline_ns() const;
  size_t guest_count() const { return guests_.size(); }

 private:
  struct Guest {
    Connection connection;
    uint64_t arrived_ns;
  };

  bool has_room() const;

  const Clock& clock_;
  Setup setup_;
  std::list<Guest> guests_;  // oldest first
  uint64_t accept_again_ns_ = 0;  // after a failed accept
};

}  // namespace tutti::bootstrap
