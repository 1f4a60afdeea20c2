// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "instruction_sets.hpp"

namespace tutti::reduce {
namespace {

class CopyTest : public testing::TestWithParam<Stores> {};

INSTANTIATE_TEST_SUITE_P(Stores, CopyTest, testing::Values(Stores::cached, Stores::streaming),
                         [](const auto& info) { return info.param == Stores::cached ? "Cached" : "Streaming"; });

TEST_P(CopyTest, CopiesEveryLengthBetweenAnyAlignments) {
  constexpr uint64_t kSeed = 20'240'611;
  constexpr std::byte kSentinel{0xA5};
  RecordProperty("seed", std::to_string(kSeed));
  constexpr size_t kMostBytes = 1500;
  constexpr size_t kLineBytes = 64;
  std::mt19937_64 random(kSeed);
  std::vector<std::byte> source(kMostBytes + kLineBytes);
  for (auto& byte : source) byte = static_cast<std::byte>(random());
  on_every_instruction_set([&] {
    for (size_t shift = 0; shift < kLineBytes; ++shift) {
      const size_t source_shift = random() % kLineBytes;
      for (size_t bytes : {size_t{0}, size_t{1}, kLineBytes - shift, size_t{255}, size_t{256}, size_t{321}, 320 - shift, size_t{1024}, kMostBytes}) {
        std::vector<std::byte> target(kMostBytes + 4 * kLineBytes, kSentinel);
        std::vector<std::byte> expected = target;
        std::memcpy(&expected[kLineBytes + shift], &source[source_shift], bytes);
        copy(&source[source_shift], &target[kLineBytes + shift], bytes, GetParam());
        ASSERT_EQ(target, expected) << bytes << " bytes from shift " << source_shift << " to " << shift << ", seed " << kSeed;
      }
    }
  });
}

}  // namespace
}  // namespace tutti::reduce
