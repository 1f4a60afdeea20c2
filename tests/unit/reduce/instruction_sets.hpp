// SPDX-License-Identifier: Apache-2.0
// Runs a test on every instruction set that this machine has and the kernels were compiled for.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>

#include "reduce/kernel.hpp"
#include "reduce/reduce.hpp"
#include "reduce/targets.hpp"

#include "hwy/highway.h"

namespace tutti::reduce {

class ForcedInstructionSet {
 public:
  explicit ForcedInstructionSet(int64_t target) { force(target); }
  ~ForcedInstructionSet() { force(0); }
  ForcedInstructionSet(const ForcedInstructionSet&) = delete;
  ForcedInstructionSet& operator=(const ForcedInstructionSet&) = delete;

 private:
  static void force(int64_t target) {
    hwy::SetSupportedTargetsForTest(target);
    forget_kernels();
  }
};

template <class Body>
void on_every_instruction_set(Body body) {
  const auto targets = hwy::SupportedAndGeneratedTargets();
  ASSERT_FALSE(targets.empty());
  for (const int64_t target : targets) {
    const ForcedInstructionSet forced(target);
    ASSERT_STREQ(instruction_set(), hwy::TargetName(target));
    SCOPED_TRACE(instruction_set());
    body();
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace tutti::reduce
