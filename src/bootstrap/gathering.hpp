// SPDX-License-Identifier: Apache-2.0
// A rank's side of the bootstrap: meeting others, and all-gathers among all in ceil(log2 n) steps. A state machine without input and output, which
// socket_exchange.hpp and simulations give it; the contributions themselves are their owner's too.
//
// Each rank has a *line* to its successors, the ranks 1, 2, 4, ... after it in the circle of all ranks, and is on the lines of its predecessors. A
// root says where the first successor is; the rank at the end of line k says where the one at the end of line k + 1 is, who is its own successor
// k. In step k of a round a rank sends the blocks it has, those of the 2^k ranks from itself on, to predecessor k, and gets the next 2^k from
// successor k (Bruck et al., Efficient algorithms for all-to-all communications in multiport message-passing systems, 1997).
//
// Failures flood the lines: whoever learns of one says so on all of its own. Ranks that wait tell their predecessors for whom, so that everybody
// names those who are missing, not those who miss them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

struct Place {
  uint32_t rank = 0;
  uint32_t rank_count = 1;
};

// Lines 0 .. line_count - 1 lead to successors.
uint32_t line_count(uint32_t rank_count);

// The roots a rank registers at: the one that introduces it, and for the first rank of a share the one of the rank before it.
std::vector<uint32_t> roots_of(const Place& place, uint32_t root_count);

struct Line {
  // root: index 0 introduces this rank, 1 is the root of the rank before it, if that is another one.
  enum class Kind : uint8_t { root, successor, predecessor };
  Kind kind = Kind::root;
  uint32_t index = 0;

  bool operator==(const Line&) const = default;
};

class Gathering {
 public:
  class Wires {
   public:
    virtual ~Wires() = default;
    // Connects to successor `step`; up() follows.
    virtual void open(uint32_t step, const SocketAddress& address) = 0;
    // Over a line that is up. `frame` as encode_frame made it.
    virtual void send(const Line& line, const std::shared_ptr<const Bytes>& frame) = 0;
    // Sends the first `count` blocks, of the ranks from this one on, to predecessor `step`.
    virtual void send_blocks(uint32_t step, uint32_t count) = 0;
    // The blocks that arrived from successor `step` for the running round are the next ones.
    virtual void keep_blocks(uint32_t step) = 0;
  };
  // Wires and clock outlive it.
  Gathering(Place place, uint32_t root_count, Wires& wires, const Clock& clock);

  Status begin_round();
  // Whether the running round has all blocks, and has sent what others need of it; then end_round().
  bool has_all() const;
  void end_round();

  // ---- What happens ----
  void up(const Line& line);
  // A line is gone that was up. `why` in words.
  void down(const Line& line, std::string_view why);
  // Any frame but blocks.
  void receive(const Line& line, const Frame& frame);
  // Whether blocks of round `number` may come from successor `step` now; then they have.
  bool take_blocks(uint32_t step, uint64_t number);
  void tick();
  void fail(Status why);
  void abandon(const Status& why);
  // Says goodbye: this rank has all it wants.
  void leave();

  const Status& failure() const { return failure_; }
  uint64_t round() const { return round_; }
  bool is_running() const { return running_; }
  bool is_introduced() const { return introduced_; }
  // Whether this rank needs its roots no more.
  bool has_met() const { return round_ > 0; }
  // How many blocks successor `step` sends.
  uint32_t block_count(uint32_t step) const;
  uint32_t successor(uint32_t step) const { return static_cast<uint32_t>((uint64_t{place_.rank} + (uint64_t{1} << step)) % place_.rank_count); }
  uint32_t predecessor(uint32_t step) const {
    return static_cast<uint32_t>((uint64_t{place_.rank} + place_.rank_count - (uint64_t{1} << step)) % place_.rank_count);
  }
  std::string waiting_for() const;

 private:
  enum class Presence : uint8_t { absent, up, left };
  struct Pair {
    Presence successor = Presence::absent;
    Presence predecessor = Presence::absent;
    std::optional<SocketAddress> address;      // of the successor
    bool told = false;                         // the predecessor where its next successor is
    bool arrived = false;                      // blocks for the running, or the next, round
    bool next_arrived = false;                 // blocks for the one after
    std::optional<MissingRanks> missing = {};  // for whom the successor waits
  };

  Presence& presence(const Line& line);
  std::string name_of(const Line& line) const;
  void advance();
  void learn_address(uint32_t step, const Frame& frame);
  void check_for_absentees();
  // To predecessors from `first_step` on.
  void report(uint32_t first_step);
  MissingRanks awaited(uint32_t line_limit) const;
  void send_all(FrameType type, const Bytes& payload, const Line* except = nullptr);
  void fail_from(const Line& line, Status why);

  const Place place_;
  Wires& wires_;
  const Clock& clock_;
  std::vector<Pair> lines_;
  std::vector<Presence> roots_;
  bool introduced_ = false;
  uint32_t known_count_ = 0;  // successors whose address is known
  std::optional<MissingRanks> missing_at_root_;

  bool running_ = false;
  uint64_t round_ = 0;   // the running one, or the next
  uint32_t sent_ = 0;    // steps of the round whose blocks have been sent
  uint32_t kept_ = 0;    // steps of the round whose blocks have been kept
  uint64_t next_report_ns_ = UINT64_MAX;
  Status failure_;
};

}  // namespace tutti::bootstrap
