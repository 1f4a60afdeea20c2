// SPDX-License-Identifier: Apache-2.0
// A simulation as a chart of how busy links were, and as a trace for Perfetto.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "simulator/recording.hpp"

namespace tutti::tool {

struct Course {
  std::string title;                    // "allreduce of 1,048,576 bytes on nvidia-dgx-h100"
  std::string chip;                     // what one is called: "GPU"
  uint32_t chip_count = 0;
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;
  std::vector<std::string> link_names;  // of use.each
  simulator::LinkUse use;
};

// SVG: all links together, then each, over time.
std::string use_chart(const Course& course);

// Trace events in JSON, one a line: a process for each rank with a thread for each peer and channel, on which frames are as long as they took to leave, and
// the use of links as counters. Times are in microseconds from `begin_ns` on.
std::string perfetto_trace(const Course& course, std::span<const sim::Flight> flights);

}  // namespace tutti::tool
