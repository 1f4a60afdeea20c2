// SPDX-License-Identifier: Apache-2.0
// The service behind an id: gathers the contributions of all ranks, round by round, and hands them to all. A state machine that one thread
// drives by turn(); service_thread.hpp gives it a thread.
//
// A connection is a *guest* until it has proven that it knows the secret, and then a *member*: the connection of one rank. Guests are
// bounded in number and time, and nothing they send is parsed beyond the fixed form of the handshake.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/descriptor.hpp"
#include "bootstrap/connection.hpp"

namespace tutti::bootstrap {

// What both ends prove to know, and say of their purpose.
inline constexpr uint64_t kHandshakePurpose = 0x5455'5454'4942'4f4f;
inline constexpr uint32_t kServiceRank = UINT32_MAX;
Key handshake_key(const Key& secret);

inline constexpr uint64_t kHandshakeLimitNs = 5'000'000'000;
inline constexpr size_t kMaxGuests = 256;

class Service {
 public:
  struct Options {
    std::vector<Descriptor> listeners;  // non-blocking
    Key secret{};
    uint64_t timeout_ms = 0;  // ends when nothing has progressed for so long; 0: never
  };
  // `clock` outlives it.
  Service(Options options, const Clock& clock);

  // Waits until a socket, `wake_up` (a descriptor, -1 for none) or a deadline wants attention, but no longer than `longest_wait_ms`, and then
  // attends to everything that can go on.
  void turn(int wake_up, int longest_wait_ms);
  // Nothing is left to do: all ranks have left, or the job has failed and all who could be told have been, or it timed out.
  bool finished() const;
  // Whether something said to a rank has not been written yet.
  bool has_output() const;

  size_t guest_count() const { return guests_.size(); }
  const Status& job_failure() const { return failure_; }

 private:
  struct Guest {
    Connection connection;
    uint64_t arrived_ns;
  };
  struct Member {
    Connection connection;
    std::optional<Bytes> contribution;  // to the running round
    enum class Presence : uint8_t { joined, left } presence = Presence::joined;
  };

  void wait_and_carry_connections(int wake_up, int longest_wait_ms);
  int wait_limit_ms(int longest_wait_ms) const;
  bool accepts_guests() const;
  uint64_t next_deadline_ns() const;
  void accept_guests();
  void attend_guests();
  void attend_members();
  void attend_refused();
  void admit(Connection connection);
  void refuse(Connection connection, const Status& why);
  void handle(uint32_t rank, Member& member, const Frame& frame);
  void handle_contribution(uint32_t rank, Member& member, const Frame& frame);
  void handle_end(uint32_t rank, Member& member);
  void check_for_absentees();
  void complete_round_if_possible();
  void tell_who_is_missing();
  void check_timeout();
  void fail(Status why);
  void progressed() { last_progress_ns_ = clock_.now_ns(); }
  MissingRanks missing_ranks() const;

  const Clock& clock_;
  std::vector<Descriptor> listeners_;
  Key handshake_key_;
  uint64_t timeout_ns_;  // UINT64_MAX: none
  std::list<Guest> guests_;    // oldest first
  std::list<Guest> refused_;   // told why, until they close
  std::map<uint32_t, Member> members_;
  uint32_t rank_count_ = 0;    // as the first member said; 0: none yet
  uint32_t first_rank_ = 0;    // who said so
  uint64_t round_ = 0;
  size_t contributed_count_ = 0;
  size_t contributed_bytes_ = 0;
  uint64_t next_report_ns_ = UINT64_MAX;
  uint64_t last_progress_ns_;
  Status failure_;
  uint64_t linger_until_ns_ = UINT64_MAX;  // after a failure
  uint64_t accept_again_ns_ = 0;           // after a failed accept
};

}  // namespace tutti::bootstrap
