// SPDX-License-Identifier: Apache-2.0
// Finds a link for every pair of neighbours (neighbours.hpp): transport by transport, best first, it connects the pairs that have none yet, and decides
// with the other ranks which pairs it reached. Only one side of a pair may know that it cannot connect, so ranks exchange what they know until every
// pair is decided. Pairs that are no neighbours will do as the first neighbours that are placed like them: on one host, or on two. Never blocks; the
// exchange is its caller's.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "comm/link_report.hpp"
#include "comm/measured_links.hpp"
#include "comm/neighbours.hpp"
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

  // What each rank's reach is about, ascending.
  const std::vector<uint32_t>& neighbours_of(uint32_t rank) const { return neighbours_[rank]; }
  // One direction of a pair, as its source described it; it reaches memory if the other direction does too. Of a pair that has not been connected, what is
  // expected.
  const topology::LinkSpec& link_spec(uint32_t source, uint32_t target) const { return known_or_alike(source, target).link; }
  // How this rank reaches the others, once all are connected. Before take_connections().
  LinkReport report() const;
  // Hands over the links, with the transports that are needed for them, and what opens the missing ones; the other transports are closed.
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

  // Null if they are no neighbours.
  const Pair* find(uint32_t source, uint32_t target) const;
  const Pair& known_or_alike(uint32_t source, uint32_t target) const;
  bool share_host(uint32_t a, uint32_t b) const { return (*introductions_)[a].host_id == (*introductions_)[b].host_id; }
  void find_examples();
  const std::vector<uint32_t>& own_neighbours() const { return neighbours_[setup_.rank]; }
  const Pair& own_pair(size_t index) const { return pairs_[setup_.rank][index]; }
  bool wants_link(size_t index) const { return own_pair(index).state == PairState::undecided; }
  std::span<const std::byte> address_of(uint32_t peer, const std::string& transport) const;
  bool is_connecting() const;
  // Of the transport being tried; null if nobody has measured it.
  const MeasuredLink* measured_link(uint32_t peer) const;
  std::unique_ptr<engine::LinkOpener> make_opener(std::set<size_t>* used) const;
  void begin_transport();
  void plan_next_exchange();
  void decide_pair(Pair& pair, const Reach::Peer& view, const Reach::Peer& other_view) const;
  bool has_pair_that_is(PairState state) const;
  Status unreached_pair() const;
  // Why a transport does not connect this rank with `peer`.
  std::string reason(const NamedTransport& named, uint32_t peer) const;

  Setup setup_;
  const std::vector<Introduction>* introductions_ = nullptr;
  std::vector<std::vector<uint32_t>> neighbours_;  // by rank
  std::vector<std::vector<Pair>> pairs_;           // by source, and index among its neighbours
  // What pairs that have not been connected are taken to be like: of one host, and of two.
  std::optional<Pair> example_inside_, example_between_;
  size_t current_ = 0;       // index of the transport being tried
  Deadline next_exchange_ = Deadline::none();
};

}  // namespace tutti::comm
