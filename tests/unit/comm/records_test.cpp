// SPDX-License-Identifier: Apache-2.0
#include "comm/records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace tutti::comm {
namespace {

using bootstrap::Bytes;
using testing::HasSubstr;

Introduction some_introduction() {
  return {.version = 100,
          .rank_count = 3,
          .name = "world",
          .transports = "shm,tcp",
          .algorithms = "",
          .algorithm_files = "msccl:ring#17",
          .topology = "aws-trn2:16",
          .slice_bytes = 65536,
          .host_id = "a host",
          .allowed_cores = {0b1011, UINT64_MAX},
          .place = {.package = 8, .numa_node = 16, .cache = 4095},
          .memory = topology::rounded({.copy_bytes_per_s = 90'000'000'000, .fetch_bytes_per_s = 15'000'000'000}),
          .offers = {{"shm", {.preference = 100, .address = {1, 2, 255}}}, {"tcp", {}}}};
}

void expect_equal(const TransportOffers& after, const TransportOffers& before) {
  ASSERT_EQ(after.size(), before.size());
  for (const auto& [transport, offer] : before) {
    ASSERT_TRUE(after.contains(transport)) << transport;
    EXPECT_EQ(after.at(transport).preference, offer.preference) << transport;
    EXPECT_EQ(after.at(transport).address, offer.address) << transport;
  }
}

TEST(Records, OffersSurviveEncodingWithinBounds) {
  TransportOffers before{{"tcp", {.preference = 10, .address = std::vector<uint8_t>(transport::kMaxAddressBytes, 7)}}};
  const auto after = decode_offers(encode(before), 1);
  ASSERT_TRUE(after) << after.error().message();
  expect_equal(*after, before);

  before["tcp"].preference = UINT32_MAX;
  EXPECT_EQ(decode_offers(encode(before), 1)->at("tcp").preference, kMostPreference);
  before["tcp"].address.push_back(7);
  EXPECT_FALSE(decode_offers(encode(before), 1));
  EXPECT_FALSE(decode_offers(encode(TransportOffers{{std::string(1'000, 'x'), {}}}), 1));
  TransportOffers many;
  for (int index = 0; index < 1'000; ++index) {
    many[std::to_string(index)] = {};
  }
  EXPECT_FALSE(decode_offers(encode(many), 1));
}

TEST(Records, IntroductionSurvivesEncoding) {
  const Introduction before = some_introduction();
  const auto after = decode_introduction(encode(before), 1);
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ(after->version, before.version);
  EXPECT_EQ(after->rank_count, before.rank_count);
  EXPECT_EQ(after->name, before.name);
  EXPECT_EQ(after->transports, before.transports);
  EXPECT_EQ(after->algorithms, before.algorithms);
  EXPECT_EQ(after->algorithm_files, before.algorithm_files);
  EXPECT_EQ(after->topology, before.topology);
  EXPECT_EQ(after->slice_bytes, before.slice_bytes);
  EXPECT_EQ(after->host_id, before.host_id);
  EXPECT_EQ(after->allowed_cores, before.allowed_cores);
  EXPECT_EQ(after->place, before.place);
  EXPECT_EQ(after->memory, before.memory);
  expect_equal(after->offers, before.offers);
}

TEST(Records, MemorySpeedsAreBounded) {
  for (const uint64_t boast : {uint64_t{0}, UINT64_MAX}) {
    Introduction introduction = some_introduction();
    introduction.memory = {.copy_bytes_per_s = boast, .fetch_bytes_per_s = boast};
    const auto decoded = decode_introduction(encode(introduction), 2);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->memory, topology::rounded(introduction.memory));
    EXPECT_GE(decoded->memory.fetch_bytes_per_s, 1'000'000'000u);
    EXPECT_LE(decoded->memory.copy_bytes_per_s, 1'000'000'000'000u);
  }
}

TEST(Records, PlacesAreProcessorsThatThereMayBe) {
  for (uint32_t topology::Place::* unit : {&topology::Place::package, &topology::Place::numa_node, &topology::Place::cache}) {
    for (const uint32_t processor : {topology::kMostProcessors, UINT32_MAX}) {
      Introduction introduction = some_introduction();
      introduction.place.*unit = processor;
      const auto decoded = decode_introduction(encode(introduction), 2);
      ASSERT_FALSE(decoded);
      EXPECT_EQ(decoded.error().code(), tuttiRemoteError);
      EXPECT_EQ(decoded.error().message(), "rank 2 says that it runs in a unit of processor 4096 or above");
    }
  }
}

TEST(Records, ReachSurvivesEncoding) {
  using transport::PeerState;
  Reach before;
  before.peers = {{PeerState::connecting, 0, 0, ""}, {PeerState::connected, 1500, 12'000'000'000, "measured", true}, {PeerState::unreachable, 0, 0, ""}};
  const auto after = decode_reach(encode(before), 1, 3);
  ASSERT_TRUE(after) << after.error().message();
  ASSERT_EQ(after->peers.size(), 3u);
  for (size_t peer = 0; peer < 3; ++peer) {
    EXPECT_EQ(after->peers[peer].state, before.peers[peer].state);
    EXPECT_EQ(after->peers[peer].latency_ns, before.peers[peer].latency_ns);
    EXPECT_EQ(after->peers[peer].bandwidth_bytes_per_s, before.peers[peer].bandwidth_bytes_per_s);
    EXPECT_EQ(after->peers[peer].source, before.peers[peer].source);
    EXPECT_EQ(after->peers[peer].reaches_memory, before.peers[peer].reaches_memory);
  }
}

TEST(Records, EstimatesAreBounded) {
  Reach reach;
  reach.peers = {{transport::PeerState::connected, UINT64_MAX, UINT64_MAX, "a boast"}};
  const auto decoded = decode_reach(encode(reach), 0, 1);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->peers[0].latency_ns, 10'000'000'000u);
  EXPECT_EQ(decoded->peers[0].bandwidth_bytes_per_s, 100'000'000'000'000u);
}

TEST(Records, AReachCoversEveryRank) {
  Reach reach;
  reach.peers.resize(2);
  const auto decoded = decode_reach(encode(reach), 4, 3);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code(), tuttiRemoteError);
  EXPECT_EQ(decoded.error().message(), "rank 4 sent a record of 2 peers, expected 3");
}

TEST(Records, AgreementSurvivesEncoding) {
  const auto after = decode_agreement(encode(Agreement{.planner_hash = UINT64_MAX - 1}), 0);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->planner_hash, UINT64_MAX - 1);
}

// Decodes `bytes` as every kind of record; an error has to name the rank.
uint32_t accepted_kinds(const Bytes& bytes) {
  const auto introduction = decode_introduction(bytes, 5);
  const auto reach = decode_reach(bytes, 5, 2);
  const auto agreement = decode_agreement(bytes, 5);
  uint32_t accepted = 0;
  const auto count = [&](const auto& result) {
    if (result) {
      ++accepted;
    } else {
      EXPECT_EQ(result.error().code(), tuttiRemoteError);
      EXPECT_THAT(result.error().message(), HasSubstr("rank 5"));
    }
  };
  count(introduction);
  count(reach);
  count(agreement);
  return accepted;
}

TEST(Records, OneKindIsNotAnother) {
  EXPECT_EQ(accepted_kinds({}), 0u);
  EXPECT_EQ(accepted_kinds(encode(some_introduction())), 1u);
  EXPECT_EQ(accepted_kinds(encode(Agreement{})), 1u);
}

TEST(Records, CutRecordsAreErrors) {
  const Bytes whole = encode(some_introduction());
  for (size_t size = 0; size < whole.size(); ++size) {
    ASSERT_FALSE(decode_introduction(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)), 5)) << size;
  }
}

TEST(Records, TakesAnyBytesWithoutHarm) {
  constexpr uint32_t kSeed = 11;
  std::mt19937 random(kSeed);
  Reach reach;
  reach.peers.resize(2);
  const Bytes samples[] = {encode(some_introduction()), encode(reach), encode(Agreement{.planner_hash = 77})};
  for (int round = 0; round < 5'000; ++round) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << ", round " << round);
    Bytes bytes = samples[random() % 3];
    for (uint32_t change = random() % 4; change > 0; --change) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    }
    bytes.resize(random() % 2 == 0 ? bytes.size() : random() % (bytes.size() + 8));
    (void)accepted_kinds(bytes);
  }
}

// Arrays in arrays in arrays, as deep as a contribution can be long: parsing them must not exhaust the stack.
TEST(Records, DeepNestingIsAnError) {
  for (const std::byte open : {std::byte{0x91}, std::byte{0x81}}) {
    EXPECT_EQ(accepted_kinds(Bytes(bootstrap::kMaxContributionBytes, open)), 0u);
  }
  Bytes maps;
  while (maps.size() < bootstrap::kMaxContributionBytes - 3) {
    maps.insert(maps.end(), {std::byte{0x81}, std::byte{0xa1}, std::byte{'x'}});
  }
  EXPECT_EQ(accepted_kinds(maps), 0u);
}

TEST(Records, LengthsThatPromiseTooMuchAreErrors) {
  for (const unsigned char kind : {0xdd, 0xdf, 0xdb, 0xc6}) {  // array, map, text, binary, each of 2^32 - 1
    const Bytes bytes{std::byte{kind}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}, std::byte{0x01}};
    EXPECT_EQ(accepted_kinds(bytes), 0u) << int{kind};
  }
}

TEST(Records, OnlyNaturalNumbersAreNumbers) {
  const auto record_with = [](std::string_view value) {
    const std::string text = "\x81\xa7planner" + std::string(value);
    const auto bytes = std::as_bytes(std::span(text));
    return Bytes(bytes.begin(), bytes.end());
  };
  ASSERT_TRUE(decode_agreement(record_with("\x01"), 5));
  for (const std::string_view value : {std::string_view("\xff"),                      // -1
                                       std::string_view("\xca\x3f\xc0\x00\x00", 5),  // 1.5
                                       std::string_view("\xc3"), std::string_view("\xc0"), std::string_view("\xa1x")}) {
    EXPECT_FALSE(decode_agreement(record_with(value), 5)) << "value " << int{static_cast<unsigned char>(value[0])};
  }
}

}  // namespace
}  // namespace tutti::comm
