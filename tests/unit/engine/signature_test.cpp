// SPDX-License-Identifier: Apache-2.0
#include "engine/signature.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace tutti::engine {
namespace {

using schedule::Blocks;
using schedule::Collective;

Signature all_reduce_of(uint64_t count) {
  return {.collective = Collective::all_reduce, .blocks = Blocks::equal, .datatype = tuttiFloat32, .op = tuttiSum, .root = -1, .count = count};
}

TEST(Signature, SurvivesEncodingForEveryCollectiveAndType) {
  for (uint32_t collective = 0; collective < schedule::kCollectiveCount; ++collective) {
    for (const Blocks blocks : {Blocks::equal, Blocks::variable}) {
      for (int datatype = 0; datatype < tuttiNumTypes; ++datatype) {
        const Signature signature{.collective = static_cast<Collective>(collective),
                                  .blocks = blocks,
                                  .datatype = static_cast<tuttiDataType_t>(datatype),
                                  .op = kCustomOperator,
                                  .root = datatype - 1,
                                  .count = UINT64_MAX - collective};
        Signature decoded;
        ASSERT_TRUE(Signature::decode(signature.encode(), &decoded));
        ASSERT_EQ(decoded, signature);
      }
    }
  }
}

TEST(Signature, RejectsValuesOutsideTheEnumerations) {
  struct Spoiled {
    size_t index;
    uint32_t value;
  };
  for (const Spoiled& spoiled : {Spoiled{0, schedule::kCollectiveCount}, Spoiled{0, 255}, Spoiled{1, 2}, Spoiled{1, 255},
                                 Spoiled{2, tuttiNumTypes}, Spoiled{2, 255}}) {
    auto bytes = all_reduce_of(1).encode();
    bytes[spoiled.index] = static_cast<std::byte>(spoiled.value);
    Signature signature;
    EXPECT_FALSE(Signature::decode(bytes, &signature)) << "byte " << spoiled.index << " is " << spoiled.value;
  }
}

TEST(Signature, DecodesOnlyWhatItWouldEncode) {
  constexpr uint32_t kSeed = 20;
  std::mt19937 random(kSeed);
  uint32_t accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::array<std::byte, Signature::kEncodedBytes> bytes;
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(random() % 16);
    }
    Signature signature;
    if (Signature::decode(bytes, &signature)) {
      ++accepted;
      Signature again;
      ASSERT_TRUE(Signature::decode(signature.encode(), &again)) << "seed " << kSeed;
      ASSERT_EQ(again, signature) << "seed " << kSeed;
    }
  }
  EXPECT_GT(accepted, 0u);
}

TEST(Signature, FingerprintCoversEveryField) {
  const Signature base = all_reduce_of(1024);
  std::vector<Signature> variants(7, base);
  variants[1].collective = Collective::reduce;
  variants[2].blocks = Blocks::variable;
  variants[3].datatype = tuttiFloat64;
  variants[4].op = tuttiMax;
  variants[5].root = 0;
  variants[6].count = 1025;
  std::set<uint32_t> fingerprints;
  for (const Signature& variant : variants) {
    fingerprints.insert(fingerprint(variant));
    EXPECT_EQ(fingerprint(variant), fingerprint(Signature(variant)));
  }
  EXPECT_EQ(fingerprints.size(), variants.size());
}

std::string difference(const Signature& of_rank_0, const Signature& of_rank_3) {
  return describe_difference({0, of_rank_0}, {3, of_rank_3});
}

TEST(Signature, TellsTheDifferenceThatPeopleCareAbout) {
  const Signature base = all_reduce_of(512);
  Signature other = base;
  other.count = 1024;
  EXPECT_EQ(difference(base, other), "rank 0 passed count 512, rank 3 passed count 1024");
  other.op = tuttiMax;
  EXPECT_EQ(difference(base, other), "rank 0 passed operator sum, rank 3 passed operator max");
  other.op = kCustomOperator;
  EXPECT_EQ(difference(base, other), "rank 0 passed operator sum, rank 3 passed operator a custom operator");
  other.datatype = tuttiInt32;
  EXPECT_EQ(difference(base, other), "rank 0 passed datatype float32, rank 3 passed datatype int32");
  other.root = 2;
  EXPECT_EQ(difference(base, other), "rank 0 passed root -1, rank 3 passed root 2");
  other.collective = Collective::reduce;
  EXPECT_EQ(difference(base, other), "rank 0 called allreduce, rank 3 called reduce");
  other.collective = Collective::all_gather;
  other.blocks = Blocks::variable;
  EXPECT_EQ(difference(base, other), "rank 0 called allreduce, rank 3 called allgatherv");
}

TEST(Signature, NamesAnOperation) {
  EXPECT_EQ(to_string(OperationName{all_reduce_of(1), 42, "world"}), "allreduce #42 on \"world\"");
  Signature gather = all_reduce_of(0);
  gather.collective = Collective::all_gather;
  gather.blocks = Blocks::variable;
  EXPECT_EQ(to_string(OperationName{gather, 0, "a b"}), "allgatherv #0 on \"a b\"");
}

}  // namespace
}  // namespace tutti::engine
