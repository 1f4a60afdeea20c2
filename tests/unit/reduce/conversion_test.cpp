// SPDX-License-Identifier: Apache-2.0
// The narrow types, exhaustively: what the kernels read, and how they round.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/types.hpp"
#include "instruction_sets.hpp"
#include "reference.hpp"
#include "support/test_size.hpp"

namespace tutti::reduce {
namespace {

using reference::NarrowFormat;

void store_code(uint32_t code, size_t element_bytes, std::byte* target) { std::memcpy(target, &code, element_bytes); }

std::vector<std::byte> all_codes(tuttiDataType_t datatype) {
  const uint32_t count = NarrowFormat::of(datatype).code_count();
  std::vector<std::byte> bytes(count * size_of(datatype));
  for (uint32_t code = 0; code < count; ++code) store_code(code, size_of(datatype), &bytes[code * size_of(datatype)]);
  return bytes;
}

TEST(NarrowFormatTest, KnowsTheLandmarksOfTheStandards) {
  const auto& half = NarrowFormat::of(tuttiFloat16);
  EXPECT_EQ(half.value(0x3C00), 1.0f);
  EXPECT_EQ(half.value(0x7BFF), 65504.0f);
  EXPECT_EQ(half.nearest_code(65520.0f), 0x7C00u);
  EXPECT_EQ(half.nearest_code(std::nextafter(65520.0f, 0.0f)), 0x7BFFu);
  EXPECT_EQ(half.value(0x0001), std::ldexp(1.0f, -24));
  EXPECT_EQ(half.nearest_code(std::ldexp(1.0f, -25)), 0u);
  const auto& e4m3 = NarrowFormat::of(tuttiFloat8e4m3);
  EXPECT_EQ(e4m3.value(0x7E), 448.0f);
  EXPECT_EQ(e4m3.nearest_code(464.0f), 0x7Eu);
  EXPECT_EQ(e4m3.nearest_code(std::nextafter(464.0f, 500.0f)), 0x7Fu);
  EXPECT_TRUE(e4m3.is_nan(0xFF));
  EXPECT_EQ(e4m3.value(0x01), std::ldexp(1.0f, -9));
  const auto& e5m2 = NarrowFormat::of(tuttiFloat8e5m2);
  EXPECT_EQ(e5m2.value(0x7B), 57344.0f);
  EXPECT_EQ(e5m2.nearest_code(61440.0f), 0x7Cu);
  EXPECT_EQ(e5m2.value(0x01), std::ldexp(1.0f, -16));
  const auto& bfloat = NarrowFormat::of(tuttiBfloat16);
  EXPECT_EQ(bfloat.value(0x3F80), 1.0f);
  EXPECT_EQ(bfloat.nearest_code(std::numeric_limits<float>::max()), 0x7F80u);
}

class NarrowTypeTest : public testing::TestWithParam<tuttiDataType_t> {};

INSTANTIATE_TEST_SUITE_P(Types, NarrowTypeTest,
                         testing::Values(tuttiFloat16, tuttiBfloat16, tuttiFloat8e4m3, tuttiFloat8e5m2),
                         [](const auto& info) { return std::string(name_of(info.param)); });

TEST_P(NarrowTypeTest, EveryCodeSurvivesAPassAndNanBecomesCanonical) {
  const auto& format = NarrowFormat::of(GetParam());
  const auto codes = all_codes(GetParam());
  on_every_instruction_set([&] {
    std::vector<std::byte> result(codes.size());
    const void* input = codes.data();
    reduce({.op = tuttiSum}, GetParam(), {&input, 1}, result.data(), format.code_count(), Final::yes);
    for (uint32_t code = 0; code < format.code_count(); ++code) {
      uint32_t got = 0;
      std::memcpy(&got, &result[code * size_of(GetParam())], size_of(GetParam()));
      const uint32_t expected =
          format.is_nan(code) ? format.nearest_code(std::numeric_limits<float>::quiet_NaN()) : code;
      ASSERT_EQ(got, expected) << "code " << code;
    }
  });
}

// Each code against a set of others: with float8, all pairs of codes.
TEST_P(NarrowTypeTest, EveryCodeAgainstOthersRoundsToNearestEven) {
  const auto& format = NarrowFormat::of(GetParam());
  const size_t bytes = size_of(GetParam());
  const uint32_t count = format.code_count();
  // Primes: neighbours, ties and extremes of both signs.
  const uint32_t stride = bytes == 1 ? 1 : tests::test_size() == tests::Size::small ? 16'411 : 4099;
  const auto codes = all_codes(GetParam());
  std::vector<std::byte> others(codes.size());
  for (uint32_t other = 0; other < count; other += stride) {
    for (uint32_t i = 0; i < count; ++i) store_code(other, bytes, &others[i * bytes]);
    const std::array<const void*, 2> inputs{codes.data(), others.data()};
    for (const auto op : {tuttiSum, tuttiProd, tuttiMax, tuttiMin, tuttiAvg}) {
      const Operator as_operator{.op = op, .rank_count = 3};
      const auto expected = reference::reduce(as_operator, GetParam(), inputs, count, Final::yes);
      on_every_instruction_set([&] {
        std::vector<std::byte> result(codes.size());
        reduce(as_operator, GetParam(), inputs, result.data(), count, Final::yes);
        ASSERT_EQ(std::memcmp(result.data(), expected.data(), expected.size()), 0)
            << name_of(op) << " with code " << other;
      });
      ASSERT_FALSE(HasFatalFailure());
    }
  }
}

// float32 sums just beside the middle of two neighbours, where rounding goes wrong first.
TEST_P(NarrowTypeTest, SumsBesideEveryMiddleRoundToTheNearerNeighbour) {
  const auto& format = NarrowFormat::of(GetParam());
  const size_t bytes = size_of(GetParam());
  std::vector<std::byte> low;
  std::vector<std::byte> step;
  std::vector<std::byte> nudge;
  const auto append = [&](std::vector<std::byte>& list, float value) {
    list.resize(list.size() + bytes);
    store_code(format.nearest_code(value), bytes, &list[list.size() - bytes]);
  };
  for (uint32_t code = 0; code + 1 < format.code_count() / 2; ++code) {
    const float gap = format.value(code + 1) - format.value(code);
    for (const float sign : {1.0f, -1.0f}) {
      for (const float push : {0.0f, 1.0f, -1.0f}) {
        append(low, sign * format.value(code));
        append(step, sign * gap / 2);
        append(nudge, push * gap / 16);
      }
    }
  }
  const size_t count = low.size() / bytes;
  const std::array<const void*, 3> inputs{low.data(), step.data(), nudge.data()};
  const auto expected = reference::reduce({.op = tuttiSum}, GetParam(), inputs, count, Final::no);
  on_every_instruction_set([&] {
    std::vector<std::byte> result(low.size());
    reduce({.op = tuttiSum}, GetParam(), inputs, result.data(), count, Final::no);
    EXPECT_THAT(result, testing::ContainerEq(expected));
  });
}

}  // namespace
}  // namespace tutti::reduce
