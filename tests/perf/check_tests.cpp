// SPDX-License-Identifier: Apache-2.0
// The checker against reductions made here in the plainest way: it accepts what is right and finds each thing that is wrong.
#include "check.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "collectives/collectives.hpp"
#include "number_formats.hpp"
#include "numbers.hpp"
#include "rank.hpp"

namespace tutti::perf {
namespace {

constexpr uint32_t kSeed = 7;
constexpr size_t kCount = 3001;  // several pieces and a rest

Operator op_named(std::string_view name) { return *find_operator(name); }

template <typename Bits>
std::vector<Bits> input_of(const Numbers& numbers, int rank) {
  std::vector<Bits> input(kCount);
  numbers.write_input({kSeed, rank, 0}, kCount, input.data());
  return input;
}

// The reduction of all ranks' inputs by `combine`, from first to last.
template <typename Bits, typename Combine>
std::vector<Bits> reduced(const Numbers& numbers, int rank_count, Combine combine) {
  std::vector<Bits> result = input_of<Bits>(numbers, 0);
  for (int rank = 1; rank < rank_count; ++rank) {
    const auto next = input_of<Bits>(numbers, rank);
    for (size_t i = 0; i < kCount; ++i) result[i] = combine(result[i], next[i]);
  }
  return result;
}

template <typename Bits>
void expect_accepted_and_each_change_found(const Numbers& numbers, std::vector<Bits> result) {
  EXPECT_EQ(numbers.count_wrong_reduction({kSeed, 0, 0}, kCount, result.data()), 0u);
  for (const size_t at : {size_t{0}, size_t{1023}, size_t{1024}, kCount - 1}) {
    auto changed = result;
    changed[at] = static_cast<Bits>(changed[at] ^ (Bits{1} << (8 * sizeof(Bits) - 2)));  // a high bit: far off in any type
    EXPECT_EQ(numbers.count_wrong_reduction({kSeed, 0, 0}, kCount, changed.data()), 1u) << at;
  }
  // A later stretch is checked against its own indices.
  EXPECT_EQ(numbers.count_wrong_reduction({kSeed, 0, 1500}, kCount - 1500, result.data() + 1500), 0u);
}

TEST(Numbers, WrapIntegerSumsAndProducts) {
  const auto sums = make_numbers({*find_datatype("int32"), op_named("sum"), 5});
  expect_accepted_and_each_change_found(*sums, reduced<uint32_t>(*sums, 5, [](uint32_t a, uint32_t b) { return a + b; }));
  const auto products = make_numbers({*find_datatype("uint64"), op_named("prod"), 5});
  expect_accepted_and_each_change_found(*products, reduced<uint64_t>(*products, 5, [](uint64_t a, uint64_t b) { return a * b; }));
}

TEST(Numbers, KnowTheSignOfIntegers) {
  const auto least = make_numbers({*find_datatype("int8"), op_named("min"), 4});
  expect_accepted_and_each_change_found(
      *least, reduced<uint8_t>(*least, 4, [](uint8_t a, uint8_t b) { return static_cast<int8_t>(a) < static_cast<int8_t>(b) ? a : b; }));
  const auto unsigned_least = make_numbers({*find_datatype("uint8"), op_named("min"), 4});
  expect_accepted_and_each_change_found(*unsigned_least,
                                        reduced<uint8_t>(*unsigned_least, 4, [](uint8_t a, uint8_t b) { return std::min(a, b); }));
}

TEST(Numbers, TruncateIntegerAveragesTowardsZero) {
  const auto averages = make_numbers({*find_datatype("int32"), op_named("avg"), 3});
  auto result = reduced<uint32_t>(*averages, 3, [](uint32_t a, uint32_t b) { return a + b; });
  for (auto& element : result) element = static_cast<uint32_t>(static_cast<int32_t>(element) / 3);
  expect_accepted_and_each_change_found(*averages, result);
}

template <typename Format>
void expect_exact_sums(std::string_view type, int rank_count) {
  using Bits = typename Format::Bits;
  const auto numbers = make_numbers({*find_datatype(type), op_named("sum"), rank_count});
  // Each partial sum is rounded to the type: nothing may be lost. Once from the first rank and once from the last.
  const auto forward = reduced<Bits>(*numbers, rank_count, [](Bits a, Bits b) {
    return Format::encode_exact(static_cast<float>(Format::decode(a) + Format::decode(b)));
  });
  expect_accepted_and_each_change_found(*numbers, forward);
}

TEST(Numbers, MakeSumsExactInEachFloatingType) {
  for (const int ranks : {1, 2, 3, 5, 8, 33}) {
    SCOPED_TRACE(ranks);
    expect_exact_sums<Half>("half", ranks);
    expect_exact_sums<BFloat16>("bfloat16", ranks);
    expect_exact_sums<Float8E4M3>("f8e4m3", ranks);
    expect_exact_sums<Float8E5M2>("f8e5m2", ranks);
    expect_exact_sums<Float>("float", ranks);
    expect_exact_sums<Double>("double", ranks);
  }
}

TEST(Numbers, EachRankCountsInSomeSum) {
  constexpr int kRanks = 33;  // more than f8e5m2 has room for
  const auto numbers = make_numbers({*find_datatype("f8e5m2"), op_named("sum"), kRanks});
  for (int rank = 0; rank < kRanks; ++rank) {
    const auto input = input_of<uint8_t>(*numbers, rank);
    EXPECT_TRUE(std::any_of(input.begin(), input.end(), [](uint8_t bits) { return bits != 0; })) << rank;
  }
}

TEST(Numbers, AverageToleratesTwoUnitsOfRoundingAndNoMore) {
  const auto numbers = make_numbers({*find_datatype("float"), op_named("avg"), 3});
  std::vector<float> result(kCount);
  const auto sums = reduced<uint32_t>(*numbers, 3, [](uint32_t a, uint32_t b) {
    return std::bit_cast<uint32_t>(std::bit_cast<float>(a) + std::bit_cast<float>(b));
  });
  for (size_t i = 0; i < kCount; ++i) result[i] = std::bit_cast<float>(sums[i]) * (1.0f / 3);
  EXPECT_EQ(numbers->count_wrong_reduction({kSeed, 0, 0}, kCount, result.data()), 0u);
  ASSERT_NE(result[5], 0);
  result[5] *= 1.000001f;
  result[6] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(numbers->count_wrong_reduction({kSeed, 0, 0}, kCount, result.data()), 2u);
}

TEST(Numbers, DifferByRankIndexAndSeed) {
  const auto numbers = make_numbers({*find_datatype("uint64"), kNoOperator, 2});
  const auto own = input_of<uint64_t>(*numbers, 0);
  EXPECT_EQ(numbers->count_wrong_input({kSeed, 0, 0}, kCount, own.data()), 0u);
  EXPECT_EQ(numbers->count_wrong_input({kSeed, 1, 0}, kCount, own.data()), kCount);
  EXPECT_EQ(numbers->count_wrong_input({kSeed + 1, 0, 0}, kCount, own.data()), kCount);
  EXPECT_EQ(numbers->count_wrong_input({kSeed, 0, 1}, kCount, own.data()), kCount);
}

TEST(Numbers, DoNotDependOnHowAStretchIsCut) {
  const auto numbers = make_numbers({*find_datatype("int32"), kNoOperator, 2});
  const size_t first = (size_t{1} << 32) - 1500;  // across the index where the hash changes its key
  std::vector<uint32_t> whole(kCount);
  numbers->write_input({kSeed, 1, first}, kCount, whole.data());
  std::vector<uint32_t> rest(kCount - 700);
  numbers->write_input({kSeed, 1, first + 700}, rest.size(), rest.data());
  EXPECT_TRUE(std::equal(rest.begin(), rest.end(), whole.begin() + 700));
}

TEST(Premultiplier, IsAnElementOfTheType) {
  EXPECT_EQ(premultiplier_element(1, *find_datatype("int8")), 2u);
  EXPECT_EQ(premultiplier_element(1, *find_datatype("float")), std::bit_cast<uint32_t>(2.0f));
  EXPECT_EQ(premultiplier_element(0, *find_datatype("double")), std::bit_cast<uint64_t>(1.0));
  EXPECT_EQ(premultiplier_element(1, *find_datatype("half")), 0x4000u);
  EXPECT_EQ(premultiplier_element(0, *find_datatype("bfloat16")), 0x3F80u);
  EXPECT_EQ(premultiplier_element(0, *find_datatype("f8e4m3")), 0x38u);
  EXPECT_EQ(premultiplier_element(0, *find_datatype("f8e5m2")), 0x3Cu);
}

// A broadcast by hand, as rank 1 of 2 receives it.
class CheckedBroadcast : public testing::Test {
 protected:
  static constexpr size_t kElements = 1000;

  CheckedCall call(Place place) {
    const Collective& collective = collectives::broadcast();
    return {collective,       *numbers_, {1, 2, 0, place, collective.layout(kElements, 2)}, sizeof(float), kSeed, send_.data(),
            receive_.data()};
  }

  void deliver() { numbers_->write_input({kSeed, 0, 0}, kElements, receive_.data()); }

  std::unique_ptr<Numbers> numbers_ = make_numbers({datatype_of(tuttiFloat32), kNoOperator, 2});
  Buffer send_{kElements * sizeof(float), Memory::ordinary};
  Buffer receive_{kElements * sizeof(float), Memory::ordinary};
};

TEST_F(CheckedBroadcast, FindsDataThatNeverCame) {
  prepare(call(Place::out_of_place));
  EXPECT_EQ(count_wrong(call(Place::out_of_place)), kElements);
  deliver();
  EXPECT_EQ(count_wrong(call(Place::out_of_place)), 0u);
}

TEST_F(CheckedBroadcast, FindsWritesBesideTheBuffer) {
  prepare(call(Place::in_place));
  deliver();
  receive_.data()[-1] = std::byte{0};
  receive_.data()[kElements * sizeof(float)] = std::byte{0};
  receive_.data()[kElements * sizeof(float) + 1] = std::byte{0};
  EXPECT_EQ(count_wrong(call(Place::in_place)), 3u);
}

TEST(CheckedReduce, FindsAWriteOnARankThatIsNotTheRoot) {
  constexpr size_t kElements = 100;
  const auto numbers = make_numbers({datatype_of(tuttiFloat32), op_named("sum"), 2});
  const Buffer send(kElements * sizeof(float), Memory::ordinary);
  const Buffer receive(kElements * sizeof(float), Memory::ordinary);
  const Collective& collective = collectives::reduce();
  const CheckedCall call{collective,    *numbers,     {1, 2, 0, Place::out_of_place, collective.layout(kElements, 2)},
                         sizeof(float), kSeed,        send.data(),
                         receive.data()};
  prepare(call);
  EXPECT_EQ(count_wrong(call), 0u);
  receive.data()[40] = std::byte{0};
  EXPECT_EQ(count_wrong(call), 1u);
}

}  // namespace
}  // namespace tutti::perf
