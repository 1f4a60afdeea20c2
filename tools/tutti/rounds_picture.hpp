// SPDX-License-Identifier: Apache-2.0
// What passes between ranks in each round.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "schedule/rounds.hpp"

namespace tutti::tool {

// SVG: a row for each rank, a column for each round.
std::string rounds_picture(std::string_view title, uint32_t rank_count, std::span<const schedule::Passage> passages);
// A line for each round.
std::string rounds_text(std::span<const schedule::Passage> passages);

}  // namespace tutti::tool
