// SPDX-License-Identifier: Apache-2.0
// Finds a link for every pair of ranks: transport by transport, best first, it connects the pairs that have none yet, and decides with the other
// ranks which pairs it reached. Only one side of a pair may know that it cannot connect, so ranks exchange what they know until every pair is
// decided. Never blocks; the exchange is its caller's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "comm/link_report.hpp"
#include "comm/measured_links.hpp"
#include "comm/own_transports.hpp"
#include "comm/records.hpp"
#include "engine/executor.hpp"
#include "topology/topology.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

class Connector {
 public:
  struct Setup {
    uint32_t rank = 0;
    uint32_t rank_count = 1;
    std::vector<NamedTransport> transports;  // best first, the same names on all ranks
    const Clock* clock = nullptr;
    std::vector<LeftOut> left_out = {};  // for messages
    MeasuredLinks measured = {};  // takes the place of what transports estimate of ranks of the same host
  };
  explicit Connector(Setup setup);

  // Begins with the first transport. `introductions` outlives the connector.
  void begin(const std::vector<Introduction>& introductions);
  // Carries connections on. True when ranks should exchange their reach().
  bool poll();
  Reach reach() const;
  // What all ranks said, this one included. `all_connected`: every pair has a link. Errors: tuttiSystemError naming a pair that no transport
  // connects, and why.
  enum class Verdict : uint8_t { go_on, all_connected };
  Result<Verdict> decide(const std::vector<Reach>& reaches);

  // One direction of a connected pair, as its source described it; it reaches memory if the other direction does too.
  const topology::LinkSpec& link_spec(uint32_t source, uint32_t target) const { return pair(source, target).link; }
  // How this rank reaches the others, once all are connected. Before take_connections().
  LinkReport report() const;
  // Hands over the links, with the transports that are needed for them; the others are closed.
  engine::Executor::Connections take_connections();
  // For a timeout's message.
  std::string waiting_for() const;

 private:
  enum class PairState : uint8_t { undecided, unreached, connected };  // unreached: by the transports tried so far
  struct Pair {
    PairState state = PairState::undecided;
    size_t transport = 0;
    topology::LinkSpec link;
  };

  Pair& pair(uint32_t source, uint32_t target) { return pairs_[size_t{source} * setup_.rank_count + target]; }
  const Pair& pair(uint32_t source, uint32_t target) const { return pairs_[size_t{source} * setup_.rank_count + target]; }
  bool wants_link(uint32_t peer) const { return peer != setup_.rank && pair(setup_.rank, peer).state == PairState::undecided; }
  bool is_connecting() const;
  // Of the transport being tried; null if nobody has measured it.
  const MeasuredLink* measured_link(uint32_t peer) const;
  void begin_transport();
  void plan_next_exchange();
  void decide_pair(Pair& pair, const Reach::Peer& view, const Reach::Peer& other_view) const;
  bool has_pair_that_is(PairState state) const;
  Status unreached_pair() const;
  // Why a transport does not connect this rank with `peer`.
  std::string reason(const NamedTransport& named, uint32_t peer) const;

  Setup setup_;
  const std::vector<Introduction>* introductions_ = nullptr;
  std::vector<Pair> pairs_;  // by source and target
  size_t current_ = 0;       // index of the transport being tried
  Deadline next_exchange_ = Deadline::none();
};

}  // namespace tutti::comm
