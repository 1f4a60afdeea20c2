// SPDX-License-Identifier: Apache-2.0
#include "reduce/float_environment.hpp"

#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <limits>
#include <vector>

#include "instruction_sets.hpp"

namespace tutti::reduce {
namespace {

class RoundingMode {
 public:
  explicit RoundingMode(int mode) : saved_(std::fegetround()) { std::fesetround(mode); }
  ~RoundingMode() { std::fesetround(saved_); }
  RoundingMode(const RoundingMode&) = delete;
  RoundingMode& operator=(const RoundingMode&) = delete;

 private:
  int saved_;
};

TEST(FloatEnvironmentTest, ResultsDoNotDependOnTheCallersRounding) {
  const std::vector<float> a(37, 1.0f);
  const std::vector<float> b(37, std::ldexp(1.0f, -30));
  const std::vector<const void*> inputs{a.data(), b.data()};
  on_every_instruction_set([&] {
    std::vector<float> result(37);
    const RoundingMode upward(FE_UPWARD);
    reduce({.op = tuttiSum}, tuttiFloat32, inputs, result.data(), 37, Final::yes);
    EXPECT_EQ(std::fegetround(), FE_UPWARD);
    EXPECT_EQ(result, a);
  });
}

#if defined(__x86_64__)
class FlushToZero {
 public:
  FlushToZero() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushToZero() { _mm_setcsr(saved_); }
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
  unsigned int saved_;
};

TEST(FloatEnvironmentTest, SubnormalsAreKeptInAThreadThatFlushesThem) {
  const std::vector<double> tiny(37, std::numeric_limits<double>::denorm_min());
  const std::vector<double> twice(37, 2 * std::numeric_limits<double>::denorm_min());
  const std::vector<const void*> inputs{tiny.data(), tiny.data()};
  std::vector<double> result(37);
  {
    const FlushToZero flush;
    reduce({.op = tuttiSum}, tuttiFloat64, inputs, result.data(), 37, Final::yes);
    EXPECT_EQ(_mm_getcsr() & 0x8040u, 0x8040u);
  }
  EXPECT_EQ(result, twice);
}
#endif

}  // namespace
}  // namespace tutti::reduce
