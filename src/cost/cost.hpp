// SPDX-License-Identifier: Apache-2.0
// What a schedule costs on a topology, in integer nanoseconds, so that every rank computes the same. Pure functions, thread-safe.
//
// The model (docs/design/cost.md has a worked example). A message of B bytes on a link of latency L and bandwidth W:
//   overhead   o = min(L/2, kLargestOverhead_ns): the processor's part of the latency, once on the sender's core, once on the receiver's
//   wire       L - 2o
//   transfer   T = B/W
// so that alone it takes L + T. A rank has one core, which does the overheads, copies and reductions of the rank one after another.
//   Ranks of one host     the transfer is copying: T on the sender's core and, as the bytes come, T on the receiver's, which is done with the last
//                         frame (kFrameBytes) after the sender; longer beyond kCachedBytes
//   Domains of a level    inside a host, such as packages: crossing_ns more on the wire, and all bytes that leave a domain, and all that enter it,
//                         pass one after another at crossing_bytes_per_s, those that a step reads from or writes to a peer's memory as well
//   Ranks of two hosts    T occupies the sender's adapter outwards and the receiver's inwards (topology::Adapters says who shares one)
//   receive_reduce        also takes B/reduce_bytes_per_s on the core; on one host it replaces the receiver's copy when it takes longer,
//                         unless the link copies out, as a socket does
//   Sockets               between hosts a link that copies out carries nothing for 1/kShownShare of the time in which the receiver's core reduces what
//                         comes, or copies a message that begins to come while another of the same peer does
//   reduce of k sources   (k+1)/3 of B/reduce_bytes_per_s: k streams read and one written, where two read and one written are the unit; less while all
//                         that the core's steps read and write is no more than kNearBytes, longer beyond kCachedBytes
//   copy                  a reduce of one source
//   source at a peer      ordinary memory is fetched: kFetchOverhead_ns + B/F on the core instead of the stream read, and of a copy the one written
//                         too; F is fetch_bytes_per_s(). A target at a peer takes nothing, since the peer fetches. Shared memory is as the own, and
//                         what need not be fetched takes nothing
//   signal, await         the two ends of a message of kSignalBytes
// Steps of a lane follow one another. A step that waits starts at the finish of what it waits for; a streaming wait lets it start when the
// first slice is there, and then it finishes a slice later than the other, or later. Whoever is ready first uses a core or an adapter first.
// A host with more ranks than cores: each message to it takes kSwitch_ns more and kCrowdedOverhead_ns at each end. Its cores do what all its ranks do,
// with a switch of each rank for each of the messages that come one after another, and for each kTurnBytes of them. If that takes longer than the
// steps one after another, it is the price; if not, half of what the steps take longer is added, as ranks that are done with one call go on with the
// next.
#pragma once

#include <cstdint>
#include <span>

#include "schedule/schedule.hpp"
#include "topology/topology.hpp"

namespace tutti::cost {

// Half of what 8 bytes take over loopback TCP when both ends poll (3.5-4.2 us, measured): a system call's worth. Links that take longer
// spend the rest in the network.
inline constexpr uint64_t kLargestOverhead_ns = 2'000;
// From a rank that yields to the next one that shares its core, and what a message costs more at an end that other ranks have driven from the caches:
// both from allreduces of 8 bytes of 4 and 8 yielding ranks on 2 cores (1 to 3 hops, 6 to 112 messages), measured to take 2.5 to 28 us.
inline constexpr uint64_t kSwitch_ns = 1'100;
inline constexpr uint64_t kCrowdedOverhead_ns = 100;
// What passes before the receiver must have its turn: a few slots of shared memory.
inline constexpr uint64_t kTurnBytes = 128 * 1024;
// A signal with its addresses: a cache line.
inline constexpr uint64_t kSignalBytes = 64;
// A message through memory comes in frames, if it is longer than a line. The last of them is copied out after it has been copied in, and of that
// kColdBytes take twice as long, until lines are fetched from the sender's cache ahead: a broadcast of two ranks took 1.1 us for 4 KiB, 2.0 for 8 KiB,
// 5.8 for 32 KiB, 36 for 512 KiB.
inline constexpr uint64_t kFrameBytes = 32 * 1024;
inline constexpr uint64_t kColdBytes = 6 * 1024;
// Rates of cores below are those of topology::MemorySpeed's reference; Topology::reduce_bytes_per_s and links within a host come scaled to this machine's.
//
// What copies and reductions of a rank read and write stays in the caches of its core up to kNearBytes; a vector, or the blocks of all ranks together, in
// one that all cores share up to kCachedBytes.
inline constexpr uint64_t kNearBytes = 2 * 1024 * 1024;
inline constexpr uint64_t kCachedBytes = 16 * 1024 * 1024;
// Reducing, and copying, takes kNearReduceTenths/10 of its time in the caches of a core, and kUncachedReduceFactor times as long in memory: of a copy, 256 KiB
// took 6 us, 2 MiB 100 us, 64 MiB 7-10 ms; reductions of what has been fetched took 25, 11 and 8 GB/s for 256 KiB, 2 MiB and 64 MiB.
inline constexpr uint64_t kNearReduceTenths = 6;
inline constexpr uint64_t kUncachedReduceFactor = 2;
// Of what a core does with bytes that come from another host over a socket, one part in so many delays the bytes behind them, however slow the line: the
// same core takes packets. What is to be reduced is staged first, and what comes beside another message of its peer may be. Sums of 4, 16 and
// 64 MiB of two hosts, over 10 Gbit/s, took 3.53, 14.1 and 57.2 ms in halves one after the other (two_shot), 3.67, 14.8 and 60.1 in halves side by side
// (double_binary_tree), 3.62, 15.1 and 60.5 as whole vectors (one_shot); up to 1 MiB, and at 1 Gbit/s, all the same.
inline constexpr uint64_t kShownShare = 4;
// A copy or reduction takes so long before its first byte.
inline constexpr uint64_t kLocalOverhead_ns = 15;
// Copying through memory that two ranks share takes kUncachedTenths/10 times as long where the caches do not hold the vectors: a broadcast of 1 MiB
// was measured at 15 GB/s, of 64 MiB at 9, an all-gather at 14 and 10.
inline constexpr uint64_t kUncachedTenths = 15;
// Reading a peer's memory by the kernel, a system call. Measured as broadcasts, and as the second half of allreduces, which reads what the peer has
// just written (two ranks on two cores of a Sapphire Rapids virtual machine): 4 KiB to 512 KiB take 1.2 us and 25-30 GB/s, 1 MiB 21, from buffers in turn
// that have left the caches 7; 2 MiB to 16 MiB 12 GB/s; 64 MiB 5; what has just been written 3 to 5.
// Topology::fetch_bytes_per_s is the rate near, and bounds the others.
inline constexpr uint64_t kFetchOverhead_ns = topology::kFetchOverhead_ns;
inline constexpr uint64_t kCachedFetchBytes_per_s = 12'000'000'000;
inline constexpr uint64_t kUncachedFetchBytes_per_s = 4'800'000'000;
inline constexpr uint64_t kWrittenFetchBytes_per_s = 3'500'000'000;
// Ranks that take turns on a core share its caches, and the last frame of a message hides behind other ranks' work. Collectives of 4 and 8 ranks on 2
// cores there, 2 KiB to 4 MiB: while the buffers of the ranks that share a core were up to kCrowdedNearBytes, messages were copied at 15-25 GB/s, then
// at 11-16, and vectors beyond kCrowdedCachedBytes at 5; those of broadcasts, which carry the same bytes, at 16-28; fetches took 1.5 us and 15 GB/s
// up to kCrowdedNearFetchBytes each, 8 beyond, 6 of what has just been written.
inline constexpr uint64_t kCrowdedNearBytes = 1024 * 1024;
inline constexpr uint64_t kCrowdedCachedBytes = 8 * 1024 * 1024;
inline constexpr uint64_t kCrowdedNearTenths = 8;
inline constexpr uint64_t kCrowdedTenths = 11;
inline constexpr uint64_t kCrowdedBroadcastTenths = 6;
inline constexpr uint64_t kCrowdedUncachedTenths = 29;
inline constexpr uint64_t kCrowdedUncachedReduceFactor = 3;
inline constexpr uint64_t kCrowdedFetchOverhead_ns = 1'500;
inline constexpr uint64_t kCrowdedNearFetchBytes = 128 * 1024;
inline constexpr uint64_t kCrowdedNearFetchBytes_per_s = 15'000'000'000;
inline constexpr uint64_t kCrowdedFetchBytes_per_s = 8'000'000'000;
inline constexpr uint64_t kCrowdedWrittenFetchBytes_per_s = 6'000'000'000;
// What streaming is priced with; engines may slice differently.
inline constexpr uint64_t kSliceBytes = 128 * 1024;

// Whether ranks can load from and store to each other's buffers, as those from tuttiMemAlloc on one host, or can only fetch from them.
enum class Memory : uint8_t { ordinary, shared };

struct Workload {
  uint64_t element_count = 0;  // as LayoutRequest::element_count: the vector's length, or a block's
  uint64_t element_bytes = 1;
  Memory memory = Memory::ordinary;
  uint64_t slice_bytes = kSliceBytes;  // on a fabric: what is passed on at a time of messages that stream
};

// What the bytes that a rank fetches were to their owner: an input it may have in its caches, or an output it has just written.
enum class Fetched : uint8_t { unchanged, written };
// Where a collective's bytes stay: in the caches of single cores, in one that all cores share, or in memory.
enum class Caches : uint8_t { near, shared, none };
// `near_bytes_per_s`: of the topology.
uint64_t fetch_bytes_per_s(uint64_t near_bytes_per_s, Caches caches, Fetched fetched);

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
