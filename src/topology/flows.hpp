// SPDX-License-Identifier: Apache-2.0
// Flows of bytes over links that they share, in virtual time. Rates are max-min fair: no flow's can grow without taking from one that is no faster
// (Bertsekas and Gallager, Data Networks, 6.5.2). Each flow then has a bottleneck: a link of its way that is full, and on which none is faster.
//
// All arithmetic is on integers, rates in bytes per second: the same calls in the same order give the same times, and flows that are alike end
// together. A link of capacity C and n flows leaves up to n - 1 bytes per second unused.
//
// What happens at one instant re-rates once, when the next completion is asked for, and only those flows whose bottleneck may have changed. With a
// tolerance a flow keeps its rate while that is within the tolerance of being fair: changes then do not ripple through a large network.
//
// Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tutti::topology {

using FlowId = uint32_t;
using FlowLink = uint32_t;

inline constexpr uint64_t kNoCompletion = UINT64_MAX;

class Flows {
 public:
  // Bytes per second of each link; 0 counts as 1. `tolerance_per_mille`: of a link's capacity that may be left, though it is a bottleneck, and by which a
  // flow may be faster there than another; links are never overfull.
  explicit Flows(std::span<const uint64_t> capacities, uint32_t tolerance_per_mille = 0);

  // `bytes` to bring over all of `links`, which differ, from `now_ns` on; nothing goes back in time. Without bytes or links it ends at once. Ids of
  // flows that have ended are used again. `tag` is the caller's.
  FlowId add(std::span<const FlowLink> links, uint64_t bytes, uint64_t now_ns, uint64_t tag = 0);
  // Takes it off its links before its end.
  void remove(FlowId flow, uint64_t now_ns);

  // When the next flow ends; kNoCompletion when there is none.
  uint64_t next_completion_ns();
  // Of the flows that end by `now_ns`, the one that ends first, of several the one that was added first; it is gone then. False when there is none.
  struct Completed {
    FlowId flow = 0;
    uint64_t tag = 0;
    uint64_t at_ns = 0;
  };
  bool pop_completed(uint64_t now_ns, Completed* completed);
  // The same, but it is still on its links, until it is given more bytes, or taken off them.
  bool find_completed(uint64_t now_ns, Completed* completed);
  void end(FlowId flow) { detach(flow); }
  // As if it had been added with so many more: nobody's rate changes, and no part of a nanosecond is lost.
  void prolong(FlowId flow, uint64_t bytes);
  // Whether a flow ends by `now_ns`, which no flow has begun after, nor has any ended; unlike pop_completed() this works out no rates.
  bool is_due(uint64_t now_ns) const { return !heap_.empty() && flows_[heap_.front()].end_ns <= now_ns; }

  size_t flow_count() const { return flow_count_; }
  // Bytes per second, of the rates that hold from the latest change on.
  uint64_t rate(FlowId flow);

  size_t link_count() const { return links_.size(); }
  uint64_t capacity(FlowLink link) const { return links_[link].capacity; }
  // Of all flows on the link, bytes per second.
  uint64_t used(FlowLink link);
  size_t flows_on(FlowLink link) const { return links_[link].flows.size(); }
  // Of flows that have ended.
  uint64_t carried_bytes(FlowLink link) const { return links_[link].carried_bytes; }
  // How long it has had a flow, up to the latest change on it.
  uint64_t busy_ns(FlowLink link) const { return links_[link].busy_ns; }

  // How often a flow's rate was worked out, for measurements.
  uint64_t rated_count() const { return rated_count_; }

 private:
  __extension__ using Wide = unsigned __int128;

  // A link of a flow's way, and the flow's place in its list.
  struct Hop {
    FlowLink link = 0;
    uint32_t place = 0;
  };
  struct Flow {
    std::vector<Hop> hops;
    Wide remaining = 0;       // in billionths of a byte at `updated_ns`: as many as pass in a nanosecond at a rate of 1
    uint64_t bytes = 0;
    uint64_t rate = 0;
    uint64_t updated_ns = 0;  // when the rate was last set
    uint64_t end_ns = 0;
    uint64_t sequence = 0;    // of its addition
    uint64_t tag = 0;
    uint64_t new_rate = 0;            // while rates are worked out
    uint64_t affected_round = 0;      // the round of re-rating that works out its rate anew
    uint64_t rated_pass = 0;          // the pass in which it has got one
    FlowLink bottleneck = kNoLink;
    uint32_t heap_place = kNotInHeap;
    bool is_alive = false;
  };
  struct FlowOnLink {
    FlowId flow = 0;
    uint32_t hop = 0;  // which of the flow's
  };
  struct Link {
    uint64_t capacity = 1;
    uint64_t used = 0;
    std::vector<FlowOnLink> flows;
    uint64_t carried_bytes = 0;
    uint64_t busy_ns = 0;
    uint64_t busy_since_ns = 0;
    bool is_dirty = false;  // among dirty_
    // While rates are worked out.
    uint64_t available = 0;
    uint64_t level = 0;            // what its flows get, if it is full
    uint64_t fastest = 0;          // the largest rate given to one of its flows
    uint32_t unrated_count = 0;
    uint64_t touched_pass = 0;
    uint64_t full_pass = 0;
    uint64_t looked_pass = 0;
  };
  struct Share {
    uint64_t rate = 0;
    FlowLink link = 0;
  };

  static constexpr FlowLink kNoLink = UINT32_MAX;
  static constexpr uint32_t kNotInHeap = UINT32_MAX;

  void mark_dirty(FlowLink link);
  void pass_time(uint64_t now_ns);
  void detach(FlowId id);
  void settle();
  void affect(FlowId id);
  void fill();
  void touch_links_of(const Flow& flow);
  void fill_link(FlowLink link, uint64_t rate);
  bool affect_more();
  void affect_neighbours(FlowLink link);
  void apply();
  // Counts what has passed until now.
  void update(Flow& flow) const;
  void set_end(FlowId id);

  // The heap of flows by end; a flow knows its place.
  bool ends_before(FlowId left, FlowId right) const;
  void heap_insert(FlowId id);
  void heap_erase(FlowId id);
  void heap_move(uint32_t place);

  // Whether `flow`, whose rate is not worked out, is no longer fair on the link.
  bool is_upset(const Flow& flow, FlowLink link) const;
  uint64_t with_tolerance(uint64_t rate) const { return rate + rate / 1000 * tolerance_per_mille_; }

  uint32_t tolerance_per_mille_;
  std::vector<Flow> flows_;
  std::vector<FlowId> free_;
  std::vector<Link> links_;
  std::vector<FlowId> heap_;
  std::vector<FlowLink> dirty_;   // what joined or left them has not been taken into account
  std::vector<FlowId> affected_;  // by what is being taken into account
  std::vector<FlowLink> touched_;
  std::vector<Share> shares_;     // a heap
  uint64_t round_ = 0;
  uint64_t pass_ = 0;
  uint64_t now_ns_ = 0;
  uint64_t next_sequence_ = 0;
  uint64_t rated_count_ = 0;
  size_t flow_count_ = 0;
};

}  // namespace tutti::topology
