// SPDX-License-Identifier: Apache-2.0
// What communicators take, they give back.
#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

struct Counts {
  size_t descriptors = count_descriptors();
  size_t threads = count_threads();
  size_t mappings = count_mappings();
};

void open_use_and_close() {
  const LocalRanks ranks(2);
  ranks.expect_works();
}

// The first ones make what the process keeps: the engine's thread, pools, handle tables, the allocator's heaps.
TEST(Growth, AHundredCommunicatorsLeaveNothingBehind) {
  for (int i = 0; i < 10; ++i) {
    open_use_and_close();
  }
  const Counts before;
  for (int i = 0; i < 50; ++i) {  // of two ranks each
    open_use_and_close();
  }
  const Counts after;
  EXPECT_LE(after.descriptors, before.descriptors);
  EXPECT_LE(after.threads, before.threads);
  EXPECT_LE(after.mappings, before.mappings + 8);  // the allocator may have grown a heap, not a hundred
}

}  // namespace
}  // namespace tutti::robustness
