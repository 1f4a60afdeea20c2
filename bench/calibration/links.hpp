// SPDX-License-Identifier: Apache-2.0
// What Tutti's own transports do between two processes of this machine: what planners count with.
#pragma once

#include "comm/measured_links.hpp"

namespace tutti::calibrate {

// Of each transport that two processes of a machine can use. Takes about a second. Nothing, with a message on stderr, if there are no two processors.
comm::MeasuredLinks measure_links();

void print_links(const comm::MeasuredLinks& measured);

}  // namespace tutti::calibrate
