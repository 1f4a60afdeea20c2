// SPDX-License-Identifier: Apache-2.0
// How a communicator comes up, as a state machine that never blocks: introductions; then, transport by transport, best first, connecting the pairs
// that have no link yet, and agreeing on which pairs it reached; then agreeing that all planners will decide alike. Only one side of a pair may
// know that it cannot connect, so ranks exchange what they know until every pair is decided.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/exchange.hpp"
#include "comm/config.hpp"
#include "comm/records.hpp"
#include "engine/executor.hpp"
#include "planner/planner.hpp"

namespace tutti::comm {

class Initialisation {
 public:
  // A transport by name, ready to give its address.
  struct NamedTransport {
    std::string name;
    std::unique_ptr<transport::Transport> transport;
  };
  struct Setup {
    Config config;
    std::unique_ptr<bootstrap::Exchange> exchange;
    const Clock* clock = nullptr;
    engine::Engine* engine = nullptr;       // null in simulation
    std::vector<NamedTransport> transports;  // best first; empty: made from the registry as the configuration says
  };
  // What comes out of it.
  struct Parts {
    std::shared_ptr<engine::Executor> executor;
    std::unique_ptr<planner::Planner> planner;
  };

  explicit Initialisation(Setup setup);
  ~Initialisation();

  // Carries on; true once take() may be called. A failure is final, and has been told to the other ranks as far as possible.
  Result<bool> poll();
  Parts take();

 private:
  enum class Stage : uint8_t { begin, introducing, connecting, agreeing_on_reach, agreeing_on_plans, done };

  Result<bool> step();
  Status begin();
  Status make_transports();
  Status take_introductions(const std::vector<bootstrap::Bytes>& records);
  Status check_introduction(uint32_t rank) const;
  void begin_connecting();
  void go_on_connecting();
  bool wants_link(uint32_t peer) const;
  bool is_connecting() const;
  Status announce_reach();
  Status take_reach(const std::vector<bootstrap::Bytes>& records);
  struct Pair {
    uint32_t a;
    uint32_t b;
  };
  // One direction of a pair; false while it is not known whether the transport reaches.
  bool decide(const Pair& pair, const Reach::Peer& view, transport::PeerState other_view);
  Status after_transport();
  Status unreachable_peers() const;
  Status begin_agreement();
  Status take_agreements(const std::vector<bootstrap::Bytes>& records);
  topology::Topology make_topology() const;
  engine::Crowding crowding() const;
  void build_executor();
  Status timed_out() const;

  uint32_t rank() const { return setup_.exchange->rank(); }
  uint32_t rank_count() const { return setup_.exchange->rank_count(); }

  // What transports refer to for as long as they live; the executor keeps it for them.
  struct Foundation {
    Settings settings;
    transport::Secret secret;
  };

  std::shared_ptr<Foundation> foundation_ = std::make_shared<Foundation>();
  Setup setup_;
  Deadline deadline_ = Deadline::none();
  Stage stage_ = Stage::begin;
  std::vector<Introduction> introductions_;
  size_t current_ = 0;  // index of the transport being tried
  Deadline next_announcement_ = Deadline::none();
  // By rank a * rank_count + rank b: which transport the pair uses, and the link specification of a -> b.
  static constexpr int kUndecided = -1;    // so far; always for a rank and itself
  static constexpr int kNoTransport = -2;  // those tried so far do not reach
  std::vector<int> pair_transport_;
  std::vector<topology::LinkSpec> pair_links_;
  planner::Overrides overrides_;
  Parts parts_;
};

}  // namespace tutti::comm
