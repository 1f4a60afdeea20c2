// SPDX-License-Identifier: Apache-2.0
// How fast the sockets of a link are while they have all they can do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tutti::transports::tcp {

// What the kernel tells of all sockets of a link, added up.
struct SocketLoad {
  size_t socket_count = 0;
  uint64_t acknowledged_bytes = 0;  // since they were connected
  uint64_t waiting_bytes = 0;       // that were given to them and have not been acknowledged

  SocketLoad& operator+=(const SocketLoad& other) {
    socket_count += other.socket_count;
    acknowledged_bytes += other.acknowledged_bytes;
    waiting_bytes += other.waiting_bytes;
    return *this;
  }
};
// Nothing of a socket of which the kernel does not tell.
SocketLoad load_of(int socket);

class FullRate {
 public:
  // What the sockets have to do now. Of a stretch between two of these that follow closely it counts how fast it went, if much was waiting at both
  // ends. Not empty, in bytes per second, once such stretches make so much time that the rate means something.
  std::optional<uint64_t> note(uint64_t now_ns, const SocketLoad& load);
  // They have little to do: no stretch begins here.
  void pause() { last_ = {}; }
  // Forgets what has been counted: it does not belong to what follows.
  void begin_anew() { *this = FullRate(); }

 private:
  SocketLoad last_;
  uint64_t last_ns_ = 0;
  uint64_t counted_ns_ = 0;
  uint64_t counted_bytes_ = 0;
};

}  // namespace tutti::transports::tcp
