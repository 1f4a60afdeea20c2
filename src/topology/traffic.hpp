// SPDX-License-Identifier: Apache-2.0
// Messages on the links of a fabric: which way and which protocol each takes, and how long. Prices and simulations both ask here.
//
// A message leaves its source at the rate that its flow gets (topology/flows.hpp), and is at its target latency_ns later: the protocol's step and the
// way's wires and switches. A protocol of less than full efficiency puts as many more bytes on the links.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "topology/fabric.hpp"
#include "topology/flows.hpp"

namespace tutti::topology {

// Which of several equally good ways a message takes.
enum class Spread : uint8_t {
  least_loaded,  // the one whose links have fewest flows for their capacity when the message begins: adaptive routing
  hashed,        // the same one for all messages of a pair: static hashing
};

inline constexpr uint32_t kAnyWay = UINT32_MAX;

// What `bytes` come to on the links.
uint64_t bytes_on_links(uint64_t bytes, const Protocol& protocol);
// For a message of `bytes` over links of which the slowest has `bytes_per_s`: by the time that it takes alone. `protocols` has at least one.
const Protocol& cheapest_protocol(std::span<const Protocol> protocols, uint64_t bytes, uint64_t bytes_per_s);

class Traffic {
 public:
  struct Options {
    Spread spread = Spread::least_loaded;
    uint64_t seed = 0;  // of Spread::hashed, and where the look for the least loaded begins
  };
  struct Message {
    uint32_t source = 0;
    uint32_t target = 0;
    uint64_t bytes = 0;
    uint64_t message_bytes = 0;  // of the whole, where a message goes in pieces: the protocol is chosen for that
    uint64_t bytes_before = 0;   // of the pieces before
    uint32_t way = kAnyWay;      // Begun::way of the pieces before: a message keeps to its way
  };
  struct Begun {
    FlowId flow = 0;  // ends when the last byte has left
    uint64_t latency_ns = 0;
    uint64_t link_bytes = 0;  // what the message's come to on the links
    uint32_t way = 0;
  };

  struct Pair {
    uint32_t source = 0;
    uint32_t target = 0;
  };
  // Messages that are one in the switches (base/gang.hpp), or frames of them.
  struct Together {
    std::span<const Pair> messages;
    uint64_t bytes = 0;   // of each
    uint32_t number = 0;  // of the gang: where there are several ways, it goes one of them
  };

  explicit Traffic(std::shared_ptr<const Fabric> fabric) : Traffic(std::move(fabric), Options{}) {}
  Traffic(std::shared_ptr<const Fabric> fabric, const Options& options);

  Begun begin(const Message& message, uint64_t now_ns, uint64_t tag);
  // The next piece of the message whose piece `flow` has brought (Flows::find_completed()), on the same way and as if it had been one with that.
  Begun go_on(FlowId flow, const Message& message);
  // One flow on all links that one of the messages would pass. What a target reduces with them, and what a source keeps of what is copied, comes through
  // the switch too. Nothing if the switches on the way cannot do it.
  std::optional<Begun> begin_together(const Together& together, uint64_t now_ns, uint64_t tag);
  // By which a message that begin() gave way `way` goes; the same for all with these options. Valid until the next call.
  const Route& route(uint32_t source, uint32_t target, uint32_t way) { return ways(source, target)[way]; }
  // Of a message without bytes on an idle fabric.
  uint64_t latency_ns(uint32_t source, uint32_t target);
  // What the collective takes to begin with, beside its messages: the largest base_ns of the protocols used since begin_collective(), and what each
  // level whose switches have reduced or copied takes for that.
  uint64_t base_ns() const;
  void begin_collective();

  const Fabric& fabric() const { return *fabric_; }
  const std::shared_ptr<const Fabric>& fabric_pointer() const { return fabric_; }
  Flows& flows() { return flows_; }
  const Flows& flows() const { return flows_; }

 private:
  // What messages that travel together come to.
  struct Union {
    size_t level = 0;  // the outermost that they pass
    bool reduces = false;
    bool copies = false;
    uint32_t efficiency_per_mille = 0;  // 0: the switches there cannot do it
  };
  Union union_of(std::span<const Pair> messages) const;
  // Those that are chosen from.
  const std::vector<Route>& ways(uint32_t source, uint32_t target);
  uint32_t least_loaded(const std::vector<Route>& ways) const;
  uint64_t load_of(const Route& route) const;
  const Protocol& cheapest(const Message& message, const Route& route) const;
  // All but the flow.
  Begun on_way(const Message& message, uint32_t way, const Route& route);

  std::shared_ptr<const Fabric> fabric_;
  Options options_;
  Flows flows_;
  uint64_t base_ns_ = 0;
  std::vector<bool> levels_together_;  // whose switches have reduced or copied
  // By source and target, of pairs that have been asked for: most messages go where others have gone.
  std::unordered_map<uint64_t, std::vector<Route>> known_;
  size_t known_links_ = 0;
};

}  // namespace tutti::topology
