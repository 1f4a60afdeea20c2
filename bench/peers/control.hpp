// SPDX-License-Identifier: Apache-2.0
// How the ranks of one run meet, the same way for every library: a small file that all of them map. So that neither the
// alignment before a block of iterations nor the collection of results depends on what is measured.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace tutti::peers {

inline constexpr int kMaxRanks = 64;

// What a rank tells the others about the point in hand.
struct alignas(64) RankResult {
  double median_ns = 0;
  double p99_ns = 0;
  std::int64_t wrong_count = 0;
};

// All zero is a valid start, so a file that ftruncate has just made is ready.
struct ControlSegment {
  // Ranks that have come to the barrier of this generation; the last one sets it to 0, then publishes the next generation.
  alignas(64) std::atomic<std::uint32_t> arrived_count;
  // Release by the last rank; acquire by those that wait: publishes all that ranks wrote before the barrier.
  alignas(64) std::atomic<std::uint32_t> generation;
  // Written by rank 0 between two barriers, read by all after the second.
  alignas(64) std::int64_t block_iterations;
  std::int64_t shall_stop;
  RankResult results[kMaxRanks];
};

class Control {
 public:
  enum class Waiting { spin, yield };

  // Maps <folder>/control, making it if need be; ends the process when that fails. The mapping lives as long as the process.
  Control(const std::string& folder, int rank, int rank_count, Waiting waiting);

  // Returns when all ranks have come. Ends the process with status 3 when one has not come for `kPatienceNs`.
  void barrier();

  ControlSegment& shared() { return *segment_; }

 private:
  static constexpr std::int64_t kPatienceNs = 120'000'000'000;

  ControlSegment* segment_ = nullptr;
  int rank_;
  std::uint32_t rank_count_;
  Waiting waiting_;
};

}  // namespace tutti::peers
