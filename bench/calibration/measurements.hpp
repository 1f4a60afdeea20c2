// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "duo.hpp"

namespace tutti::calibrate {

// Times in nanoseconds, the lower quartile of some samples; -1 for what this machine does not allow. "One": one core works, the other waits. "Both": both at once, the
// greater of the two times.
struct SizeFigures {
  std::size_t bytes;
  double copy_plain_one_ns, copy_nontemporal_one_ns, copy_plain_both_ns, copy_nontemporal_both_ns;
  double add_plain_one_ns, add_nontemporal_one_ns, add_plain_both_ns, add_nontemporal_both_ns;
  // process_vm_readv of the other's private memory into own memory.
  double readv_one_ns, readv_both_ns;
  // The same in slices that fit the cache, each added to own memory and stored.
  double readv_add_both_ns;
  // Allreduce of two: each reduces its half of shared buffers and stores it to both outputs.
  double direct_plain_ns, direct_nontemporal_ns;
  // Allreduce of two with private buffers: reads and reduces its half, then reads the other's half of the result.
  double readv_all_reduce_ns;
};

struct Figures {
  double line_one_way_ns;
  double line_exchange_ns;  // both write a line and wait for the other's
  std::vector<SizeFigures> sizes;
  // Allreduce by direct load and store for sizes below those of `sizes`, where the two exchanges dominate.
  std::vector<std::pair<std::size_t, double>> small_direct_ns;
  double tcp_blocking_one_way_ns, tcp_polling_one_way_ns, tcp_bytes_per_s;
  Huge huge;
};

inline constexpr std::size_t kLeastBytes = std::size_t{64} << 10U;
inline constexpr std::size_t kGreatestBytes = std::size_t{256} << 20U;

// Both processes call it; the figures are complete in process 0.
Figures measure_all(Duo& duo);

}  // namespace tutti::calibrate
