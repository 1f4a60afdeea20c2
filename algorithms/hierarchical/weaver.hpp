// SPDX-License-Identifier: Apache-2.0
// One rank's lanes to and from the ranks that it meets, made when they are first needed, and one for each stage in which it reduces, so that no stage waits
// for all of the one before. Steps are added stage by stage and, within a stage, chunk by chunk, by all ranks alike: so what one lane sends comes in the
// order in which it is awaited, and a step waits only for steps of stages before. What goes by another channel to the same rank overtakes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/hierarchical/hierarchy.hpp"
#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::hierarchical {

// What a rank has of a chunk, and the steps that put it there.
struct Value {
  schedule::Span place;
  std::vector<schedule::WaitFor> written = {};
};

// How a value goes to a group: not to `but`.
struct Spread {
  std::optional<uint32_t> but = {};
  Gang gang = {};
  uint32_t channel = 0;
};

class Weaver {
 public:
  explicit Weaver(const schedule::Builder::Shape& shape) : rank_(shape.rank), builder_(shape), reducing_{{{0, 0}, builder_.add_lane()}} {}

  Weaver(const Weaver&) = delete;
  Weaver& operator=(const Weaver&) = delete;

  uint32_t rank() const { return rank_; }
  schedule::Builder& builder() { return builder_; }

  schedule::StepId send(uint32_t peer, uint32_t chunk, const Value& value, const Spread& how = {}) {
    return builder_.send(lane(to_, {peer, how.channel}), peer, {chunk}, value.place, {.waits = value.written, .gang = how.gang});
  }
  Value receive(uint32_t peer, uint32_t chunk, schedule::Span target, uint32_t channel = 0, std::vector<schedule::WaitFor> before_writing = {}) {
    return written(builder_.receive(lane(from_, {peer, channel}), peer, {chunk}, target, {.waits = std::move(before_writing)}), target);
  }
  // To all members but this rank and `but`. Returns the sends.
  std::vector<schedule::WaitFor> spread(const Group& group, uint32_t chunk, const Value& value, const Spread& how = {}) {
    std::vector<schedule::WaitFor> sent;
    for (const uint32_t member : in_turn(group)) {
      if (member != how.but) {
        sent.push_back({send(member, chunk, value, how), schedule::WaitMode::streaming});
      }
    }
    return sent;
  }
  // Reduces the own value and those of all other members, in the group's order, so that all who do it get the same bits.
  struct Reduction {
    schedule::Span target;
    uint32_t stage = 0;
    schedule::Final final = schedule::Final::no;
    std::vector<schedule::WaitFor> before_writing = {};
  };
  Value reduce(const Group& group, uint32_t chunk, const Value& own, const Reduction& reduction) {
    using namespace schedule;
    StepOptions options{.final = reduction.final, .waits = own.written};
    // What is reduced on arrival must not wait for what its peer receives likewise.
    if (group.members.size() == 2 && reduction.before_writing.empty()) {
      const bool own_first = group.members.front() == rank_;
      const uint32_t peer = own_first ? group.members.back() : group.members.front();
      options.operands = own_first ? Operands::local_first : Operands::received_first;
      const Builder::ReceiveReduce spans{.source = own.place, .target = reduction.target};
      return written(builder_.receive_reduce(lane(from_, {peer, 0}), peer, {chunk}, spans, std::move(options)), reduction.target);
    }
    options.waits.insert(options.waits.end(), reduction.before_writing.begin(), reduction.before_writing.end());
    std::map<uint32_t, Span> places = {{rank_, own.place}};
    std::vector<uint32_t> others = in_turn(group);
    std::reverse(others.begin(), others.end());
    for (const uint32_t member : others) {
      const Value received = receive(member, chunk, scratch(builder_.add_scratch(1)));
      places[member] = received.place;
      options.waits.push_back(received.written.front());
    }
    std::vector<Span> sources;
    for (const uint32_t member : group.members) {
      sources.push_back(places[member]);
    }
    return written(builder_.reduce(lane(reducing_, {reduction.stage, 0}), {chunk}, sources, reduction.target, std::move(options)), reduction.target);
  }

  schedule::Schedule build() && { return std::move(builder_).build(); }

 private:
  using Key = std::pair<uint32_t, uint32_t>;  // a peer or a stage, and a channel
  using Lanes = std::map<Key, schedule::LaneId>;

  static Value written(schedule::StepId step, schedule::Span place) {
    return {.place = place, .written = {{step, schedule::WaitMode::streaming}}};
  }
  // The other members, beginning with the one after this rank, so that not all crowd one of them first.
  std::vector<uint32_t> in_turn(const Group& group) const {
    std::vector<uint32_t> members = group.members;
    const auto own = std::find(members.begin(), members.end(), rank_);
    std::rotate(members.begin(), own, members.end());
    members.erase(members.begin());
    return members;
  }
  schedule::LaneId lane(Lanes& lanes, const Key& key) {
    const auto found = lanes.find(key);
    return found != lanes.end() ? found->second : lanes.emplace(key, builder_.add_lane(key.second)).first->second;
  }

  uint32_t rank_;
  schedule::Builder builder_;
  Lanes reducing_;  // by stage
  Lanes to_;        // by peer
  Lanes from_;      // by peer
};

}  // namespace tutti::algorithms::hierarchical
