// SPDX-License-Identifier: Apache-2.0
// The machine as the planner sees it: which rank reaches which, and how well. Equal on every rank of a communicator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "topology/fabric.hpp"
#include "topology/memory_speed.hpp"

namespace tutti::topology {

// A link from one rank to another, one direction.
struct LinkSpec {
  uint64_t latency_ns = 0;             // software and wire, a small message
  uint64_t bandwidth_bytes_per_s = 1;  // effective, large messages; 0 is taken as 1
  std::string source;                  // where the two figures come from
  bool reaches_memory = false;         // the ranks can read each other's memory
  bool copies_out = false;             // a receiver copies what arrives before it can reduce it

  bool operator==(const LinkSpec&) const = default;
};

// What the messages that leave a host for other hosts share, each direction by itself. Messages that use one adapter take turns.
enum class Adapters : uint8_t {
  per_link,  // nothing: a machine whose ranks are joined by a wire for each pair
  per_rank,  // each rank has an adapter of its own
  per_host,  // the ranks of a host share one: hosts with one network card
};

// Where messages may pass on a machine whose chips are wired to each other.
enum class Messages : uint8_t {
  routed,    // between all pairs: chips on the way forward them
  adjacent,  // between chips that a link, or switches alone, join
};

// One way in which hosts are divided inside, such as into packages: a partition of the ranks into domains.
struct Level {
  std::string name;               // of one domain: "package"
  std::vector<uint32_t> domains;  // by rank
  // What a message between two domains takes longer than its link says.
  uint64_t crossing_ns = 0;
  // What all messages and memory accesses that leave a domain share, and all that enter it; 0: as much as the links carry.
  uint64_t crossing_bytes_per_s = 0;
  std::string source = {};  // where the two figures come from
};

// Building one is not thread-safe; reading one is.
class Topology {
 public:
  // All pairs alike, each rank on a host of its own.
  static Topology uniform(uint32_t rank_count, const LinkSpec& link);

  // A rank for each chip of a fabric. The units of its outermost level, or the largest parts of that, are hosts, and those of the levels below divide
  // them, so that algorithms see who is near whom. Of a single mesh the blocks that a plane joins are.
  static Topology of(const std::shared_ptr<const Fabric>& fabric);

  // Every link is LinkSpec{}, and each rank is on a host of its own: its host number is its rank.
  explicit Topology(uint32_t rank_count);

  uint32_t rank_count() const { return rank_count_; }
  // Both directions of a pair. What a rank's link to itself is does not matter to anything.
  void set_link(uint32_t a, uint32_t b, const LinkSpec& link);
  const LinkSpec& link(uint32_t source, uint32_t target) const { return specs_[spec_index(source, target)]; }

  // Ranks with the same host number share memory and its bandwidth.
  void set_host(uint32_t rank, uint32_t host);
  uint32_t host(uint32_t rank) const { return hosts_[rank]; }
  uint32_t host_count() const;
  // Ranks whose host number is `host`.
  uint32_t ranks_on_host(uint32_t host) const;

  // Divides the domains of the innermost level so far, of hosts if there is none: ranks that differ there, or are on different hosts, share none of
  // the new domains either. Numbers domains anew, in the order of their first ranks. Hosts have been set.
  void add_level(Level level);
  // Outermost first.
  const std::vector<Level>& levels() const { return levels_; }
  // The level between whose domains a message of two ranks of one host passes, the outermost if there are several; null: they share all domains.
  const Level* crossed(uint32_t source, uint32_t target) const;

  // The links between the ranks, rank r being chip r: messages are then priced, and simulated, by what they share of them (topology/traffic.hpp), and
  // hosts, levels and the links of pairs do not matter. The fabric has a chip for each rank. Null: there is none.
  void set_fabric(std::shared_ptr<const Fabric> fabric);
  const std::shared_ptr<const Fabric>& fabric() const { return fabric_; }
  // Whether a message may pass from one rank to another: always, unless there is a fabric and `messages` says otherwise.
  bool carries(uint32_t source, uint32_t target) const;

  // What one core reduces, bytes of output per second, while two inputs and the output stay in its caches: a core of a Sapphire Rapids.
  uint64_t reduce_bytes_per_s = 15'000'000'000;
  // What a core reads by the kernel of another process's memory, while it lies in caches of single cores.
  uint64_t fetch_bytes_per_s = MemorySpeed::kReferenceFetchBytes_per_s;
  // Cores a host's ranks share; 0 unknown. When ranks outnumber them, work of ranks on one host adds up.
  uint32_t cores_per_host = 0;
  Adapters adapters = Adapters::per_host;
  Messages messages = Messages::routed;

  // Of which ranks are where: two topologies with the same number have the same hosts and levels. For whoever remembers what follows from them.
  uint64_t placement() const { return placement_; }

  // Covers every figure that can decide a plan, and nothing else: neither sources nor the order in which links were set.
  uint64_t hash() const;
  // Hosts with their ranks, levels with their domains, then the different links with the pairs that have them; several lines.
  std::string to_string() const;
  // "package: 0-3 | 4-7, between them 125 ns more and 22.00 GB/s for all (source)"
  static std::string to_string(const Level& level);

 private:
  uint32_t spec_index(uint32_t source, uint32_t target) const {
    return link_specs_.empty() ? 0 : link_specs_[size_t{source} * rank_count_ + target];
  }
  uint32_t find_or_add(const LinkSpec& link);

  uint32_t rank_count_;
  uint64_t placement_;
  std::vector<LinkSpec> specs_;       // the different ones
  std::vector<uint32_t> link_specs_;  // rank_count^2 indices into specs_; empty while all links are specs_[0]
  std::vector<uint32_t> hosts_;
  std::vector<Level> levels_;
  std::shared_ptr<const Fabric> fabric_;
};

}  // namespace tutti::topology
