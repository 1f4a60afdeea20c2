// SPDX-License-Identifier: Apache-2.0
// One of two real processes that share a link.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "base/clock.hpp"
#include "transports/shm/shm.hpp"

namespace tutti::transports::shm {

inline constexpr uint64_t kPatienceNs = 30'000'000'000;

// A transport of a world of two, on the real clock, that finds its peer over a socket pair.
class ProcessEnd {
 public:
  ProcessEnd(uint32_t rank, int exchange) : rank_(rank) {
    settings_.peer_memory = true;
    auto made = type().create({rank, 2, 5, secret_, "this host", monotonic_clock(), settings_});
    if (!made.has_value()) return;
    transport_ = std::move(*made);
    const std::vector<std::byte> own = transport_->address();
    std::vector<std::byte> theirs(own.size());
    if (::write(exchange, own.data(), own.size()) != static_cast<ssize_t>(own.size()) ||
        ::read(exchange, theirs.data(), theirs.size()) != static_cast<ssize_t>(theirs.size())) {
      return;
    }
    transport_->connect(1 - rank, theirs);
    until([&] { return transport_->state(1 - rank_) != transport::PeerState::connecting; });
  }

  transport::Link* link() { return transport_ == nullptr ? nullptr : transport_->link(1 - rank_); }
  // Polls until `condition` holds; false when patience ran out.
  template <typename Condition>
  bool until(Condition condition) {
    const Deadline deadline = Deadline::after_ns(monotonic_clock(), kPatienceNs);
    while (!condition()) {
      if (deadline.passed(monotonic_clock())) return false;
      transport_->poll();
      std::this_thread::yield();  // the other process may need this core
    }
    return true;
  }

 private:
  uint32_t rank_;
  transport::Secret secret_{};
  Settings settings_;
  std::unique_ptr<transport::Transport> transport_;
};

// Runs `body` in a child, which never returns from it.
template <typename Body>
pid_t in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    body();
    ::_exit(0);
  }
  return child;
}

}  // namespace tutti::transports::shm
