// SPDX-License-Identifier: Apache-2.0
// The side of a link that connects, and looks for the number of sockets that is best: what a trial asks for, it connects.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "transports/tcp/gathering.hpp"
#include "transports/tcp/socket_trial.hpp"

namespace tutti::transports::tcp {

// The ways that connected sockets have gone, so that others can go them too.
std::vector<Way> ways_of(const std::vector<int>& sockets);

class SocketSearch {
 public:
  struct Setup {
    uint32_t rank = 0;      // of the peer
    std::vector<Way> ways;  // one for each interface
  };
  // `clock` outlives it.
  SocketSearch(Setup setup, const Identity& identity, const Clock& clock);

  SocketTrial& trial() { return trial_; }
  // Carries on. Not empty when the peer has been told of other sockets that the link has from now on; `session` is theirs, of which there may be several in vain.
  std::optional<Gathered> advance(uint8_t& session);
  // What the sockets were made by.
  const std::vector<Way>& plan() const { return plan_; }
  bool is_connecting() const { return probe_.has_value(); }

 private:
  void begin(uint8_t session);

  Setup setup_;
  Identity identity_;
  const Clock* clock_;
  SocketTrial trial_;
  uint64_t sockets_per_way_ = 1;
  std::vector<Way> plan_;
  std::optional<RailProbe> probe_;
  Deadline retry_at_;
};

}  // namespace tutti::transports::tcp
