// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "reduce/reduce.hpp"

namespace tutti::reduce {
namespace {

struct Calls {
  size_t count = 0;
  size_t elements = 0;
  tuttiDataType_t datatype = tuttiNumTypes;
};

// Commutative, yet not associative: tells any order of the inputs from any other.
uint64_t mix(uint64_t a, uint64_t b) {
  const uint64_t sum = a + b;
  return (sum ^ (sum >> 29)) * 0x9E3779B97F4A7C15u;
}

void mix_all(const void* in, void* inout, size_t count, tuttiDataType_t datatype, void* context) {
  auto* calls = static_cast<Calls*>(context);
  ++calls->count;
  calls->elements += count;
  calls->datatype = datatype;
  ASSERT_NE(in, inout);
  const auto* from = static_cast<const uint64_t*>(in);
  auto* to = static_cast<uint64_t*>(inout);
  for (size_t i = 0; i < count; ++i) to[i] = mix(from[i], to[i]);
}

using Array = std::vector<uint64_t>;

std::vector<Array> make_arrays(size_t array_count, size_t count) {
  std::vector<Array> arrays(array_count, Array(count));
  uint64_t next = 1;
  for (auto& array : arrays) {
    for (auto& element : array) element = next++ * 0xD1342543DE82EF95u;
  }
  return arrays;
}

// `order` names the array behind each input; the target is an array's number, or one of its own.
void check(const std::vector<size_t>& order, size_t target_array, size_t count) {
  auto arrays = make_arrays(8, count);
  Array expected(count);
  for (size_t i = 0; i < count; ++i) {
    expected[i] = arrays[order[0]][i];
    for (size_t k = 1; k < order.size(); ++k) expected[i] = mix(expected[i], arrays[order[k]][i]);
  }
  std::vector<const void*> inputs;
  for (const size_t array : order) inputs.push_back(arrays[array].data());
  Calls calls;
  reduce({.function = &mix_all, .context = &calls}, tuttiUint64, inputs, arrays[target_array].data(), count, Final::yes);
  EXPECT_EQ(arrays[target_array], expected);
  EXPECT_EQ(calls.elements, (order.size() - 1) * count);
  const auto untouched = make_arrays(8, count);
  for (size_t array = 0; array < 8; ++array) {
    if (array == target_array) continue;
    EXPECT_EQ(arrays[array], untouched[array]) << "array " << array;
  }
}

TEST(UserFunctionTest, FoldsFromLeftToRightWhicheverInputTheTargetIs) {
  for (const size_t count : {1, 100, 2047, 2048, 2049, 10'007}) {
    for (size_t input_count = 1; input_count <= 6; ++input_count) {
      std::vector<size_t> order;
      for (size_t k = 0; k < input_count; ++k) order.push_back(k);
      for (size_t target = 0; target <= input_count; ++target) {
        SCOPED_TRACE(testing::Message() << count << " elements, " << input_count << " inputs, target " << target);
        check(order, target, count);
      }
    }
  }
}

TEST(UserFunctionTest, TheTargetMayBeSeveralInputs) {
  check({0, 1, 0}, 0, 5000);
  check({0, 0}, 0, 5000);
  check({1, 0, 0, 2}, 0, 5000);
}

TEST(UserFunctionTest, PassesTypeAndContextOn) {
  const Array a{1, 2, 3};
  Array b{4, 5, 6};
  Calls calls;
  const std::vector<const void*> inputs{a.data(), b.data()};
  reduce({.function = &mix_all, .context = &calls}, tuttiUint64, inputs, b.data(), 3, Final::no);
  EXPECT_EQ(calls.count, 1u);
  EXPECT_EQ(calls.datatype, tuttiUint64);
}

TEST(UserFunctionTest, FurtherTargetsAreCopies) {
  for (const Stores stores : {Stores::cached, Stores::streaming}) {
    auto arrays = make_arrays(3, 5000);
    Array expected(5000);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = mix(arrays[0][i], arrays[1][i]);
    Calls calls;
    const std::vector<const void*> inputs{arrays[0].data(), arrays[1].data()};
    const std::vector<void*> targets{arrays[2].data(), arrays[1].data()};
    reduce({.function = &mix_all, .context = &calls}, tuttiUint64, inputs, targets, 5000, Final::yes, stores);
    EXPECT_EQ(arrays[2], expected);
    EXPECT_EQ(arrays[1], expected);
    EXPECT_EQ(calls.elements, 5000u);
  }
}

TEST(UserFunctionTest, IsNotCalledForNothing) {
  Array a{1};
  Calls calls;
  const std::vector<const void*> inputs{a.data(), a.data()};
  reduce({.function = &mix_all, .context = &calls}, tuttiUint64, inputs, a.data(), 0, Final::yes);
  EXPECT_EQ(calls.count, 0u);
}

}  // namespace
}  // namespace tutti::reduce
