// SPDX-License-Identifier: Apache-2.0
// What a schedule costs on a topology, in integer nanoseconds, so that every rank computes the same. Pure functions, thread-safe.
//
// The model (docs/design/cost.md has a worked example). A message of B bytes on a link of latency L and bandwidth W:
//   overhead   o = min(L/2, kLargestOverhead_ns): the processor's part of the latency, once on the sender's core, once on the receiver's
//   wire       L - 2o
//   transfer   T = B/W
// so that alone it takes L + T. A rank has one core, which does the overheads, copies and reductions of the rank one after another.
//   Ranks of one host     the transfer is copying: T on the sender's core and, as the bytes come, T on the receiver's; longer beyond kCachedBytes
//   Domains of a level    inside a host, such as packages: crossing_ns more on the wire, and all bytes that leave a domain, and all that enter it,
//                         pass one after another at crossing_bytes_per_s, those that a step reads from or writes to a peer's memory as well
//   Ranks of two hosts    T occupies the sender's adapter outwards and the receiver's inwards (topology::Adapters says who shares one)
//   receive_reduce        also takes B/reduce_bytes_per_s on the core; on one host it replaces the receiver's copy when it takes longer
//   reduce of k sources   (k+1)/3 of B/reduce_bytes_per_s: k streams read and one written, where two read and one written are the unit
//   copy                  a reduce of one source
//   source at a peer      ordinary memory is fetched: kFetchOverhead_ns + B/kFetchBytes_per_s on the core instead of the stream read, and a target at
//                         a peer takes nothing, since the peer fetches. Shared memory is as the own, and what need not be fetched takes nothing
//   signal, await         the two ends of a message of kSignalBytes
// Steps of a lane follow one another. A step that waits starts at the finish of what it waits for; a streaming wait lets it start when the
// first slice is there, and then it finishes a slice later than the other, or later. Whoever is ready first uses a core or an adapter first.
// A host with more ranks than cores works ranks/cores times slower, and each message to it costs kSchedulingDelay_ns more.
#pragma once

#include <cstdint>
#include <span>

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// Half of what 8 bytes take over loopback TCP when both ends poll (3.5-4.2 us, measured): a system call's worth. Links that take longer
// spend the rest in the network.
inline constexpr uint64_t kLargestOverhead_ns = 2'000;
// Until a rank whose core another rank holds runs again, per message: yielding ranks, four and eight on two cores, were measured to need 9 and
// 17 us for an allreduce of two and three hops.
inline constexpr uint64_t kSchedulingDelay_ns = 5'000;
// A signal with its addresses: a cache line.
inline constexpr uint64_t kSignalBytes = 64;
// Reading a peer's memory by the kernel: an allreduce of 8 KiB to 1 MiB that fetches was measured to take 1.5 us and the time of its bytes at 4-9
// GB/s each time (two ranks on two cores of a Sapphire Rapids virtual machine).
inline constexpr uint64_t kFetchOverhead_ns = 1'500;
inline constexpr uint64_t kFetchBytes_per_s = 4'500'000'000;
// Vectors, and blocks of all ranks together, larger than this leave the caches. Copying through memory that two ranks share, which reads and writes
// every byte twice, then takes kUncachedTenths/10 times as long: two_shot of 1 MiB was measured at 6.4 GB/s, of 64 MiB at 2.2.
inline constexpr uint64_t kCachedBytes = 8 * 1024 * 1024;
inline constexpr uint64_t kUncachedTenths = 17;
// What streaming is priced with; engines may slice differently.
inline constexpr uint64_t kSliceBytes = 128 * 1024;

// Whether ranks can load from and store to each other's buffers, as those from tuttiMemAlloc on one host, or can only fetch from them.
enum class Memory : uint8_t { ordinary, shared };

struct Workload {
  uint64_t element_count = 0;  // as LayoutRequest::element_count: the vector's length, or a block's
  uint64_t element_bytes = 1;
  Memory memory = Memory::ordinary;
};

// Time until the last rank has finished, playing the schedules of all ranks; `schedules[r]` is rank r's. The schedules have been verified; if a
// step can never run all the same, or the time does not fit, UINT64_MAX. Variable blocks are priced as equal ones. Takes about 60 ns a
// step (Sapphire Rapids; 4,000 steps).
//
// More work can finish earlier, because it changes who uses a core first (Graham, 1969): do not rely on prices growing with sizes.
uint64_t price_ns(const schedule::Problem& problem, std::span<const schedule::Schedule> schedules,
                  const topology::Topology& topology, const Workload& workload);

// The same for one rank alone, every message sent to it at the moment it is ready to receive it. Exact for a ring of equal links; never counts
// the time spent waiting for ranks further away. For machines too large to play.
uint64_t price_in_step_ns(const schedule::Problem& problem, const schedule::Schedule& schedule, const topology::Topology& topology,
                          const Workload& workload);

}  // namespace tutti::cost
