// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tutti::transports::tcp {

// How long a rail takes for what it is given, by how long frames took, and what was on its way before them. The best of late counts: what holds up a
// receiver holds up all rails, and makes none slower than another.
class DrainRate {
 public:
  // A frame has been acknowledged `elapsed_ns` after it was sent; with what was on its way then it made `bytes`.
  void note(uint64_t elapsed_ns, size_t bytes) {
    if (bytes < kLeastSampleBytes) {
      return;  // it tells of latency
    }
    const uint64_t sample_ns = std::max<uint64_t>(elapsed_ns * kUnitBytes / bytes, 1);
    ns_per_unit_ = ns_per_unit_ == 0 ? sample_ns : std::min(sample_ns, ns_per_unit_ + ns_per_unit_ / 8 + 1);
    doubts_ = 0;
  }
  bool is_known() const { return ns_per_unit_ != 0; }
  // For so many bytes, all of them; 0 if nobody knows.
  uint64_t expected_ns(size_t bytes) const { return ns_per_unit_ * bytes / kUnitBytes * kDoubtsThatHalve / (kDoubtsThatHalve + doubts_); }
  // It was not used for being slow, which it may be no longer.
  void doubt() { ++doubts_; }

  static constexpr uint64_t kUnitBytes = 256 * 1024;

 private:
  static constexpr size_t kLeastSampleBytes = 64 * 1024;
  static constexpr uint64_t kDoubtsThatHalve = 512;

  uint64_t ns_per_unit_ = 0;
  uint64_t doubts_ = 0;  // since the latest sample
};

}  // namespace tutti::transports::tcp
