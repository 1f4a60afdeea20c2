// SPDX-License-Identifier: Apache-2.0
// What all closed forms are made with: the problem on a fabric, waves that stand for its messages, and the play of messages that are few enough.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/cost.hpp"
#include "cost/fabric_player.hpp"
#include "cost/message_graph.hpp"
#include "cost/stages.hpp"
#include "cost/wave.hpp"
#include "schedule/problem.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// All pairs of so many ranks are looked at one by one, and of more some that stand for all.
inline constexpr uint32_t kMostRanksInPairs = 192;

// Of one price. Not thread-safe.
class Form {
 public:
  // The topology has a fabric. Messages are played if there are no more than `most_played`.
  struct Options {
    uint64_t most_played = 0;
  };
  Form(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload, const Options& options);
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;

  const schedule::Problem& problem() const { return problem_; }
  const topology::Topology& topology() const { return topology_; }
  const topology::Fabric& fabric() const { return *topology_.fabric(); }
  const Workload& workload() const { return workload_; }
  uint32_t ranks() const { return problem_.rank_count; }
  // Of the vector, or of a block.
  uint64_t bytes() const { return bytes_; }
  uint64_t slice_bytes() const { return workload_.slice_bytes; }
  // Of `count` equal ones of the vector.
  uint64_t part(uint64_t count) const { return bytes_ / count + (bytes_ % count != 0 ? 1 : 0); }
  uint32_t ahead(uint32_t rank, uint32_t distance) const { return static_cast<uint32_t>((uint64_t{rank} + distance) % ranks()); }
  uint32_t behind(uint32_t rank, uint32_t distance) const { return ahead(rank, ranks() - distance); }

  Wave make_wave(uint64_t bytes) const { return Wave(fabric(), bytes); }
  // All ranks to the one so far ahead.
  Wave shift(uint32_t distance, uint64_t bytes) const;
  // Distances 1 to ranks-1, or as many of them as there is time for, evenly spread and in no step with the sizes of units.
  std::vector<uint32_t> distances() const;
  // Likewise `count` of them, or all.
  std::vector<uint32_t> distances(uint64_t count) const;
  // But for those with `without`.
  Wave all_pairs(uint64_t bytes, std::optional<uint32_t> without = {}) const;
  Wave from_root(uint32_t root, uint64_t bytes) const;
  Wave to_root(uint32_t root, uint64_t bytes) const;

  // What goes that the price is made of: a wave so many times.
  void note(const Wave& wave, uint64_t times = 1);
  void note(const Stages& stages);
  // What a wave takes from its beginning to its end; notes it.
  uint64_t whole(const Wave& wave);

  uint64_t most_played() const { return options_.most_played; }
  bool may_play(uint64_t message_count) const { return message_count <= options_.most_played; }
  // Until the last message is there, and notes what went, but where messages stand for more than themselves. Nothing if that never comes.
  enum class Notes : uint8_t { no, yes };
  std::optional<uint64_t> play(const MessageGraph& messages, Notes notes = Notes::yes);
  std::optional<uint64_t> play(std::span<const schedule::Schedule> schedules);

  // What protocols take to begin, of all that has been noted.
  uint64_t base_ns() const { return base_ns_; }
  // Before anything is noted: has it remember what links carry.
  void remember_loads() { carried_bytes_.assign(fabric().link_count(), 0); }
  const std::vector<uint64_t>& carried_bytes() const { return carried_bytes_; }

 private:
  std::optional<uint64_t> play(FabricPlayer& player, Notes notes);

  const schedule::Problem& problem_;
  const topology::Topology& topology_;
  const Workload workload_;
  const Options options_;
  const uint64_t bytes_;
  uint64_t base_ns_ = 0;
  std::vector<uint64_t> carried_bytes_;  // by link; empty: not asked for
};

}  // namespace tutti::cost
