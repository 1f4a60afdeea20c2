// SPDX-License-Identifier: Apache-2.0
// How many sockets a link should have on each interface: one, or several where a network gives each connection less than the interface can do. Nothing tells but
// a trial: once the link has been full for some time, it is given several, and keeps them if they were faster.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tutti::transports::tcp {

class SocketTrial {
 public:
  static constexpr uint64_t kTriedSockets = 4;

  enum class Direction : uint8_t { out, in };
  // The link was full, so fast.
  void note(Direction direction, uint64_t rate_bytes_per_s);
  // How many the link should have on each interface from now on. If that is another number than before, nothing is counted until changed().
  uint64_t sockets(uint64_t now_ns);
  // It has as many now.
  void changed(uint64_t now_ns);

  // The best rates so far, of the direction that decides: with one socket, and with several.
  struct Rates {
    uint64_t usual_bytes_per_s = 0;
    uint64_t tried_bytes_per_s = 0;
  };
  Rates rates() const;

 private:
  // The best of several counts: whatever disturbs makes it slower.
  struct Tally {
    uint64_t count = 0;
    uint64_t best_bytes_per_s = 0;
  };
  using Tallies = std::array<Tally, 2>;  // by direction
  enum class Phase : uint8_t { usual, trying, kept };

  // A direction that can be compared; -1: none yet.
  int decisive() const;
  void leave_for(Phase phase);

  Phase phase_ = Phase::usual;
  bool is_changing_ = false;
  Tallies usual_;
  Tallies tried_;
  uint64_t patience_count_ = kLeastCount;  // of rates until the next trial
  uint64_t give_up_ns_ = 0;

  static constexpr uint64_t kLeastCount = 4;
};

}  // namespace tutti::transports::tcp
