// SPDX-License-Identifier: Apache-2.0
// Why a plan is what it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "cost/bill.hpp"
#include "schedule/problem.hpp"

namespace tutti::planner {

struct Explanation {
  struct Candidate {
    std::string algorithm;
    std::string idea;
    cost::Bill bill;
    bool is_estimate = false;         // priced by a closed form, or by a few ranks played alone
    bool leaves_out_sharing = false;  // the latter where messages share links: such prices come after all others
  };
  struct Excluded {
    std::string algorithm;
    std::string reason;
  };
  // Sizes whose plan is one algorithm.
  struct Range {
    uint64_t first_bytes = 0;
    uint64_t last_bytes = 0;
    std::string algorithm;
  };
  struct Shared {
    std::string algorithm;
    uint64_t price_ns = 0;
  };

  schedule::Problem problem;
  // What the machine is, a line each.
  std::vector<std::string> machine;
  // Of the vector, or of one block; 0 of variable blocks whose size is unknown.
  uint64_t bytes = 0;
  // The size that stands for it: prices are for this one.
  uint64_t priced_bytes = 0;
  std::vector<Candidate> candidates;  // cheapest first
  std::string chosen;                 // empty: there is none
  bool is_forced = false;
  std::string forced_by;  // "TUTTI_ALGO"
  std::optional<Shared> when_shared;  // what is done instead when every rank's buffers are from tuttiMemAlloc
  std::vector<Excluded> excluded;
  std::vector<Range> ranges;  // smaller ones first, of the vector or of one block; empty: not asked for

  // Null if it is none.
  const Candidate* find(std::string_view algorithm) const;
};

enum class Ranges : uint8_t { leave_out, find };

// For people; several lines.
std::string to_string(const Explanation& explanation);
// Why `algorithm` has not been chosen: its price and its parts beside those of what has been, or why it does not apply. A few lines. Errors:
// tuttiInvalidArgument if there is no such algorithm.
Result<std::string> why_not(const Explanation& explanation, std::string_view algorithm);

// "64 MiB", "1000 B": a binary unit only where it leaves nothing over.
std::string size_text(uint64_t bytes);
// "1.50 ms"
std::string duration_text(uint64_t ns);

}  // namespace tutti::planner
