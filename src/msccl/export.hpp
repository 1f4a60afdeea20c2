// SPDX-License-Identifier: Apache-2.0
// Schedules in the format of MSCCL.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/status.hpp"
#include "msccl/program.hpp"
#include "schedule/schedule.hpp"

namespace tutti::msccl {

// What the schedules of all ranks do: a threadblock for each peer and channel that a rank sends to, or receives from, and one for each lane's
// copies and reductions. Input and output are two memories. Errors: tuttiUnsupported naming rank and step that MSCCL has no word for: what works
// in the memory of peers, and messages that switches carry as one; blocks of different lengths; a barrier.
Result<Program> export_schedules(std::string_view name, const schedule::Problem& problem, std::span<const schedule::Schedule> schedules);

// The file, which parse() reads.
std::string to_xml(const Program& program);

}  // namespace tutti::msccl
