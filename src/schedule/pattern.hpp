// SPDX-License-Identifier: Apache-2.0
// Who sends what to whom in an algorithm whose schedules follow one pattern: what its price at scale can be worked out from without building them.
#pragma once

#include <cstdint>

namespace tutti::schedule {

enum class Pattern : uint8_t {
  other,
  ring,                // chunks around a ring of all ranks, or a chain of them from the root or to it
  one_shot,            // every block goes straight to where it is needed
  two_shot,            // the vector is cut among all ranks, then put together again
  pairwise,            // one partner after another
  recursive_doubling,  // partners at distances 1, 2, 4, ...
  dissemination,       // tokens to the ranks 1, 2, 4, ... ahead
  bruck,               // bundles of blocks travel distances 1, 2, 4, ...
  flat_tree,           // everybody speaks with rank 0
};

}  // namespace tutti::schedule
