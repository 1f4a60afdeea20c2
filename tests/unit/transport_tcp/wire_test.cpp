// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/wire.hpp"

#include <gtest/gtest.h>

namespace tutti::transports::tcp {
namespace {

std::array<std::byte, kHeaderBytes> encoded(const Header& header) {
  std::array<std::byte, kHeaderBytes> bytes;
  encode(header, bytes);
  return bytes;
}

const Header kData{.kind = Kind::data,
                   .channel = 3,
                   .credit_channel = 5,
                   .payload_bytes = 0x0102,
                   .credit_units = 0x0a0b,
                   .frame = {.call = 0x1122334455667788, .message_bytes = 0x99}};

TEST(Wire, HeadersAreLittleEndian) {
  const auto bytes = encoded(kData);
  EXPECT_EQ(bytes[0], std::byte{0xd1});
  EXPECT_EQ(bytes[1], std::byte{3});
  EXPECT_EQ(bytes[2], std::byte{5});
  EXPECT_EQ(bytes[4], std::byte{0x02});
  EXPECT_EQ(bytes[5], std::byte{0x01});
  EXPECT_EQ(bytes[8], std::byte{0x0b});
  EXPECT_EQ(bytes[16], std::byte{0x88});
  EXPECT_EQ(bytes[23], std::byte{0x11});
  EXPECT_EQ(bytes[24], std::byte{0x99});
}

TEST(Wire, DecodesWhatWasEncoded) {
  EXPECT_EQ(decode(encoded(kData)), kData);
  Header credit{.kind = Kind::credit, .channel = 0, .credit_channel = 7, .payload_bytes = 0, .credit_units = 9, .frame = {}};
  EXPECT_EQ(decode(encoded(credit)), credit);
  Header largest = kData;
  largest.payload_bytes = kMaxFrameBytes;
  EXPECT_EQ(decode(encoded(largest)), largest);
}

TEST(Wire, RejectsWhatIsNoHeader) {
  const auto with = [](size_t index, int value) {
    auto bytes = encoded(kData);
    bytes[index] = static_cast<std::byte>(value);
    return decode(bytes);
  };
  EXPECT_FALSE(with(0, 0));
  EXPECT_FALSE(with(1, transport::kChannelCount));
  EXPECT_FALSE(with(2, 255));
  EXPECT_FALSE(with(3, 1));
  EXPECT_FALSE(with(12, 1));
  EXPECT_FALSE(with(15, 1));
  EXPECT_FALSE(with(7, 255)) << "4 GiB of payload";
  EXPECT_FALSE(with(0, 0xc2)) << "a credit header with payload";
  Header too_large = kData;
  too_large.payload_bytes = kMaxFrameBytes + 1;
  EXPECT_FALSE(decode(encoded(too_large)));
}

TEST(Wire, FramesOfEverySizeFitEveryWindow) {
  EXPECT_EQ(credit_units(0), 1u);
  EXPECT_EQ(credit_units(1), 2u);
  EXPECT_EQ(credit_units(64), 2u);
  EXPECT_EQ(credit_units(65), 3u);
  for (uint32_t channel = 0; channel < transport::kChannelCount; ++channel) {
    EXPECT_GE(window_units(channel), credit_units(kMaxFrameBytes));
  }
}

}  // namespace
}  // namespace tutti::transports::tcp
