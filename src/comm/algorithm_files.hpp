// SPDX-License-Identifier: Apache-2.0
// Algorithms from files in MSCCL's format, as TUTTI_ALGO_FILE names them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "planner/planner.hpp"

namespace tutti::comm {

// What is done about files that are all for other rank counts.
enum class Misfits : uint8_t { error, pass_over };

// Of the files, whose paths colons separate, those for `rank_count` ranks, in their order; verified. Errors: those of msccl::import_file(), which
// name file, line and step; tuttiInvalidArgument for more files than are taken.
Result<std::vector<planner::Prescription>> load_algorithm_files(std::string_view paths, uint32_t rank_count, Misfits misfits);

// For ranks to compare: "msccl:ring#5f0c62e1a4b7d398", ...
std::string to_string(const std::vector<planner::Prescription>& prescriptions);

}  // namespace tutti::comm
