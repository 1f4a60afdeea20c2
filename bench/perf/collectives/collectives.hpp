// SPDX-License-Identifier: Apache-2.0
// The collectives, one for each program and file of this folder. They live as long as the process.
#pragma once

#include "collective.hpp"

namespace tutti::perf::collectives {

const Collective& all_reduce();
const Collective& all_gather();
const Collective& reduce_scatter();
const Collective& broadcast();
const Collective& reduce();
const Collective& alltoall();
const Collective& alltoallv();
const Collective& gather();
const Collective& scatter();
const Collective& sendrecv();
const Collective& barrier();

}  // namespace tutti::perf::collectives
