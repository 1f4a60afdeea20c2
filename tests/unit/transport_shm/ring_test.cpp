// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/ring.hpp"

#include <cstring>
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

// Both ends of one channel on ordinary memory, where a thread sanitizer sees both.
class RingTest : public ::testing::Test {
 protected:
  RingTest() : segment_(static_cast<std::byte*>(::operator new(segment_bytes(geometry_), std::align_val_t{kPageBytes}))) {
    std::memset(segment_.get(), 0, segment_bytes(geometry_));
  }

  Outcome offer(uint64_t number, size_t byte_count) { return writer_.offer({number, ~number}, pattern(byte_count, number)); }
  // Expects the frame that offer(number, byte_count) sent.
  void expect(uint64_t number, size_t byte_count) {
    Frame frame;
    ASSERT_EQ(reader_.peek(&frame), Outcome::done) << number;
    EXPECT_EQ(frame.header, (FrameHeader{number, ~number}));
    const std::vector<std::byte> expected = pattern(byte_count, number);
    ASSERT_EQ(frame.payload.size(), byte_count);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), frame.payload.begin())) << number;
    reader_.pop();
  }

  Geometry geometry_{.slot_bytes = 8192, .slot_count = 4};
  std::unique_ptr<std::byte, AlignedDelete> segment_;
  ChannelMemory memory_{segment_.get(), geometry_, Direction::from_higher_rank, 3};
  Writer writer_{memory_};
  Reader reader_{memory_};
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
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, number % 100), Outcome::done);
  EXPECT_EQ(offer(kLineCount, 0), Outcome::would_block);
  for (uint64_t number = 0; number < kLineCount; ++number) expect(number, number % 100);
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::would_block);
  // Progress is told in batches, but an emptied ring is free to the last line.
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 1), Outcome::done) << number;
}

TEST_F(RingTest, SlotsRunOutBeforeLines) {
  for (uint64_t number = 0; number < geometry_.slot_count; ++number) ASSERT_EQ(offer(number, 5000), Outcome::done);
  EXPECT_EQ(offer(9, 5000), Outcome::would_block);
  ASSERT_EQ(offer(9, 40), Outcome::done);  // needs no slot
  expect(0, 5000);
  ASSERT_EQ(offer(10, 5000), Outcome::done);  // the one given back
  EXPECT_EQ(offer(11, 5000), Outcome::would_block);
  for (uint64_t number = 1; number < geometry_.slot_count; ++number) expect(number, 5000);
  expect(9, 40);
  expect(10, 5000);
}

TEST_F(RingTest, AReaderThatKeepsUpIsServedFromFewSlots) {
  std::vector<const std::byte*> places;
  for (uint64_t number = 0; number < 100; ++number) {
    ASSERT_EQ(offer(number, 8000), Outcome::done);
    Frame frame;
    ASSERT_EQ(reader_.peek(&frame), Outcome::done);
    if (std::find(places.begin(), places.end(), frame.payload.data()) == places.end()) places.push_back(frame.payload.data());
    reader_.pop();
  }
  EXPECT_LE(places.size(), 2u);
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
  memory_.line(0).publication = bad.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 8193 bytes in slot 0");
}

TEST_F(RingTest, AnImpossibleSlotIsAViolation) {
  memory_.line(0).publication = Publication{Publication::tag_of(0), 2000, geometry_.slot_count}.encoded();
  Frame frame;
  EXPECT_EQ(reader_.peek(&frame), Outcome::failed);
  EXPECT_EQ(reader_.violation(), "published a frame of 2000 bytes in slot 4");
}

TEST_F(RingTest, AWordThatChangesAfterPeekChangesNothing) {
  ASSERT_EQ(offer(1, 2000), Outcome::done);
  Frame frame;
  ASSERT_EQ(reader_.peek(&frame), Outcome::done);
  memory_.line(0).publication = ~uint64_t{0};
  ASSERT_EQ(reader_.peek(&frame), Outcome::done);
  EXPECT_EQ(frame.payload.size(), 2000u);
}

TEST_F(RingTest, ProgressBeyondWhatWasWrittenIsAViolation) {
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress() = kLineCount + 1;
  EXPECT_EQ(offer(1, 8), Outcome::failed);
  EXPECT_EQ(writer_.violation(), "claims to have read 65 frames of 64");
}

TEST_F(RingTest, ProgressThatRunsBackwardsIsAViolation) {
  for (uint64_t number = 0; number < kLineCount; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress() = 40;
  for (uint64_t number = 0; number < 40; ++number) ASSERT_EQ(offer(number, 8), Outcome::done);
  memory_.progress() = 0;
  EXPECT_EQ(offer(1, 8), Outcome::failed);
  EXPECT_EQ(writer_.violation(), "claims to have read 0 frames of 104");
}

TEST_F(RingTest, AMillionFramesBetweenTwoThreads) {
  constexpr uint64_t kFrames = 1'000'000;
  const auto size_of_frame = [this](uint64_t number) { return number % 97 == 0 ? geometry_.slot_bytes - number % 64 : number % 64 * (number % 7); };
  std::thread sender([&] {
    std::vector<std::byte> payload(geometry_.slot_bytes);
    for (uint64_t number = 0; number < kFrames; ++number) {
      const size_t byte_count = size_of_frame(number);
      std::memset(payload.data(), static_cast<int>(number & 0xff), byte_count);
      while (writer_.offer({number, ~number}, std::span(payload).first(byte_count)) != Outcome::done) std::this_thread::yield();
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
  EXPECT_GT(writer_.taken_bytes(), kFrames);
}

TEST(PublicationTest, RoundTripsAndTellsLapsApart) {
  const Publication publication{0xfedcba98, 0xabcdef, 31};
  const Publication decoded = Publication::decoded(publication.encoded());
  EXPECT_EQ(decoded.position_tag, publication.position_tag);
  EXPECT_EQ(decoded.payload_bytes, publication.payload_bytes);
  EXPECT_EQ(decoded.slot, publication.slot);
  EXPECT_NE(Publication::tag_of(0), 0u);  // fresh memory
  EXPECT_NE(Publication::tag_of(0xffffffff), Publication::tag_of(0xffffffff - kLineCount));
}

TEST(LayoutTest, PartsOfAllChannelsAreDisjointAndInside) {
  const Geometry geometry{.slot_bytes = 256, .slot_count = 2};
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  for (const Direction direction : {Direction::from_lower_rank, Direction::from_higher_rank}) {
    for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
      const ChannelMemory memory(reinterpret_cast<std::byte*>(kPageBytes), geometry, direction, channel);
      const auto add = [&](const void* begin, size_t size) {
        ranges.emplace_back(reinterpret_cast<uintptr_t>(begin), reinterpret_cast<uintptr_t>(begin) + size);
      };
      for (uint32_t position = 0; position < kLineCount; ++position) {
        add(&memory.line(position), kLineBytes);
        add(memory.berth(position), kBerthBytes);
      }
      for (uint32_t slot = 0; slot < geometry.slot_count; ++slot) add(memory.slot(slot), geometry.slot_bytes);
      add(&memory.progress(), kProgressBytes);
    }
  }
  std::sort(ranges.begin(), ranges.end());
  EXPECT_GE(ranges.front().first, kPageBytes);
  for (size_t index = 1; index < ranges.size(); ++index) ASSERT_LE(ranges[index - 1].second, ranges[index].first);
  EXPECT_LE(ranges.back().second, kPageBytes + segment_bytes(geometry));
}

TEST(LayoutTest, SliceSettingsAreClamped) {
  EXPECT_EQ(geometry_for(0).slot_bytes, kDefaultSlotBytes);
  EXPECT_EQ(geometry_for(1).slot_bytes, kMinSlotBytes);
  EXPECT_EQ(geometry_for(1000).slot_bytes, 960u);
  EXPECT_EQ(geometry_for(UINT64_MAX).slot_bytes, kMaxSlotBytes);
  for (const uint64_t slice_bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1000}, UINT64_MAX}) EXPECT_TRUE(check(geometry_for(slice_bytes)).ok());
}

TEST(LayoutTest, OffersOutsideTheLimitsAreRefused) {
  for (const Geometry geometry : {Geometry{0, 8}, Geometry{100, 8}, Geometry{4096 + 8, 8}, Geometry{kMaxSlotBytes + 64, 8}, Geometry{4096, 0},
                                  Geometry{4096, kMaxSlotCount + 1}, Geometry{UINT32_MAX, UINT32_MAX}}) {
    EXPECT_EQ(check(geometry).code(), tuttiRemoteError) << geometry.slot_bytes << " x " << geometry.slot_count;
  }
}

}  // namespace
}  // namespace tutti::transports::shm
