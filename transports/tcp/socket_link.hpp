// SPDX-License-Identifier: Apache-2.0
// What the transport asks of its links beside what everybody does.
#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/interfaces.hpp"
#include "base/settings.hpp"
#include "transport/transport.hpp"
#include "transports/tcp/full_rate.hpp"

namespace tutti::transports::tcp {

enum class Distance : uint8_t { same_host, other_host };

class SocketLink : public transport::Link {
 public:
  // Continues unfinished sends. Returns the number of bytes written.
  virtual size_t flush() = 0;
  // Called now and then when a socket has something to tell: reads unless peek() has been doing so since the last call. Returns the number of
  // bytes read.
  virtual size_t look() = 0;
  // Called every few milliseconds: what takes its time, or waits for what never comes.
  virtual void tend() {}
  // Those that it has now.
  virtual std::vector<int> sockets() const = 0;
  // What these have to do.
  virtual SocketLoad load() const = 0;
};

// Options that make a link better but that it also works without.
void tune(int socket, const Settings& settings, Distance distance);
// The addresses of a connected socket; empty if it has none.
std::optional<SocketAddress> own_end(int socket);
std::optional<SocketAddress> peer_end(int socket);
// "127.0.0.1:4711 -> 127.0.0.1:4712"
std::string describe_ends(int socket);
// Ends a connection in order, so that what has been sent still arrives: closing a socket with unread bytes in it would reset the connection.
void shut_down(int socket);
// The frames that TUTTI_SLICE_BYTES asks for, which can be 0, of those that there may be.
size_t choose_frame_bytes(uint64_t slice_bytes, size_t max_bytes);

}  // namespace tutti::transports::tcp
