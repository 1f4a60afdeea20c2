// SPDX-License-Identifier: Apache-2.0
// The sockets one thread looks after, and a wait for any of them.
#pragma once

#include <poll.h>

#include <vector>

#include "bootstrap/connection.hpp"

namespace tutti::bootstrap {

class PollSet {
 public:
  void clear() {
    descriptors_.clear();
    connections_.clear();
  }
  // -1 is none.
  void add(int descriptor) { push(descriptor, POLLIN, nullptr); }
  // Nothing if it has closed.
  void add(Connection& connection) {
    if (connection.state() != Connection::State::closed) {
      push(connection.socket().get(), connection.has_output() ? POLLIN | POLLOUT : POLLIN, &connection);
    }
  }
  // Waits until something is ready, but no longer than `longest_ms`, and turns the connections that are.
  void wait(int longest_ms) {
    if (::poll(descriptors_.data(), descriptors_.size(), longest_ms) <= 0) {
      return;
    }
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (connections_[i] != nullptr && descriptors_[i].revents != 0) {
        connections_[i]->turn();
      }
    }
  }

 private:
  void push(int descriptor, int events, Connection* connection) {
    descriptors_.push_back({.fd = descriptor, .events = static_cast<short>(events), .revents = 0});
    connections_.push_back(connection);
  }

  std::vector<pollfd> descriptors_;
  std::vector<Connection*> connections_;  // by descriptor; null: no connection's
};

}  // namespace tutti::bootstrap
