// SPDX-License-Identifier: Apache-2.0
// What a price is made of, for people. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "cost/arithmetic.hpp"
#include "cost/cost.hpp"

namespace tutti::cost {

struct Bill {
  uint64_t price_ns = 0;
  // Its parts, which add up to it.
  uint64_t start_ns = 0;      // what the protocols take to begin, once
  uint64_t latency_ns = 0;    // latencies and software of the steps that pass one after another
  uint64_t reduction_ns = 0;  // what cores reduce and copy, where nothing else hides that
  uint64_t transfer_ns = 0;   // bytes on their way, and waiting for others
  uint32_t step_count = 0;    // of the rank that has most
  // What brings its bytes last if nothing else delays it: a link, an adapter, what domains share. Empty: nothing carries any.
  std::string bottleneck;
  uint64_t bottleneck_bytes = 0;
  uint64_t bottleneck_ns = 0;  // at its bandwidth
};

// Makes something that has carried so many bytes the bottleneck, if it has taken longer than that; `name()` is called then.
void take_if_busier(Bill& bill, uint64_t bytes, uint64_t bytes_per_s, const auto& name) {
  const uint64_t ns = duration_ns(bytes, bytes_per_s);
  if (bytes != 0 && (bill.bottleneck.empty() || ns > bill.bottleneck_ns)) {
    bill.bottleneck = name();
    bill.bottleneck_bytes = bytes;
    bill.bottleneck_ns = ns;
  }
}

// As price_ns() and its parts. On hosts, latency is what messages of nothing would take, and reduction what would be saved if reducing took no time.
Bill bill_of(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules, const topology::Topology& topology,
             const Workload& workload);
// As price_in_step_ns(), of one rank alone, whose messages are all that the links carry.
Bill bill_in_step_of(const schedule::Problem& problem, const schedule::Schedule& schedule, const topology::Topology& topology,
                     const Workload& workload);

}  // namespace tutti::cost
