// SPDX-License-Identifier: Apache-2.0
// How two ranks come to the sockets of their link. The one who connects tries all rails it can think of, and tells the other, over each that works,
// which do: these are the link's, and if it is one only, the link is of one socket.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "transport/connection.hpp"
#include "transport/dialer.hpp"
#include "transports/tcp/address.hpp"
#include "transports/tcp/rail_name.hpp"
#include "transports/tcp/rail_wire.hpp"
#include "transports/tcp/railed_link.hpp"

namespace tutti::transports::tcp {

using transport::Dialer;
using transport::Identity;

// The same as the end that connects, of a socket that it calls so.
Identity named(Identity identity, const RailName& name);

struct Gathered {
  struct Socket {
    size_t rail = 0;
    uint8_t incarnation = 0;
    Descriptor socket;
  };
  uint8_t session = 0;
  bool may_change = false;
  RailSet rails;  // agreed on; some may lack their socket, and come later
  std::vector<Socket> sockets;  // at least one
};

// The side that connects.
class RailProbe {
 public:
  struct Setup {
    uint32_t rank = 0;  // to be found
    uint8_t session = 0;
    bool may_change = false;
    std::vector<Way> plan;  // of one way: then the sockets are its only one as soon as the other side is told
  };
  // `clock` outlives it.
  RailProbe(const Setup& setup, const Identity& identity, const Clock& clock, Deadline deadline);

  enum class State : uint8_t { probing, found, none };
  State advance();
  // Whether nothing of the plan is missing.
  bool has_all() const;
  // What was found, when the other side has been told.
  Gathered take();
  const std::vector<Way>& plan() const { return setup_.plan; }

 private:
  struct Attempt {
    Dialer dialer;
    Dialer::State state = Dialer::State::dialing;
  };

  Setup setup_;
  const Clock* clock_;
  std::vector<Attempt> attempts_;  // by rail
  Deadline patience_ = Deadline::none();  // since one has been found
};

// The side that accepts: what has come, from a rank, in the latest session.
class RailArrivals {
 public:
  bool empty() const { return arrivals_.empty(); }
  void add(const RailName& name, Descriptor socket);
  // Reads what the other side says. Not empty once it is known which sockets the link has, and they are there or late.
  std::optional<Gathered> advance(const Clock& clock);

 private:
  struct Arrival {
    RailName name;
    Descriptor socket;
    std::array<std::byte, kRailHeaderBytes> beginning{};
    size_t beginning_bytes = 0;

    // Whether frames are what comes next.
    bool complete() const { return name.count == 1 || name.incarnation > 0 || beginning_bytes == kRailHeaderBytes; }
  };
  // False if nothing will come of it.
  static bool read_beginning(Arrival& arrival);
  Gathered take(const RailHeader& beginning);

  std::vector<Arrival> arrivals_;  // at most one of each rail, of one session
  std::optional<RailHeader> beginning_;
  Deadline patience_ = Deadline::none();
};

// Connects lost rails again, as the side that connected them.
class Redialer {
 public:
  struct Setup {
    uint32_t rank = 0;
    uint8_t session = 0;
    std::vector<Way> plan;
  };
  // `clock` outlives it.
  Redialer(const Setup& setup, const Identity& identity, const Clock& clock);

  // Tries `missing` rails, now and then. What has been connected again is to be attached.
  std::vector<Gathered::Socket> advance(const RailSet& missing);

 private:
  struct Slot {
    uint8_t incarnation = 0;
    uint64_t pause_ns = 0;
    std::optional<Deadline> retry_at;
    std::optional<Dialer> dialer;
  };

  void begin(size_t rail);

  Setup setup_;
  Identity identity_;
  const Clock* clock_;
  std::array<Slot, kMaxRails> slots_;
};

}  // namespace tutti::transports::tcp
