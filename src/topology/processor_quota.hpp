// SPDX-License-Identifier: Apache-2.0
// How much processor time the control groups of a process leave it: containers are often allowed fewer processors' worth than they see.
#pragma once

#include <cstdint>
#include <string>

#include "topology/discovery.hpp"

namespace tutti::topology {

// Processors' worth of time, rounded up: the least of the groups that this process is in, of version 2 or 1. 0: no limit, or none that can be read.
// `root` takes the place of "/" in tests.
uint32_t read_processor_quota(const std::string& root = {});
// Of this process, looked at once.
uint32_t processor_quota_of_this_process();

// The lowest `count` of the processors; all for a count of 0.
ProcessorWords lowest_processors(const ProcessorWords& processors, uint32_t count);

}  // namespace tutti::topology
