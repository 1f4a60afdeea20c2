// SPDX-License-Identifier: Apache-2.0
// Quantities as people write them, always with their unit: "20.6 GB/s", "1.5 us", "85 %", "7:1".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace tutti::topology {

// Each fails with tuttiInvalidArgument and a text that begins with what was written: "20.6" has no unit. Fractions below the unit of the result are
// cut off.
Result<uint64_t> parse_bandwidth(std::string_view text);  // bytes per second, at least 1: "GB/s" is 1e9, "GiB/s" 2^30, "Gbit/s" 1.25e8
Result<uint64_t> parse_duration(std::string_view text);   // nanoseconds
Result<uint32_t> parse_share(std::string_view text);      // per mille, 1 to 1000: "85 %"
Result<uint32_t> parse_ratio(std::string_view text);      // per mille, at least 1000: "1.75:1"

std::string format_bandwidth(uint64_t bytes_per_s);  // "20.6 GB/s"
std::string format_duration(uint64_t ns);            // "1.5 us"
std::string format_share(uint32_t per_mille);        // "85 %"

}  // namespace tutti::topology
