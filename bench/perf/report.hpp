// SPDX-License-Identifier: Apache-2.0
// What a run reports, to the table and to the JSON file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "options.hpp"
#include "statistics.hpp"

namespace tutti::perf {

struct Measurement {
  double time_us = 0;  // of one call
  Bandwidth bandwidth;
  std::optional<uint64_t> wrong;              // none: not checked
  std::optional<Distribution> per_iteration;  // microseconds, with -I 1
};

struct Row {
  size_t bytes = 0;
  size_t count = 0;
  std::string_view datatype;
  std::string_view op;
  int root = -1;
  Measurement out_of_place;
  std::optional<Measurement> in_place;  // none: the collective has no in-place form
};

struct RunInfo {
  std::string program;
  std::string collective;
  std::vector<std::string> arguments;
  std::vector<std::string> ranks;  // "Pid 12 on host", by rank
  Options options;
};

struct Summary {
  uint64_t failed_checks = 0;  // rank, row and place in which at least one element was wrong
  double bus_gb_per_s_sum = 0;
  size_t measurement_count = 0;

  double average_bus_gb_per_s() const {
    return measurement_count == 0 ? 0 : bus_gb_per_s_sum / static_cast<double>(measurement_count);
  }
};

}  // namespace tutti::perf
