// SPDX-License-Identifier: Apache-2.0
// One collective on buffers of known content: what goes in, what must come out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "adapter.h"

namespace tutti::peers {

// Name on the command line and in the output; nullptr for a collective that does not exist.
const char* name_of(PeerCollective collective);

struct Problem {
  PeerCollective collective;
  std::size_t count;  // as PeerCall::count
  int rank;
  int rank_count;
};

// Whether the vector can be cut as the collective wants it.
bool is_defined(const Problem& problem);

// Elements this rank receives.
std::size_t receive_count(const Problem& problem);

void fill_input(const Problem& problem, float* send, float* receive);
// Puts into `receive` what no collective can leave there.
void wipe_output(const Problem& problem, float* receive);
std::int64_t count_wrong(const Problem& problem, const float* receive);

}  // namespace tutti::peers
