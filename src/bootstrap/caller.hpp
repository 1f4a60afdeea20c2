// SPDX-License-Identifier: Apache-2.0
// Calls somebody until he answers: connects and authenticates, again and again over the addresses where he may be.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "base/interfaces.hpp"
#include "bootstrap/connection.hpp"

namespace tutti::bootstrap {

class Caller {
 public:
  struct Setup {
    std::vector<SocketAddress> addresses;  // the likeliest first
    Key key{};
    Handshake::Claim claim;       // of this end
    uint32_t expected_rank = 0;   // that the other end must claim, for the same purpose
    std::string_view expected{};  // what it is called: "a bootstrap service"
  };
  // `clock` outlives it.
  Caller(Setup setup, const Clock& clock);

  // Carries on. The connection, once: when the other end has proven to be the one that is called.
  std::unique_ptr<Connection> poll();
  const SocketAddress& address() const { return setup_.addresses[attempt_ % setup_.addresses.size()]; }
  const SocketAddress& first_address() const { return setup_.addresses.front(); }
  // Why the last attempt failed; empty if none has.
  const std::string& last_trouble() const { return last_trouble_; }

 private:
  void begin_attempt();
  void finish_connecting();
  std::unique_ptr<Connection> authenticate();
  // The attempt came to nothing; the next address is tried, after a pause when each has been.
  void attempt_failed(std::string why);

  const Clock& clock_;
  Setup setup_;
  Descriptor connecting_;                   // until the connection stands
  std::unique_ptr<Connection> connection_;  // from then on
  uint64_t attempt_ = 0;
  uint64_t attempt_limit_ns_ = 0;
  uint64_t next_attempt_ns_;
  std::string last_trouble_;
};

}  // namespace tutti::bootstrap
