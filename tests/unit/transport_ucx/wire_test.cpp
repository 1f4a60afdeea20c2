// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/wire.hpp"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace tutti::transports::ucx {
namespace {

std::vector<std::byte> message_of(const Header& header, size_t payload_bytes) {
  std::vector<std::byte> message(kHeaderBytes + payload_bytes);
  encode(header, HeaderBytes(message.data(), kHeaderBytes));
  return message;
}

Header data_header(uint32_t payload_bytes) {
  return {.kind = Kind::data,
          .channel = 3,
          .credit_channel = 5,
          .payload_bytes = payload_bytes,
          .credit_units = 0x01020304,
          .number = 0xfffffffe,
          .frame = {.call = 0x1122334455667788, .message_bytes = ~uint64_t{0}}};
}

TEST(UcxWire, HeadersComeBack) {
  EXPECT_EQ(decode(message_of(data_header(100), 100)), data_header(100));
  EXPECT_EQ(decode(message_of(data_header(kInlineBytes), kInlineBytes)), data_header(kInlineBytes));
  Header announcement = data_header(kMaxFrameBytes);
  announcement.kind = Kind::announcement;
  EXPECT_EQ(decode(message_of(announcement, 0)), announcement);
}

TEST(UcxWire, MessagesThatMakeNoSenseAreRefused) {
  EXPECT_FALSE(decode({}));
  EXPECT_FALSE(decode(std::vector<std::byte>(kHeaderBytes - 1)));
  EXPECT_FALSE(decode(message_of(data_header(100), 99))) << "shorter than it says";
  EXPECT_FALSE(decode(message_of(data_header(100), 101))) << "longer than it says";
  for (const auto& [kind, payload_bytes] : {std::pair{Kind::announcement, size_t{kInlineBytes}}, std::pair{Kind::announcement, kMaxFrameBytes + 1},
                                            std::pair{Kind::credit, size_t{1}}, std::pair{Kind::goodbye, size_t{1}}, std::pair{Kind{7}, size_t{0}}}) {
    Header header = data_header(static_cast<uint32_t>(payload_bytes));
    header.kind = kind;
    EXPECT_FALSE(decode(message_of(header, 0))) << payload_bytes;
  }
  for (const size_t place : {size_t{1}, size_t{2}, size_t{3}}) {
    std::vector<std::byte> message = message_of(data_header(0), 0);
    message[place] = std::byte{transport::kChannelCount};
    EXPECT_FALSE(decode(message)) << place;
  }
}

TEST(UcxWire, AFrameOfTheLargestSizeFitsIntoEveryWindow) {
  EXPECT_EQ(credit_units(0), 1u);
  EXPECT_EQ(credit_units(kInlineBytes), 1u);
  EXPECT_EQ(credit_units(kInlineBytes + 1), 2u);
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    EXPECT_LE(credit_units(kMaxFrameBytes), window_units(channel));
  }
}

TEST(UcxWire, NoTwoTagsAreAlike) {
  const Key key{};
  const std::vector<std::byte> transcript(10);
  std::set<Tag> tags;
  size_t count = 0;
  for (const Direction direction : {Direction{0, 1}, Direction{1, 0}, Direction{0, 2}}) {
    tags.insert(proof_tag(key, direction));
    const uint64_t session = session_of(key, transcript, direction);
    tags.insert(message_tag(session));
    for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
      tags.insert(payload_tag(session, channel));
    }
    count += 2 + transport::kChannelCount;
  }
  EXPECT_EQ(tags.size(), count);
  EXPECT_NE(session_of(key, transcript, {0, 1}), session_of(key, std::vector<std::byte>(11), {0, 1})) << "of another conversation";
}

}  // namespace
}  // namespace tutti::transports::ucx
