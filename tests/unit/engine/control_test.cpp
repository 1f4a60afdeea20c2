// SPDX-License-Identifier: Apache-2.0
#include "engine/control.hpp"

#include <gtest/gtest.h>

#include <clocale>
#include <random>

namespace tutti::engine {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Status decoded_failure(const Status& status) {
  const auto message = decode_control(encode(FailureNotice{status}));
  if (!message || !std::holds_alternative<FailureNotice>(*message)) {
    return internal_error("not a failure notice");
  }
  return std::get<FailureNotice>(*message).status;
}

TEST(Control, InquirySurvivesEncoding) {
  const Inquiry inquiry{.sequence = 0x0123456789abcdef,
                        .signature = {.collective = schedule::Collective::reduce, .datatype = tuttiInt64, .op = tuttiMin, .root = 3, .count = 77}};
  const auto message = decode_control(encode(inquiry));
  ASSERT_TRUE(message);
  ASSERT_TRUE(std::holds_alternative<Inquiry>(*message));
  EXPECT_EQ(std::get<Inquiry>(*message).sequence, inquiry.sequence);
  EXPECT_EQ(std::get<Inquiry>(*message).signature, inquiry.signature);
}

TEST(Control, LinkRequestSurvivesEncoding) {
  const auto message = decode_control(encode(LinkRequest{.origin = 70'000, .target = 3}));
  ASSERT_TRUE(message && std::holds_alternative<LinkRequest>(*message));
  EXPECT_EQ(std::get<LinkRequest>(*message).origin, 70'000u);
  EXPECT_EQ(std::get<LinkRequest>(*message).target, 3u);
}

TEST(Control, FailureSurvivesEncoding) {
  for (int code = tuttiSuccess + 1; code < tuttiNumResults; ++code) {
    const Status decoded = decoded_failure(Status(static_cast<tuttiResult_t>(code), "rank 3 passed count 1024"));
    EXPECT_EQ(decoded.code(), code);
    EXPECT_EQ(decoded.message(), "rank 3 passed count 1024");
  }
  EXPECT_EQ(decoded_failure(aborted_error("")).message(), "");
}

TEST(Control, WaitingSurvivesEncoding) {
  const auto message = decode_control(encode(Waiting{0x0123456789abcdef}));
  ASSERT_TRUE(message);
  ASSERT_TRUE(std::holds_alternative<Waiting>(*message));
  EXPECT_EQ(std::get<Waiting>(*message).sequence, 0x0123456789abcdef);
}

TEST(Control, GoodbyeSurvivesEncoding) {
  const auto message = decode_control(encode(Goodbye{}));
  ASSERT_TRUE(message);
  EXPECT_TRUE(std::holds_alternative<Goodbye>(*message));
}

TEST(Control, CutsLongTexts) {
  const std::string text(10 * kMaxControlBytes, 'x');
  EXPECT_LE(encode(FailureNotice{Status(tuttiAborted, text)}).size(), kMaxControlBytes);
  const Status decoded = decoded_failure(Status(tuttiAborted, text));
  EXPECT_EQ(decoded.code(), tuttiAborted);
  EXPECT_EQ(decoded.message(), text.substr(0, decoded.message().size()));
  EXPECT_GT(decoded.message().size(), kMaxControlBytes / 2);
}

TEST(Control, CleansTextsOfAnotherProcess) {
  EXPECT_EQ(decoded_failure(Status(tuttiAborted, "a\x1b[31mb\nc\x7f\xff")).message(), "a?[31mb?c??");
}

// Which bytes count as printable must not depend on what the application has chosen.
TEST(Control, CleansAlikeInEveryLocale) {
  const std::string before = std::setlocale(LC_CTYPE, nullptr);
  std::string text;
  for (int byte = 128; byte < 256; ++byte) {
    text.push_back(static_cast<char>(byte));
  }
  for (const char* locale : {"C", "en_US.ISO-8859-1", "C.UTF-8"}) {
    std::setlocale(LC_CTYPE, locale);  // where it is not installed, the one before stays
    EXPECT_EQ(decoded_failure(Status(tuttiAborted, text)).message(), std::string(text.size(), '?')) << locale;
  }
  std::setlocale(LC_CTYPE, before.c_str());
}

TEST(Control, RejectsWhatMakesNoSense) {
  EXPECT_FALSE(decode_control({}));
  EXPECT_FALSE(decode_control(bytes_of("x")));
  auto goodbye = encode(Goodbye{});
  goodbye.push_back(std::byte{0});
  EXPECT_FALSE(decode_control(goodbye));
  auto inquiry = encode(Inquiry{});
  inquiry.pop_back();
  EXPECT_FALSE(decode_control(inquiry));
  inquiry.resize(inquiry.size() + 2);
  EXPECT_FALSE(decode_control(inquiry));
  auto waiting = encode(Waiting{});
  waiting.pop_back();
  EXPECT_FALSE(decode_control(waiting));
  waiting.resize(waiting.size() + 2);
  EXPECT_FALSE(decode_control(waiting));
  auto failure = encode(FailureNotice{aborted_error("text")});
  for (const int code : {int{tuttiSuccess}, int{tuttiNumResults}, 255}) {
    failure[1] = static_cast<std::byte>(code);
    EXPECT_FALSE(decode_control(failure)) << "code " << code;
  }
  failure.resize(1);
  EXPECT_FALSE(decode_control(failure));
  failure = encode(FailureNotice{aborted_error("text")});
  failure.resize(kMaxControlBytes + 1, std::byte{'x'});
  EXPECT_FALSE(decode_control(failure));
}

TEST(Control, TakesAnyBytesWithoutHarm) {
  constexpr uint32_t kSeed = 7;
  std::mt19937 random(kSeed);
  uint32_t accepted = 0;
  for (int round = 0; round < 50'000; ++round) {
    std::vector<std::byte> bytes(random() % 64);
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(random());
    }
    if (!bytes.empty() && random() % 4 != 0) {
      bytes[0] = static_cast<std::byte>(1 + random() % 4);
    }
    const auto message = decode_control(bytes);
    if (!message) {
      continue;
    }
    ++accepted;
    EXPECT_TRUE(decode_control(encode(*message))) << "seed " << kSeed << ", round " << round;
  }
  EXPECT_GT(accepted, 100u);
}

}  // namespace
}  // namespace tutti::engine
