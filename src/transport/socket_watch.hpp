// SPDX-License-Identifier: Apache-2.0
// Which of a transport's sockets have something to tell: those on which it is connected to, and those of its peers.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/descriptor.hpp"
#include "base/status.hpp"
#include "transport/acceptor.hpp"

namespace tutti::transport {

class SocketWatch {
 public:
  // Of the sockets of `acceptor`. Errors: tuttiSystemError.
  static Result<SocketWatch> open(const Acceptor& acceptor);

  // Beside these one of `rank`, until it is closed or removed. Errors: tuttiSystemError.
  Status add(int socket, uint32_t rank) { return add_token(socket, rank); }
  // A dead socket, which would be told of at every look.
  void remove(int socket) { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr); }

  // Calls `tell` with the ranks of sockets that can be read or have ended, a bounded number at a time. Returns whether somebody connects.
  template <typename Tell>
  bool look(const Tell& tell) const {
    std::array<epoll_event, kMaxEventsPerLook> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), kMaxEventsPerLook, 0);
    bool somebody_connects = false;
    for (int index = 0; index < count; ++index) {
      const uint64_t token = events[static_cast<size_t>(index)].data.u64;
      if (token == kListenerToken) {
        somebody_connects = true;
      } else {
        tell(static_cast<uint32_t>(token));
      }
    }
    return somebody_connects;
  }

 private:
  static constexpr int kMaxEventsPerLook = 64;
  static constexpr uint64_t kListenerToken = UINT64_MAX;

  Status add_token(int socket, uint64_t token);

  Descriptor epoll_;
};

}  // namespace tutti::transport
