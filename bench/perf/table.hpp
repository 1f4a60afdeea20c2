// SPDX-License-Identifier: Apache-2.0
// The lines nccl-tests prints, as text.
#pragma once

#include <string>

#include "report.hpp"

namespace tutti::perf {

std::string header_text(const RunInfo& run);
std::string row_text(const Row& row);
std::string footer_text(const RunInfo& run, const Summary& summary);

// `value` right-aligned in `width` with as many decimals, at most two, as fit.
std::string fitted(double value, int width);

}  // namespace tutti::perf
