// SPDX-License-Identifier: Apache-2.0
// The service behind an id: a registrar with sockets. One thread drives it by turn(); service_thread.hpp gives it a thread.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "bootstrap/connection.hpp"
#include "bootstrap/door.hpp"
#include "bootstrap/poll_set.hpp"
#include "bootstrap/registrar.hpp"

namespace tutti::bootstrap {

// What both ends of a connection between a rank and a root prove to know, and say of their purpose; and of one between two ranks.
inline constexpr uint64_t kRootPurpose = 0x5455'5454'4942'4f4f;
inline constexpr uint64_t kLinePurpose = 0x5455'5454'494c'494e;
inline constexpr uint32_t kRootRank = UINT32_MAX;
Key handshake_key(const Key& secret);

class Service final : private Registrar::Voice {
 public:
  struct Options {
    std::vector<Descriptor> listeners;  // non-blocking
    Key secret{};
    uint64_t timeout_ms = 0;  // ends when nothing has progressed for so long; 0: never
  };
  // `clock` outlives it.
  Service(Options options, const Clock& clock);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Waits until a socket, `wake_up` (a descriptor, -1 for none) or a deadline wants attention, but no longer than `longest_wait_ms`, and then
  // attends to everything that can go on.
  void turn(int wake_up, int longest_wait_ms);
  // Nothing is left to do: all ranks have left, or the job has failed and all who could be told have been, or it timed out.
  bool finished() const;
  // Whether something said to a rank has not been written yet.
  bool has_output() const;

  size_t guest_count() const { return door_.guest_count(); }
  const Status& job_failure() const { return registrar_.failure(); }

 private:
  struct Refused {
    Connection connection;
    uint64_t since_ns;
  };

  void tell(uint32_t rank, const std::shared_ptr<const Bytes>& frame) override;
  int wait_limit_ms(int longest_wait_ms) const;
  void admit(Connection connection);
  void refuse(Connection connection, const Status& why);
  void attend_members();
  void attend_refused();

  const Clock& clock_;
  Registrar registrar_;
  Door door_;
  PollSet set_;
  std::map<uint32_t, Connection> members_;  // kept when they have closed
  std::list<Refused> refused_;              // told why, until they close; oldest first
};

}  // namespace tutti::bootstrap
