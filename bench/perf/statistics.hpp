// SPDX-License-Identifier: Apache-2.0
// What the numbers of a row are made of.
#pragma once

#include <cstddef>
#include <vector>

namespace tutti::perf {

struct Bandwidth {
  double algorithm_gb_per_s = 0;  // size over time
  double bus_gb_per_s = 0;        // times the collective's factor
};

// GB are 10^9 bytes. No time gives no bandwidth.
Bandwidth bandwidth_of(size_t bytes, double time_us, double bus_factor);

struct Distribution {
  double least = 0;
  double median = 0;
  double percentile_99 = 0;
  double greatest = 0;
};

// By nearest rank: the p-th percentile is the smallest sample that p % of the samples do not exceed. All 0 without samples.
Distribution distribution_of(std::vector<double> samples);

}  // namespace tutti::perf
