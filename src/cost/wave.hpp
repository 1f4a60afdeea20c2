// SPDX-License-Identifier: Apache-2.0
// Messages of one size that are under way together, as what they put on the links of a fabric.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "topology/fabric.hpp"

namespace tutti::cost {

// Not thread-safe.
class Wave {
 public:
  // `message_bytes`: of each message.
  Wave(const topology::Fabric& fabric, uint64_t message_bytes);

  // What a message takes: valid until the next is added.
  struct Way {
    std::span<const topology::LinkId> links;
    uint64_t units = 0;  // it is as so many on the links, in 1/kUnit
    uint64_t latency_ns = 0;
  };
  // `weight`: how many like it the message stands for, in 1/kUnit.
  Way add(uint32_t source, uint32_t target, uint64_t weight = kUnit);

  // The messages of another, of the same size and on the same fabric, too.
  void add(const Wave& other);

  uint64_t latency_ns() const { return latency_ns_; }  // the longest
  uint64_t base_ns() const { return base_ns_; }        // what the protocols take to begin, the longest
  // Until the busiest link has carried `bytes` of each message.
  uint64_t transfer_ns(uint64_t bytes) const;
  uint64_t transfer_ns() const { return transfer_ns(message_bytes_); }
  uint64_t message_bytes() const { return message_bytes_; }
  // What the links carry for all of it.
  uint64_t link_bytes(topology::LinkId link) const;

  // Of one message, when all have been added: what it takes alone but for those it shares links with.
  struct Hop {
    uint64_t latency_ns = 0;
    uint64_t transfer_ns = 0;
    uint64_t slice_ns = 0;  // of its first `slice_bytes`
  };
  Hop hop(uint32_t source, uint32_t target, uint64_t slice_bytes);
  // Of one whose way is known.
  Hop hop(const Way& way, uint64_t slice_bytes) const;

  static constexpr uint64_t kUnit = 1024;

 private:
  // Into route_: the way, of some equally good ones, whose links have least.
  void choose_way(uint32_t source, uint32_t target);
  uint64_t load_of(const topology::Route& route) const;

  friend uint64_t busiest_ns(std::span<const Wave> waves);

  const topology::Fabric& fabric_;
  uint64_t message_bytes_;
  std::vector<uint64_t> units_;  // by link: messages, in 1/kUnit, as long as what they put on the link
  uint64_t latency_ns_ = 0;
  uint64_t base_ns_ = 0;
  topology::Route route_;
  topology::Route other_;
};

// Until the link that all of them together keep busiest has carried what they put there; on one fabric.
uint64_t busiest_ns(std::span<const Wave> waves);

}  // namespace tutti::cost
