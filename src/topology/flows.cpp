// SPDX-License-Identifier: Apache-2.0
#include "topology/flows.hpp"

#include <algorithm>
#include <cassert>

namespace tutti::topology {

namespace {

constexpr uint64_t kUnitsPerByte = 1'000'000'000;
// Passes over a growing set of flows before all are taken that share a link with it, directly or not.
constexpr uint32_t kMostCarefulPasses = 12;

}  // namespace

Flows::Flows(std::span<const uint64_t> capacities, uint32_t tolerance_per_mille)
    : tolerance_per_mille_(tolerance_per_mille), links_(capacities.size()) {
  for (size_t index = 0; index < capacities.size(); ++index) {
    links_[index].capacity = std::max<uint64_t>(capacities[index], 1);
  }
}

FlowId Flows::add(std::span<const FlowLink> links, uint64_t bytes, uint64_t now_ns, uint64_t tag) {
  pass_time(now_ns);
  if (free_.empty()) {
    free_.push_back(static_cast<FlowId>(flows_.size()));
    flows_.emplace_back();
  }
  const FlowId id = free_.back();
  free_.pop_back();
  ++flow_count_;
  Flow& flow = flows_[id];
  flow.remaining = Wide{bytes} * kUnitsPerByte;
  flow.bytes = bytes;
  flow.rate = 0;
  flow.updated_ns = now_ns_;
  flow.end_ns = now_ns_;
  flow.sequence = next_sequence_++;
  flow.tag = tag;
  flow.bottleneck = kNoLink;
  flow.is_alive = true;
  flow.hops.clear();
  if (bytes == 0 || links.empty()) {
    heap_insert(id);
    return id;
  }
  for (const FlowLink index : links) {
    assert(index < links_.size());
    Link& link = links_[index];
    if (link.flows.empty()) {
      link.busy_since_ns = now_ns_;
    }
    flow.hops.push_back({.link = index, .place = static_cast<uint32_t>(link.flows.size())});
    link.flows.push_back({.flow = id, .hop = static_cast<uint32_t>(flow.hops.size() - 1)});
    mark_dirty(index);
  }
  affect(id);
  return id;
}

void Flows::remove(FlowId id, uint64_t now_ns) {
  assert(flows_[id].is_alive);
  settle();  // it may be among what is affected
  pass_time(now_ns);
  detach(id);
}

// Rates change when what changes them happens, so they are settled before time moves on.
void Flows::pass_time(uint64_t now_ns) {
  assert(now_ns >= now_ns_);
  if (now_ns > now_ns_) {
    settle();
    now_ns_ = now_ns;
  }
}

void Flows::detach(FlowId id) {
  Flow& flow = flows_[id];
  for (const Hop& hop : flow.hops) {
    Link& link = links_[hop.link];
    const FlowOnLink moved = link.flows.back();
    link.flows[hop.place] = moved;
    flows_[moved.flow].hops[moved.hop].place = hop.place;
    link.flows.pop_back();
    link.used -= flow.rate;
    link.carried_bytes += flow.bytes;
    if (link.flows.empty()) {
      link.busy_ns += now_ns_ - link.busy_since_ns;
    }
    mark_dirty(hop.link);
  }
  flow.hops.clear();
  if (flow.heap_place != kNotInHeap) {
    heap_erase(id);
  }
  flow.is_alive = false;
  --flow_count_;
  free_.push_back(id);
}

uint64_t Flows::next_completion_ns() {
  settle();
  return heap_.empty() ? kNoCompletion : flows_[heap_.front()].end_ns;
}

bool Flows::pop_completed(uint64_t now_ns, Completed* completed) {
  if (!find_completed(now_ns, completed)) {
    return false;
  }
  end(completed->flow);
  return true;
}

bool Flows::find_completed(uint64_t now_ns, Completed* completed) {
  if (heap_.empty() || flows_[heap_.front()].end_ns > now_ns_) {  // else it ends whatever the others do now
    if (next_completion_ns() > now_ns) {
      return false;
    }
  }
  const FlowId id = heap_.front();
  const Flow& flow = flows_[id];
  *completed = {.flow = id, .tag = flow.tag, .at_ns = flow.end_ns};
  now_ns_ = std::max(now_ns_, flow.end_ns);
  return true;
}

void Flows::prolong(FlowId id, uint64_t bytes) {
  Flow& flow = flows_[id];
  if (flow.hops.empty()) {
    return;  // it has ended already
  }
  flow.bytes += bytes;
  flow.remaining += Wide{bytes} * kUnitsPerByte;
  update(flow);
  set_end(id);
}

uint64_t Flows::rate(FlowId id) {
  settle();
  return flows_[id].rate;
}

uint64_t Flows::used(FlowLink link) {
  settle();
  return links_[link].used;
}

void Flows::mark_dirty(FlowLink index) {
  Link& link = links_[index];
  if (!link.is_dirty) {
    link.is_dirty = true;
    dirty_.push_back(index);
  }
}

// Works out the rates that what has changed can have an effect on. Flows outside of `affected_` keep theirs; as long as one of them turns out to have
// lost its bottleneck, it joins them and all is done again. What remains satisfies the definition on every link, which only one set of rates does.
void Flows::settle() {
  if (dirty_.empty()) {
    return;
  }
  for (const FlowLink index : dirty_) {
    Link& link = links_[index];
    link.is_dirty = false;
    for (const FlowOnLink& on : link.flows) {
      if (flows_[on.flow].bottleneck == index) {
        affect(on.flow);
      }
    }
  }
  dirty_.clear();
  for (uint32_t pass = 0; !affected_.empty(); ++pass) {
    fill();
    if (pass >= kMostCarefulPasses) {
      for (size_t index = 0; index < affected_.size(); ++index) {
        for (const Hop& hop : flows_[affected_[index]].hops) {
          affect_neighbours(hop.link);
        }
      }
      fill();
      break;
    }
    if (!affect_more()) {
      break;
    }
  }
  apply();
  ++round_;
}

void Flows::affect(FlowId id) {
  Flow& flow = flows_[id];
  if (flow.affected_round != round_ + 1) {
    flow.affected_round = round_ + 1;
    affected_.push_back(id);
  }
}

// Progressive filling: the link that gives its flows least is full first; they are done, and leave the rest of the other links to others.
void Flows::fill() {
  ++pass_;
  touched_.clear();
  shares_.clear();
  rated_count_ += affected_.size();
  for (const FlowId id : affected_) {
    touch_links_of(flows_[id]);
  }
  const auto is_later = [](const Share& left, const Share& right) {
    return left.rate != right.rate ? left.rate > right.rate : left.link > right.link;
  };
  for (const FlowLink index : touched_) {
    shares_.push_back({.rate = links_[index].available / links_[index].unrated_count, .link = index});
  }
  std::make_heap(shares_.begin(), shares_.end(), is_later);
  for (size_t unrated = affected_.size(); unrated != 0;) {
    std::pop_heap(shares_.begin(), shares_.end(), is_later);
    Share& share = shares_.back();
    Link& link = links_[share.link];
    if (link.unrated_count == 0) {
      shares_.pop_back();
      continue;
    }
    const uint64_t rate = link.available / link.unrated_count;
    if (rate > share.rate) {  // others have left it since
      share.rate = rate;
      std::push_heap(shares_.begin(), shares_.end(), is_later);
      continue;
    }
    unrated -= link.unrated_count;
    fill_link(share.link, rate);
    shares_.pop_back();
  }
}

void Flows::touch_links_of(const Flow& flow) {
  for (const Hop& hop : flow.hops) {
    Link& link = links_[hop.link];
    if (link.touched_pass != pass_) {
      link.touched_pass = pass_;
      link.available = link.capacity - std::min(link.used, link.capacity);
      link.unrated_count = 0;
      link.fastest = 0;
      touched_.push_back(hop.link);
    }
    link.available += flow.rate;
    ++link.unrated_count;
  }
}

void Flows::fill_link(FlowLink index, uint64_t rate) {
  Link& link = links_[index];
  link.full_pass = pass_;
  link.level = rate;
  for (const FlowOnLink& on : link.flows) {
    Flow& flow = flows_[on.flow];
    if (flow.affected_round != round_ + 1 || flow.rated_pass == pass_) {
      continue;
    }
    flow.rated_pass = pass_;
    flow.new_rate = std::max<uint64_t>(rate, 1);  // however little there is, every flow ends
    flow.bottleneck = index;
    for (const Hop& hop : flow.hops) {
      Link& other = links_[hop.link];
      other.available -= std::min(rate, other.available);
      other.fastest = rate;  // they only grow
      --other.unrated_count;
    }
  }
}

// Flows whose bottleneck is not one any more with the new rates; false when there are none.
bool Flows::affect_more() {
  const size_t before = affected_.size();
  for (size_t index = 0; index < before; ++index) {
    const Flow& flow = flows_[affected_[index]];
    const bool is_changed = flow.new_rate != flow.rate;
    for (const Hop& hop : flow.hops) {
      Link& link = links_[hop.link];
      const bool is_full = link.full_pass == pass_;
      if ((!is_changed && !is_full) || link.looked_pass == pass_) {
        continue;
      }
      link.looked_pass = pass_;
      for (const FlowOnLink& on : link.flows) {
        if (flows_[on.flow].affected_round != round_ + 1 && is_upset(flows_[on.flow], hop.link)) {
          affect(on.flow);
        }
      }
    }
  }
  return affected_.size() != before;
}

// On its bottleneck it is, if there is now room or somebody faster; on others, if somebody slower has found a bottleneck there.
bool Flows::is_upset(const Flow& flow, FlowLink index) const {
  const Link& link = links_[index];
  if (link.full_pass == pass_ && flow.rate > with_tolerance(link.level)) {
    return true;
  }
  const uint64_t rounding = link.flows.size() - 1;
  return flow.bottleneck == index &&
         (link.available > std::max(rounding, link.capacity / 1000 * tolerance_per_mille_) || link.fastest > with_tolerance(flow.rate));
}

void Flows::affect_neighbours(FlowLink index) {
  Link& link = links_[index];
  if (link.looked_pass != pass_) {
    link.looked_pass = pass_;
    for (const FlowOnLink& on : link.flows) {
      affect(on.flow);
    }
  }
}

void Flows::apply() {
  for (const FlowId id : affected_) {
    Flow& flow = flows_[id];
    if (flow.new_rate == flow.rate) {
      continue;
    }
    for (const Hop& hop : flow.hops) {
      links_[hop.link].used += flow.new_rate - flow.rate;  // unsigned, and so right for less, too
    }
    update(flow);
    flow.rate = flow.new_rate;
    set_end(id);
  }
  affected_.clear();
}

void Flows::update(Flow& flow) const {
  const Wide passed = Wide{flow.rate} * (now_ns_ - flow.updated_ns);
  flow.remaining -= std::min(passed, flow.remaining);
  flow.updated_ns = now_ns_;
}

void Flows::set_end(FlowId id) {
  Flow& flow = flows_[id];
  Wide duration_ns = 0;
  if (flow.remaining <= UINT64_MAX - flow.rate) {  // the usual, and several times as fast
    duration_ns = (static_cast<uint64_t>(flow.remaining) + flow.rate - 1) / flow.rate;
  } else {
    duration_ns = (flow.remaining + flow.rate - 1) / flow.rate;
  }
  const uint64_t left_ns = kNoCompletion - 1 - flow.updated_ns;
  flow.end_ns = flow.updated_ns + (duration_ns > left_ns ? left_ns : static_cast<uint64_t>(duration_ns));
  if (flow.heap_place == kNotInHeap) {
    heap_insert(id);
  } else {
    heap_move(flow.heap_place);
  }
}

bool Flows::ends_before(FlowId left, FlowId right) const {
  const Flow& a = flows_[left];
  const Flow& b = flows_[right];
  return a.end_ns != b.end_ns ? a.end_ns < b.end_ns : a.sequence < b.sequence;
}

void Flows::heap_insert(FlowId id) {
  flows_[id].heap_place = static_cast<uint32_t>(heap_.size());
  heap_.push_back(id);
  heap_move(flows_[id].heap_place);
}

void Flows::heap_erase(FlowId id) {
  const uint32_t place = flows_[id].heap_place;
  flows_[id].heap_place = kNotInHeap;
  const FlowId last = heap_.back();
  heap_.pop_back();
  if (last != id) {
    heap_[place] = last;
    flows_[last].heap_place = place;
    heap_move(place);
  }
}

// Up or down to where it belongs.
void Flows::heap_move(uint32_t place) {
  const FlowId id = heap_[place];
  const auto put = [&](uint32_t where, FlowId which) {
    heap_[where] = which;
    flows_[which].heap_place = where;
  };
  while (place != 0 && ends_before(id, heap_[(place - 1) / 2])) {
    put(place, heap_[(place - 1) / 2]);
    place = (place - 1) / 2;
  }
  while (true) {
    uint32_t child = 2 * place + 1;
    if (child >= heap_.size()) {
      break;
    }
    if (child + 1 < heap_.size() && ends_before(heap_[child + 1], heap_[child])) {
      ++child;
    }
    if (!ends_before(heap_[child], id)) {
      break;
    }
    put(place, heap_[child]);
    place = child;
  }
  put(place, id);
}

}  // namespace tutti::topology
