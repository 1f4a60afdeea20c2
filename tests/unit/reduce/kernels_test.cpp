// SPDX-License-Identifier: Apache-2.0
// Every type and operator against the reference, on every instruction set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "instruction_sets.hpp"
#include "reference.hpp"

namespace tutti::reduce {
namespace {

constexpr uint64_t kSeed = 20'231'107;
constexpr size_t kMostElements = 1100;
constexpr size_t kMostInputs = 9;
constexpr std::byte kSentinel{0xA5};

// Each input begins at another distance from a vector's alignment.
class Inputs {
 public:
  Inputs(tuttiDataType_t datatype, std::mt19937_64& random) : element_bytes_(size_of(datatype)) {
    for (size_t k = 0; k < kMostInputs; ++k) {
      elements_.push_back(reference::random_elements(datatype, kMostElements, random));
      placed_.emplace_back(kMostElements * element_bytes_ + 64);
      std::memcpy(at(k, 0), elements_[k].data(), elements_[k].size());
    }
  }

  std::byte* at(size_t k, size_t index) { return placed_[k].data() + ((k * 3) % 5 + index) * element_bytes_; }

  std::vector<const void*> from(size_t index, size_t input_count) {
    std::vector<const void*> pointers;
    for (size_t k = 0; k < input_count; ++k) pointers.push_back(at(k, index));
    return pointers;
  }

  void restore(size_t k) { std::memcpy(at(k, 0), elements_[k].data(), elements_[k].size()); }

 private:
  size_t element_bytes_;
  std::vector<std::vector<std::byte>> elements_;
  std::vector<std::vector<std::byte>> placed_;
};

struct Case {
  Operator op;
  Final final = Final::yes;
  size_t input_count = 1;
};

class TypeTest : public testing::TestWithParam<tuttiDataType_t> {
 protected:
  TypeTest() : random_(kSeed), inputs_(GetParam(), random_), bytes_(size_of(GetParam())) {
    RecordProperty("seed", std::to_string(kSeed));
  }

  // Counts about each width of vector and of unrolled loop, primes, and one beyond a thousand.
  std::vector<size_t> counts() const {
    std::vector<size_t> counts{0, 1, 2, 3, 5, 7, 13, 31, 61, 251, 509, 1021, 1069};
    for (const size_t vector_bytes : {8, 16, 32, 64, 128, 256}) {
      const size_t lanes = vector_bytes / bytes_;
      for (const size_t count : {lanes - 1, lanes, lanes + 1}) counts.push_back(count);
    }
    std::sort(counts.begin(), counts.end());
    counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
    return counts;
  }

  std::vector<Case> cases() const {
    std::vector<Case> cases;
    for (int op = tuttiSum; op < tuttiNumOps; ++op) {
      if (!is_supported(static_cast<tuttiRedOp_t>(op), GetParam())) continue;
      for (size_t input_count = 1; input_count <= kMostInputs; ++input_count) {
        for (const Final final : {Final::no, Final::yes}) {
          if (op != tuttiAvg && final == Final::no) continue;
          const auto rank_count = static_cast<uint32_t>(input_count);
          cases.push_back({{.op = static_cast<tuttiRedOp_t>(op), .rank_count = rank_count}, final, input_count});
        }
      }
    }
    return cases;
  }

  // Reduces [begin, begin + count) beside the inputs, and checks the bytes around the target as well.
  void check_apart(const Case& test, const std::vector<std::byte>& expected, size_t begin, size_t count) {
    std::vector<std::byte> target((kMostElements + 32) * bytes_, kSentinel);
    std::vector<std::byte> expected_target = target;
    std::memcpy(&expected_target[(begin + 1) * bytes_], &expected[begin * bytes_], count * bytes_);
    reduce(test.op, GetParam(), inputs_.from(begin, test.input_count), &target[(begin + 1) * bytes_], count, test.final);
    ASSERT_EQ(std::memcmp(target.data(), expected_target.data(), target.size()), 0);
  }

  // The target is input `k`.
  void check_aliased(const Case& test, const std::vector<std::byte>& expected, size_t k, size_t begin, size_t count) {
    std::byte* target = inputs_.at(k, begin);
    reduce(test.op, GetParam(), inputs_.from(begin, test.input_count), target, count, test.final);
    const bool equal = count == 0 || std::memcmp(target, &expected[begin * bytes_], count * bytes_) == 0;
    inputs_.restore(k);
    ASSERT_TRUE(equal) << "target is input " << k;
  }

  std::mt19937_64 random_;
  Inputs inputs_;
  size_t bytes_;
};

INSTANTIATE_TEST_SUITE_P(Types, TypeTest,
                         testing::Values(tuttiInt8, tuttiUint8, tuttiInt32, tuttiUint32, tuttiInt64, tuttiUint64, tuttiFloat16,
                                         tuttiFloat32, tuttiFloat64, tuttiBfloat16, tuttiFloat8e4m3, tuttiFloat8e5m2),
                         [](const auto& info) { return std::string(name_of(info.param)); });

// As results of all counts and beginnings are compared with one reference, they also do not depend on how a range is cut.
TEST_P(TypeTest, AgreesWithTheReferenceBitForBit) {
  for (const Case& test : cases()) {
    const auto expected =
        reference::reduce(test.op, GetParam(), inputs_.from(0, test.input_count), kMostElements, test.final);
    on_every_instruction_set([&] {
      for (const size_t count : counts()) {
        const size_t begin = count % 17;
        SCOPED_TRACE(testing::Message() << name_of(test.op.op) << " of " << test.input_count << " inputs, elements " << begin
                                        << " to " << begin + count << ", seed " << kSeed);
        ASSERT_NO_FATAL_FAILURE(check_apart(test, expected, begin, count));
        ASSERT_NO_FATAL_FAILURE(check_aliased(test, expected, 0, begin, count));
        ASSERT_NO_FATAL_FAILURE(check_aliased(test, expected, test.input_count / 2, begin, count));
        ASSERT_NO_FATAL_FAILURE(check_aliased(test, expected, test.input_count - 1, begin, count));
      }
    });
    ASSERT_FALSE(HasFatalFailure());
  }
}

TEST_P(TypeTest, TheTargetMayBeSeveralInputs) {
  for (int op = tuttiSum; op < tuttiNumOps; ++op) {
    const Operator as_operator{.op = static_cast<tuttiRedOp_t>(op), .rank_count = 3};
    if (!is_supported(as_operator.op, GetParam())) continue;
    const std::vector<const void*> inputs{inputs_.at(0, 0), inputs_.at(1, 0), inputs_.at(0, 0)};
    const auto expected = reference::reduce(as_operator, GetParam(), inputs, kMostElements, Final::yes);
    on_every_instruction_set([&] {
      reduce(as_operator, GetParam(), inputs, inputs_.at(0, 0), kMostElements, Final::yes);
      EXPECT_EQ(std::memcmp(inputs_.at(0, 0), expected.data(), expected.size()), 0) << name_of(as_operator.op);
      inputs_.restore(0);
    });
  }
}

TEST_P(TypeTest, TakesTheMostInputs) {
  std::vector<const void*> inputs;
  for (size_t k = 0; k < kMaxInputs; ++k) inputs.push_back(inputs_.at(k % kMostInputs, 0));
  const Operator average{.op = tuttiAvg, .rank_count = kMaxInputs};
  const auto expected = reference::reduce(average, GetParam(), inputs, kMostElements, Final::yes);
  on_every_instruction_set([&] {
    std::vector<std::byte> result(expected.size());
    reduce(average, GetParam(), inputs, result.data(), kMostElements, Final::yes);
    EXPECT_EQ(result, expected);
  });
}

TEST_P(TypeTest, AveragesOverAnyRankCount) {
  const auto inputs = inputs_.from(0, 2);
  for (const uint32_t rank_count : {1u, 2u, 3u, 7u, 127u, 128u, 255u, 256u, 257u, 8960u, 16'777'217u, 4'294'967'295u}) {
    const Operator average{.op = tuttiAvg, .rank_count = rank_count};
    const auto expected = reference::reduce(average, GetParam(), inputs, kMostElements, Final::yes);
    on_every_instruction_set([&] {
      std::vector<std::byte> result(expected.size());
      reduce(average, GetParam(), inputs, result.data(), kMostElements, Final::yes);
      EXPECT_EQ(result, expected) << rank_count << " ranks";
    });
  }
}

TEST_P(TypeTest, ScalesApartAndInPlace) {
  const auto scalars = reference::random_elements(GetParam(), 24, random_);
  for (size_t k = 0; k < 24; ++k) {
    const std::byte* scalar = &scalars[k * bytes_];
    const auto expected = reference::scale(GetParam(), inputs_.at(k % kMostInputs, 0), scalar, kMostElements);
    on_every_instruction_set([&] {
      for (const size_t count : counts()) {
        std::byte* source = inputs_.at(k % kMostInputs, 0);
        std::vector<std::byte> result(count * bytes_);
        scale(GetParam(), source, scalar, result.data(), count);
        ASSERT_TRUE(std::equal(result.begin(), result.end(), expected.begin())) << "scalar " << k << ", seed " << kSeed;
        scale(GetParam(), source, scalar, source, count);
        ASSERT_EQ(std::memcmp(source, expected.data(), count * bytes_), 0) << "scalar " << k << ", seed " << kSeed;
        inputs_.restore(k % kMostInputs);
      }
    });
    ASSERT_FALSE(HasFatalFailure());
  }
}

// Targets begin at every distance from a line that their elements allow, and end at every distance within two.
TEST_P(TypeTest, StreamingStoresWriteTheSameBytesAndNoOthers) {
  constexpr size_t kLineBytes = 64;
  const Operator average{.op = tuttiAvg, .rank_count = 3};
  const auto expected = reference::reduce(average, GetParam(), inputs_.from(0, 3), kMostElements, Final::yes);
  const size_t shifts = kLineBytes / bytes_;
  on_every_instruction_set([&] {
    for (size_t shift = 0; shift < shifts; ++shift) {
      for (size_t count : {size_t{0}, size_t{1}, shifts - shift, 4 * shifts - shift, 4 * shifts + 1, kMostElements - shift}) {
        count = std::min(count, kMostElements);
        std::vector<std::byte> room(kMostElements * bytes_ + 4 * kLineBytes, kSentinel);
        std::byte* const target = room.data() + kLineBytes + shift * bytes_;
        reduce(average, GetParam(), inputs_.from(0, 3), target, count, Final::yes, Stores::streaming);
        const std::byte* const end = target + count * bytes_;
        ASSERT_EQ(std::memcmp(target, expected.data(), count * bytes_), 0) << count << " elements, shift " << shift;
        ASSERT_TRUE(std::all_of<const std::byte*>(room.data(), target, [](std::byte b) { return b == kSentinel; }));
        ASSERT_TRUE(std::all_of(end, const_cast<const std::byte*>(room.data() + room.size()), [](std::byte b) { return b == kSentinel; }));
      }
    }
  });
}

// Beside a target that is none, since streaming to inputs only would be no streaming.
TEST_P(TypeTest, StreamingStoresMayReplaceAnInput) {
  constexpr size_t kLineBytes = 64;
  for (size_t k = 0; k < 3; ++k) {
    const auto expected = reference::reduce({.op = tuttiMax}, GetParam(), inputs_.from(0, 3), kMostElements, Final::yes);
    on_every_instruction_set([&] {
      std::vector<std::byte> room(expected.size() + kLineBytes);
      std::byte* const input = inputs_.at(k, 0);
      std::byte* const apart = room.data() + (reinterpret_cast<uintptr_t>(input) - reinterpret_cast<uintptr_t>(room.data())) % kLineBytes;
      const std::vector<void*> targets{apart, input};
      reduce({.op = tuttiMax}, GetParam(), inputs_.from(0, 3), targets, kMostElements, Final::yes, Stores::streaming);
      EXPECT_EQ(std::memcmp(apart, expected.data(), expected.size()), 0) << "seed " << kSeed;
      EXPECT_EQ(std::memcmp(input, expected.data(), expected.size()), 0) << "target is input " << k << ", seed " << kSeed;
      inputs_.restore(k);
    });
  }
}

// In the first round lines begin at the same elements of all targets; in the second one nowhere.
TEST_P(TypeTest, SeveralTargetsGetTheSameBytesAndNoOthers) {
  constexpr size_t kLineBytes = 64;
  constexpr size_t kTargets = 5;
  const Operator average{.op = tuttiAvg, .rank_count = 3};
  const auto expected = reference::reduce(average, GetParam(), inputs_.from(0, 3), kMostElements, Final::yes);
  on_every_instruction_set([&] {
    for (const Stores stores : {Stores::cached, Stores::streaming}) {
      for (const size_t shift : {size_t{0}, bytes_}) {
        for (const size_t target_count : {size_t{1}, size_t{2}, kTargets}) {
          for (const size_t count : {size_t{1}, 4 * kLineBytes / bytes_ + 1, kMostElements}) {
            std::vector<std::vector<std::byte>> rooms(target_count);
            std::vector<std::vector<std::byte>> expected_rooms(target_count);
            std::vector<void*> targets;
            for (size_t t = 0; t < target_count; ++t) {
              rooms[t].assign(kMostElements * bytes_ + 3 * kLineBytes, kSentinel);
              const size_t to_line = (0 - reinterpret_cast<uintptr_t>(rooms[t].data())) % kLineBytes;
              expected_rooms[t] = rooms[t];
              const size_t begin = to_line + bytes_ + t * shift;
              std::memcpy(&expected_rooms[t][begin], expected.data(), count * bytes_);
              targets.push_back(&rooms[t][begin]);
            }
            reduce(average, GetParam(), inputs_.from(0, 3), targets, count, Final::yes, stores);
            ASSERT_EQ(rooms, expected_rooms) << count << " elements, " << target_count << " targets, shift " << shift << ", seed " << kSeed;
          }
        }
      }
    }
  });
}

TEST_P(TypeTest, SeveralTargetsMayReplaceInputs) {
  for (const Stores stores : {Stores::cached, Stores::streaming}) {
    const auto expected = reference::reduce({.op = tuttiMax}, GetParam(), inputs_.from(0, 3), kMostElements, Final::yes);
    on_every_instruction_set([&] {
      const std::vector<void*> targets{inputs_.at(2, 0), inputs_.at(0, 0)};
      reduce({.op = tuttiMax}, GetParam(), inputs_.from(0, 3), targets, kMostElements, Final::yes, stores);
      EXPECT_EQ(std::memcmp(inputs_.at(0, 0), expected.data(), expected.size()), 0) << "seed " << kSeed;
      EXPECT_EQ(std::memcmp(inputs_.at(2, 0), expected.data(), expected.size()), 0) << "seed " << kSeed;
      inputs_.restore(0);
      inputs_.restore(2);
    });
  }
}

// Longer than the pieces through which targets go whose lines begin at different elements.
TEST_P(TypeTest, LongStreamsToUnevenTargetsAreWhole) {
  const size_t count = 40'000 / bytes_ + 1;
  const auto elements = reference::random_elements(GetParam(), 2 * count, random_);
  const std::vector<const void*> inputs{elements.data(), &elements[count * bytes_]};
  const auto expected = reference::reduce({.op = tuttiSum}, GetParam(), inputs, count, Final::yes);
  std::vector<std::byte> even(count * bytes_);
  std::vector<std::byte> odd((count + 1) * bytes_);
  const std::vector<void*> targets{even.data(), &odd[bytes_]};
  reduce({.op = tuttiSum}, GetParam(), inputs, targets, count, Final::yes, Stores::streaming);
  EXPECT_EQ(even, expected) << "seed " << kSeed;
  EXPECT_TRUE(std::equal(expected.begin(), expected.end(), odd.begin() + static_cast<std::ptrdiff_t>(bytes_))) << "seed " << kSeed;
}

TEST_P(TypeTest, ScalesWithStreamingStores) {
  const auto scalar = reference::random_elements(GetParam(), 1, random_);
  const auto expected = reference::scale(GetParam(), inputs_.at(0, 0), scalar.data(), kMostElements);
  on_every_instruction_set([&] {
    std::vector<std::byte> result(expected.size());
    scale(GetParam(), inputs_.at(0, 0), scalar.data(), result.data(), kMostElements, Stores::streaming);
    EXPECT_EQ(result, expected) << "seed " << kSeed;
  });
}

// All pairs and their order, for the values whose order processors disagree about.
template <class T>
void check_extremes_of_specials() {
  constexpr T kNan = std::numeric_limits<T>::quiet_NaN();
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const std::vector<T> specials{T{0},      -T{0}, T{1},  T{-1}, kInfinity,
                                -kInfinity, kNan,  -kNan, std::numeric_limits<T>::denorm_min()};
  constexpr tuttiDataType_t kType = sizeof(T) == 4 ? tuttiFloat32 : tuttiFloat64;
  for (const T a : specials) {
    for (const T b : specials) {
      for (const auto op : {tuttiMax, tuttiMin}) {
        const std::vector<T> many_a(37, a);
        const std::vector<T> many_b(37, b);
        const std::vector<const void*> inputs{many_a.data(), many_b.data()};
        const std::vector<const void*> swapped{many_b.data(), many_a.data()};
        std::vector<T> result(37);
        std::vector<T> result_swapped(37);
        reduce({.op = op}, kType, inputs, result.data(), 37, Final::yes);
        reduce({.op = op}, kType, swapped, result_swapped.data(), 37, Final::yes);
        ASSERT_EQ(std::memcmp(result.data(), result_swapped.data(), 37 * sizeof(T)), 0) << a << " and " << b;
        ASSERT_EQ(std::isnan(result[0]), std::isnan(a) || std::isnan(b)) << a << " and " << b;
        if (a == b) {
          const bool negative =
              op == tuttiMax ? std::signbit(a) && std::signbit(b) : std::signbit(a) || std::signbit(b);
          ASSERT_EQ(std::signbit(result[0]), negative) << a << " and " << b;
        }
      }
    }
  }
}

TEST(SpecialValuesTest, MaxAndMinDoNotDependOnTheOrder) {
  on_every_instruction_set(check_extremes_of_specials<float>);
  on_every_instruction_set(check_extremes_of_specials<double>);
}

TEST(SpecialValuesTest, NanIsCanonicalHoweverItCameAbout) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> a(37, kInfinity);
  const std::vector<float> b(37, -kInfinity);
  const std::vector<const void*> inputs{a.data(), b.data()};
  on_every_instruction_set([&] {
    std::vector<uint32_t> result(37);
    reduce({.op = tuttiSum}, tuttiFloat32, inputs, result.data(), 37, Final::yes);
    EXPECT_EQ(result, std::vector<uint32_t>(37, 0x7FC00000u));
  });
}

TEST(SpecialValuesTest, IntegerAverageTruncatesTheWrappedSum) {
  const std::vector<int8_t> a{-128, 127, -7, 7};
  const std::vector<int8_t> b{-128, 127, 0, 0};
  const std::vector<const void*> inputs{a.data(), b.data()};
  std::vector<int8_t> result(4);
  reduce({.op = tuttiAvg, .rank_count = 2}, tuttiInt8, inputs, result.data(), 4, Final::yes);
  EXPECT_EQ(result, (std::vector<int8_t>{0, -1, -3, 3}));
}

TEST(SupportTest, BitOperatorsTakeIntegersOnly) {
  for (int type = 0; type < tuttiNumTypes; ++type) {
    const auto datatype = static_cast<tuttiDataType_t>(type);
    for (const auto op : {tuttiSum, tuttiProd, tuttiMax, tuttiMin, tuttiAvg}) EXPECT_TRUE(is_supported(op, datatype));
    for (const auto op : {tuttiBand, tuttiBor, tuttiBxor}) EXPECT_EQ(is_supported(op, datatype), type <= tuttiUint64);
  }
  EXPECT_FALSE(is_supported(tuttiNumOps, tuttiInt8));
  EXPECT_FALSE(is_supported(static_cast<tuttiRedOp_t>(-1), tuttiInt8));
  EXPECT_FALSE(is_supported(tuttiSum, tuttiNumTypes));
}

}  // namespace
}  // namespace tutti::reduce
