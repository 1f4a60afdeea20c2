// SPDX-License-Identifier: Apache-2.0
// What ranks tell each other while a communicator comes up, one record a round of the exchange. MessagePack on the wire.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "bootstrap/exchange.hpp"
#include "topology/discovery.hpp"
#include "topology/memory_speed.hpp"
#include "transport/transport.hpp"

namespace tutti::comm {

// How a rank is reached by one transport, and what it thinks of it.
struct TransportOffer {
  uint32_t preference = 0;  // at most kMostPreference
  std::vector<uint8_t> address;
};
inline constexpr uint32_t kMostPreference = 1'000;
using TransportOffers = std::map<std::string, TransportOffer>;  // by transport

// Round 1: who I am and where I can be reached.
struct Introduction {
  int64_t version = 0;
  uint32_t rank_count = 0;
  std::string name;
  std::string transports;
  std::string algorithms;
  std::string algorithm_files = {};  // what they hold
  std::string topology;
  uint64_t slice_bytes = 0;
  std::string host_id;
  std::vector<uint64_t> allowed_cores;
  topology::Place place;
  topology::MemorySpeed memory = {};
  TransportOffers offers;
};

// Rounds while a transport is tried: whom I reach with it, and how well.
struct Reach {
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    uint64_t latency_ns = 0;
    uint64_t bandwidth_bytes_per_s = 0;
    std::string source;
    bool reaches_memory = false;
    bool copies_out = false;
  };
  std::vector<Peer> peers;  // of the ranks it connects to, ascending
};

// Last round: what my planner will decide from.
struct Agreement {
  uint64_t planner_hash = 0;
};

bootstrap::Bytes encode(const Introduction& record);
// Round 2, of ranks on several hosts: transports that those of one host do without.
bootstrap::Bytes encode(const TransportOffers& record);
bootstrap::Bytes encode(const Reach& record);
bootstrap::Bytes encode(const Agreement& record);

// Errors: tuttiRemoteError naming the rank whose record makes no sense.
Result<Introduction> decode_introduction(const bootstrap::Bytes& bytes, uint32_t rank);
Result<TransportOffers> decode_offers(const bootstrap::Bytes& bytes, uint32_t rank);
Result<Reach> decode_reach(const bootstrap::Bytes& bytes, uint32_t rank, size_t peer_count);
Result<Agreement> decode_agreement(const bootstrap::Bytes& bytes, uint32_t rank);

}  // namespace tutti::comm
