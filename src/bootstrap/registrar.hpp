// SPDX-License-Identifier: Apache-2.0
// What a root says to ranks: when all of its share have registered, it tells each where the next rank is, and from then on they need it only
// until they have met. A state machine without input and output, which service.hpp and simulations give it.
//
// Of several roots each serves a share of the ranks, and the first rank after it, whose address the last one needs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

class Registrar {
 public:
  class Voice {
   public:
    virtual ~Voice() = default;
    // `frame` as encode_frame made it, to a member.
    virtual void tell(uint32_t rank, const std::shared_ptr<const Bytes>& frame) = 0;
  };
  // 0 for `timeout_ms`: waits for ever. Clock and voice outlive it.
  Registrar(uint64_t timeout_ms, const Clock& clock, Voice& voice);

  // Somebody has proven himself. ok(): he is a member now; otherwise what he is to be told.
  Status admit(const Handshake::Claim& claim);
  void receive(uint32_t rank, const Frame& frame);
  // The connection of a member is gone.
  void ended(uint32_t rank, std::string_view why);
  // Reports, and looks at the time.
  void tick();

  uint64_t next_deadline_ns() const;
  bool all_came() const { return share_.count != 0 && members_.size() == expected_count(); }
  // Who has come too late, or not at all, is not waited for.
  bool is_over() const { return clock_.now_ns() >= linger_until_ns_; }
  const Status& failure() const { return failure_; }

 private:
  struct Member {
    std::optional<SocketAddress> address;  // once registered
    bool left = false;
  };

  void take_registration(uint32_t rank, const Frame& frame);
  void introduce();
  void check_for_absentees();
  void fail(Status why);
  void tell_all(FrameType type, const Bytes& payload);
  // The rank after the share's last one, which registers too.
  uint32_t rank_after(uint32_t rank) const { return rank + 1 == rank_count_ ? 0 : rank + 1; }
  bool is_expected(uint32_t rank) const;
  size_t expected_count() const { return share_.count + (share_.count < rank_count_ ? 1 : 0); }
  MissingRanks missing_ranks() const;
  void progressed() { last_progress_ns_ = clock_.now_ns(); }

  const Clock& clock_;
  Voice& voice_;
  const uint64_t timeout_ns_;  // UINT64_MAX: none
  std::map<uint32_t, Member> members_;
  uint32_t rank_count_ = 0;  // as the first member said; 0: none yet
  uint32_t first_rank_ = 0;  // who said so
  Share share_;              // as the first registration said; empty: none yet
  uint32_t registered_count_ = 0;
  bool introduced_ = false;
  uint64_t next_report_ns_ = UINT64_MAX;
  uint64_t last_progress_ns_;
  Status failure_;
  uint64_t linger_until_ns_ = UINT64_MAX;  // after a failure
};

}  // namespace tutti::bootstrap
