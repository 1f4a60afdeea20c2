// SPDX-License-Identifier: Apache-2.0
#include "statistics.hpp"

#include <algorithm>

namespace tutti::perf {

Bandwidth bandwidth_of(size_t bytes, double time_us, double bus_factor) {
  if (time_us <= 0) return {};
  const double gb_per_s = static_cast<double>(bytes) / 1e3 / time_us;
  return {gb_per_s, gb_per_s * bus_factor};
}

Distribution distribution_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto percentile = [&](size_t percent) { return samples[(samples.size() * percent + 99) / 100 - 1]; };
  return {samples.front(), percentile(50), percentile(99), samples.back()};
}

}  // namespace tutti::perf
