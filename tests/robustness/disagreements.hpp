// SPDX-License-Identifier: Apache-2.0
// Calls about which the ranks of a communicator disagree, for threads and for processes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tutti/tutti.h"

namespace tutti::robustness {

// One rank's buffers, large enough for every disagreement below.
struct Buffers {
  std::vector<int32_t> input = std::vector<int32_t>(1 << 18, 1);
  std::vector<int32_t> output = std::vector<int32_t>(1 << 18);
  std::vector<size_t> counts, displacements, other_counts;
};

struct Disagreement {
  std::string_view name;
  // What the message tells beside the two ranks; empty: nothing in particular.
  std::string_view word;
  // Makes this rank's call. The last rank is the one that calls otherwise.
  tuttiResult_t (*call)(int rank, int rank_count, tuttiComm_t comm, Buffers& buffers);
};

std::span<const Disagreement> disagreements();

// What a rank goes through: the call and its synchronisation, then more calls until one fails.
struct Verdict {
  tuttiResult_t call = tuttiSuccess;         // of the call that the ranks disagree about, once synchronised
  tuttiResult_t code = tuttiSuccess;         // of the first call that failed; success: none did
  int calls_before = 0;                      // how many succeeded before
};
// Calls after the one in question; one of them at the latest must tell.
inline constexpr int kCallsAfter = 3;
Verdict disagree(const Disagreement& disagreement, int rank, int rank_count, tuttiComm_t comm, Buffers& buffers);

}  // namespace tutti::robustness
