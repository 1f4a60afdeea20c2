// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/ring.hpp"

#include <cstring>
#include <random>
#include <thread>

#include "support.hpp"

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::Outcome;

struct AlignedDelete {
  void operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{kPageBytes}); }
};

constexpr uint32_t kChannel = 3;

// Both ends of a direction on ordinary memory, where a thread sanitizer sees both.
class RingTest : public ::testing::Test {
 protected:
  RingTest() : segment_(static_cast<std::byte*>(::operator new(segment_bytes(geometry_), std::align_val_t{kPageBytes}))) {
    std::memset(segment_.get(), 0, segment_bytes(geometry_));
  }

  Outcome offer(uint64_t number, size_t byte_count) { return offer_on(kChannel, number, byte_count); }
  Outcome offer_on(uint32_t channel, uint64_t number, size_t byte_count) {
    return writer_.offer(channel, {number, ~number}, pattern(byte_count, number));
  }
  // How many frames of `byte_count` the channel takes that nobody reads.
  uint64_t fill(uint32_t channel, size_t byte_count) {
    uint64_t number = 0;
    while (offer_on(channel, number, byte_count) == Outcome::done) ++number;
    return number;
  }
  // Expects the frame that offer(number, byte_count) sent.
  void expect(uint64_t number, size_t byte_count) { expect_on(reader_, number, byte_count); }
  static void expect_on(Reader& reader, uint64_t number, size_t byte_count) {
    Frame frame;
    ASSERT_EQ(reader.peek(&frame), Outcome::done) << number;
    EXPECT_EQ(frame.header, (FrameHeader{number, ~number}));
    const std::vector<std::byte> expected = pattern(byte_count, number);
    ASSERT_EQ(frame.payload.size(), byte_count);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), frame.payload.begin())) << number;
    reader.pop();
  }

  Geometry geometry_{.slot_bytes = 8192, .slot_count = 12};
  std::unique_ptr<std::byte, AlignedDelete> segment_;
  DirectionMemory memory_{segment_.get(), geometry_, Direction::from_higher_rank};
  Writer writer_{memory_};
  Reader reader_{memory_, kChannel};
};

TEST_F(RingTest, AnEmptyRingHasNothing) {
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::would_block);
  reader_.pop();  // of nothing
  ASSERT_EQ(offer(5, 8), Outcome::done);
  expect(5, 8);
}

TEST_F(RingTest, EverySizeArrivesWhole) {
  for (size_t byte_count = 0; byte_count <= geometry_.slot_bytes; byte_count += byte_count < 2100 ? 1 : 61) {
    ASSERT_EQ(offer(byte_count, byte_count), Outcome::done) << byte_count;
    expect(byte_count, byte_count);
    if (HasFatalFailure()) return;
  }
  ASSERT_EQ(offer(1, geometry_.slot_bytes), Outcome::done);
  expect(1, geometry_.slot_bytes);
}

TEST_F(RingTest, AFullRingBlocksUntilTheReaderHasEmptiedIt) {
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, number % 40), Outcome::done);
  EXPECT_EQ(offer(kLineCount, 0), Outcome::would_block);
  for (uint64_t number = 0; number < kLineCount; ++number) expect(number, number % 40);
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::would_block);
  // Progress is told in batches, but an emptied ring is free to the last line.
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 1), Outcome::done) << number;
}

TEST_F(RingTest, SlotsRunOutBeforeLines) {
  const uint64_t slots = fill(kChannel, 5000);
  ASSERT_GE(slots, 2u);
  ASSERT_LT(slots, geometry_.slot_count);
  ASSERT_EQ(offer(slots, 40), Outcome::done);       // needs no slot
  ASSERT_EQ(offer(slots + 1, 1000), Outcome::done);  // nor does a berth
  expect(0, 5000);
  ASSERT_EQ(offer(slots + 2, 5000), Outcome::done);  // the one given back
  EXPECT_EQ(offer(slots + 3, 5000), Outcome::would_block);
  for (uint64_t number = 1; number < slots; ++number) expect(number, 5000);
  expect(slots, 40);
  expect(slots + 1, 1000);
  expect(slots + 2, 5000);
}

TEST_F(RingTest, BerthsRunOutBeforeLines) {
  const uint64_t berths = fill(kChannel, 500);
  ASSERT_GE(berths, 20u);
  ASSERT_LT(berths, kLineCount);
  ASSERT_EQ(offer(berths, 40), Outcome::done);
  expect(0, 500);
  ASSERT_EQ(offer(berths + 1, 500), Outcome::done);
  EXPECT_EQ(offer(berths + 2, 500), Outcome::would_block);
  for (uint64_t number = 1; number < berths; ++number) expect(number, 500);
  expect(berths, 40);
  expect(berths + 1, 500);
}

// Whatever all other channels hold, each can send, and more once its own reader has read.
TEST_F(RingTest, NoChannelTakesWhatAnotherNeeds) {
  for (const size_t byte_count : {size_t{500}, size_t{5000}}) {
    SCOPED_TRACE(byte_count);
    DirectionMemory memory(segment_.get(), geometry_, Direction::from_lower_rank);
    std::memset(segment_.get(), 0, segment_bytes(geometry_));
    Writer writer(memory);
    const std::vector<std::byte> payload = pattern(byte_count, 0);
    std::array<uint64_t, transport::kChannelCount> taken{};
    for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
      while (writer.offer(channel, {0, ~uint64_t{0}}, payload) == Outcome::done) ++taken[channel];
      EXPECT_GE(taken[channel], 1u) << channel;
      EXPECT_LE(taken[channel], taken[0]) << channel;
    }
    EXPECT_LE(taken[0], (byte_count > kBerthBytes ? geometry_.slot_count : kBerthCount) / 2);
    for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
      Reader reader(memory, channel);
      for (uint64_t number = 0; number < taken[channel]; ++number) expect_on(reader, 0, byte_count);
      for (uint64_t number = 0; number < 100; ++number) {
        ASSERT_EQ(writer.offer(channel, {0, ~uint64_t{0}}, payload), Outcome::done) << channel;
        expect_on(reader, 0, byte_count);
      }
      while (writer.offer(channel, {0, ~uint64_t{0}}, payload) == Outcome::done) {  // and is stuck again
      }
    }
  }
}

// On one channel or over all in turn.
TEST_F(RingTest, AReaderThatKeepsUpIsServedFromFewPlaces) {
  std::vector<Reader> readers;
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) readers.emplace_back(memory_, channel);
  for (const size_t byte_count : {size_t{500}, size_t{8000}}) {
    for (const uint32_t channel_count : {1u, transport::kChannelCount}) {
      std::vector<const std::byte*> places;
      for (uint64_t number = 0; number < 1000; ++number) {
        const auto channel = static_cast<uint32_t>(number % channel_count);
        ASSERT_EQ(offer_on(channel, number, byte_count), Outcome::done);
        Frame frame;
        ASSERT_EQ(readers[channel].peek(&frame), Outcome::done);
        if (std::find(places.begin(), places.end(), frame.payload.data()) == places.end()) places.push_back(frame.payload.data());
        readers[channel].pop();
      }
      EXPECT_LE(places.size(), byte_count > kBerthBytes ? 4u : 8u) << byte_count << " bytes over " << channel_count << " channels";
    }
  }
}

TEST_F(RingTest, PeekGivesTheSameFrameUntilPop) {
  ASSERT_EQ(offer(1, 500), Outcome::done);
  ASSERT_EQ(offer(2, 500), Outcome::done);
  Frame first;
  Frame again;
  ASSERT_EQ(reader_.peek(&first), Outcome::done);
  ASSERT_EQ(reader_.peek(&again), Outcome::done);
  EXPECT_EQ(first.payload.data(), again.payload.data());
  EXPECT_EQ(first.header, again.header);
  reader_.pop();
  expect(2, 500);
}

TEST_F(RingTest, AnImpossibleLengthIsAViolation) {
  const Publication bad{Publication::tag_of(0), geometry_.slot_bytes + 1, 0};
  memory_.line(kChannel, 0).publication = bad.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 8193 bytes in slot 0");
}

TEST_F(RingTest, AnImpossibleSlotIsAViolation) {
  memory_.line(kChannel, 0).publication = Publication{Publication::tag_of(0), 2000, geometry_.slot_count}.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 2000 bytes in slot 12");
}

TEST_F(RingTest, AnImpossibleBerthIsAViolation) {
  memory_.line(kChannel, 0).publication = Publication{Publication::tag_of(0), 1000, kBerthCount}.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 1000 bytes in berth 64");
}

TEST_F(RingTest, ABerthForALargePayloadIsAViolation) {
  ASSERT_LT(geometry_.slot_count, kBerthCount);
  memory_.line(kChannel, 0).publication = Publication{Publication::tag_of(0), kBerthBytes + 1, kBerthCount - 1}.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 1025 bytes in slot 63");
}

TEST_F(RingTest, APlaceForAPayloadInTheLineIsAViolation) {
  memory_.line(kChannel, 0).publication = Publication{Publication::tag_of(0), 40, 1}.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 40 bytes in line 1");
}

// Whatever word a peer writes, the payload it leads to lies in the segment.
TEST_F(RingTest, NoWordLeadsOutOfTheSegment) {
  const int seed = testing::UnitTest::GetInstance()->random_seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(static_cast<uint64_t>(seed));
  const std::byte* const begin = segment_.get();
  const std::byte* const end = begin + segment_bytes(geometry_);
  uint64_t frames = 0;
  for (int round = 0; round < 100'000; ++round) {
    // Sizes and places around the limits, or anything.
    const auto bytes = static_cast<uint32_t>(random() % 2 == 0 ? random() % (geometry_.slot_bytes + 100) : random() & 0xffffff);
    const auto place = static_cast<uint32_t>(random() % (random() % 2 == 0 ? kBerthCount + 2 : 256));
    Reader reader(memory_, kChannel);
    memory_.line(kChannel, 0).publication = Publication{Publication::tag_of(0), bytes, place}.encoded();
    Frame frame;
    if (reader.peek(&frame) != Outcome::done) {
      ASSERT_FALSE(reader.violation().empty());
      continue;
    }
    ++frames;
    ASSERT_GE(frame.payload.data(), begin);
    ASSERT_LE(frame.payload.data() + frame.payload.size(), end);
  }
  EXPECT_GT(frames, 100u);
}

TEST_F(RingTest, AWordThatChangesAfterPeekChangesNothing) {
  ASSERT_EQ(offer(1, 2000), Outcome::done);
  Frame frame;
  ASSERT_EQ(reader_.peek(&frame), Outcome::done);
  memory_.line(kChannel, 0).publication = ~uint64_t{0};
  ASSERT_EQ(reader_.peek(&frame), Outcome::done);
  EXPECT_EQ(frame.payload.size(), 2000u);
}

TEST_F(RingTest, ProgressBeyondWhatWasWrittenIsAViolation) {
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress(kChannel) = kLineCount + 1;
  EXPECT_EQ(offer(1, 8), Outcome::failed);
  EXPECT_EQ(writer_.violation(), "claims to have read 65 frames of 64 on channel 3");
}

TEST_F(RingTest, ProgressThatRunsBackwardsIsAViolation) {
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress(kChannel) = 40;
  for (uint64_t number = 0; number < 40; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress(kChannel) = 0;
  EXPECT_EQ(offer(1, 8), Outcome::failed);
  EXPECT_EQ(writer_.violation(), "claims to have read 0 frames of 104 on channel 3");
}

TEST_F(RingTest, ImpossibleProgressOfAnotherChannelIsNoticedWhereItMatters) {
  memory_.progress(5) = 1;
  uint64_t number = 0;
  while (offer(number, 5000) == Outcome::done) ASSERT_LT(++number, kLineCount);
  EXPECT_EQ(writer_.violation(), "claims to have read 1 frames of 0 on channel 5");
}

TEST_F(RingTest, AMillionFramesBetweenTwoThreads) {
  constexpr uint64_t kFrames = 1'000'000;
  const auto size_of_frame = [this](uint64_t number) { return number % 97 == 0 ? geometry_.slot_bytes - number % 64 : number % 64 * (number % 7); };
  std::thread sender([&] {
    std::vector<std::byte> payload(geometry_.slot_bytes);
    for (uint64_t number = 0; number < kFrames; ++number) {
      const size_t byte_count = size_of_frame(number);
      std::memset(payload.data(), static_cast<int>(number & 0xff), byte_count);
      while (writer_.offer(kChannel, {number, ~number}, std::span(payload).first(byte_count)) != Outcome::done) std::this_thread::yield();
    }
  });
  uint64_t wrong = 0;
  for (uint64_t number = 0; number < kFrames; ++number) {
    Frame frame;
    while (reader_.peek(&frame) != Outcome::done) std::this_thread::yield();
    wrong += frame.header != FrameHeader{number, ~number} || frame.payload.size() != size_of_frame(number) ? 1 : 0;
    // First, last and a middle byte: they lie on different lines.
    if (const std::span<const std::byte> payload = frame.payload; !payload.empty()) {
      const auto expected = static_cast<std::byte>(number & 0xff);
      wrong += payload.front() != expected || payload.back() != expected || payload[payload.size() / 2] != expected ? 1 : 0;
    }
    reader_.pop();
  }
  sender.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_GT(writer_.taken_bytes(kChannel), kFrames);
}

TEST(PublicationTest, RoundTripsAndTellsLapsApart) {
  const Publication publication{0xfedcba98, 0xabcdef, 31};
  const Publication decoded = Publication::decoded(publication.encoded());
  EXPECT_EQ(decoded.position_tag, publication.position_tag);
  EXPECT_EQ(decoded.payload_bytes, publication.payload_bytes);
  EXPECT_EQ(decoded.place, publication.place);
  EXPECT_NE(Publication::tag_of(0), 0u);  // fresh memory
  EXPECT_NE(Publication::tag_of(0xffffffff), Publication::tag_of(0xffffffff - kLineCount));
}

TEST(LayoutTest, PartsAreDisjointAndInside) {
  const Geometry geometry{.slot_bytes = 256, .slot_count = 8};
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  const auto add = [&](const void* begin, size_t size) {
    ranges.emplace_back(reinterpret_cast<uintptr_t>(begin), reinterpret_cast<uintptr_t>(begin) + size);
  };
  for (const Direction direction : {Direction::from_lower_rank, Direction::from_higher_rank}) {
    const DirectionMemory memory(reinterpret_cast<std::byte*>(kPageBytes), geometry, direction);
    for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
      for (uint32_t position = 0; position < kLineCount; ++position) add(&memory.line(channel, position), kLineBytes);
      add(&memory.progress(channel), sizeof(uint64_t));
    }
    for (uint32_t berth = 0; berth < kBerthCount; ++berth) add(memory.berth(berth), kBerthBytes);
    for (uint32_t slot = 0; slot < geometry.slot_count; ++slot) add(memory.slot(slot), geometry.slot_bytes);
  }
  std::sort(ranges.begin(), ranges.end());
  EXPECT_GE(ranges.front().first, kPageBytes);
  for (size_t index = 1; index < ranges.size(); ++index) ASSERT_LE(ranges[index - 1].second, ranges[index].first);
  EXPECT_LE(ranges.back().second, kPageBytes + segment_bytes(geometry));
}

TEST(LayoutTest, SliceSettingsAreClamped) {
  EXPECT_EQ(geometry_for(0, 2).slot_bytes, kDefaultSlotBytes);
  EXPECT_EQ(geometry_for(0, 8).slot_bytes, kSlotBytesForManyRanks);
  EXPECT_EQ(geometry_for(1, 8).slot_bytes, kMinSlotBytes);
  EXPECT_EQ(geometry_for(1000, 8).slot_bytes, 960u);
  EXPECT_EQ(geometry_for(UINT64_MAX, 8).slot_bytes, kMaxSlotBytes);
  for (const uint64_t slice_bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, UINT64_MAX}) EXPECT_TRUE(check(geometry_for(slice_bytes, 8)).ok());
}

TEST(LayoutTest, OffersOutsideTheLimitsAreRefused) {
  for (const Geometry geometry : {Geometry{0, 8}, Geometry{100, 8}, Geometry{4096 + 8, 8}, Geometry{kMaxSlotBytes + 64, 8}, Geometry{4096, 0},
                                  Geometry{4096, kMinSlotCount - 1}, Geometry{4096, kMaxSlotCount + 1}, Geometry{UINT32_MAX, UINT32_MAX}}) {
    EXPECT_EQ(check(geometry).code(), tuttiRemoteError) << geometry.slot_bytes << " x " << geometry.slot_count;
  }
}

}  // namespace
}  // namespace tutti::transports::shm
