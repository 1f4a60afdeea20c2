// SPDX-License-Identifier: Apache-2.0
#include "base/authentication.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace tutti {
namespace {

using Bytes = std::vector<std::byte>;
using Side = Handshake::Side;
using State = Handshake::State;

constexpr size_t kMostBytes = 1024;  // far more than any handshake sends

Key key_of(char letter) {
  Key key;
  key.fill(static_cast<std::byte>(letter));
  return key;
}

// Moves what `from` has to say to `to`, in pieces of at most `piece` bytes; returns what was moved.
Bytes pump(Handshake& from, Handshake& to, size_t piece = kMostBytes) {
  Bytes moved;
  while (!from.outgoing().empty() && to.wanted() > 0) {
    const auto part = from.outgoing().first(std::min({piece, from.outgoing().size(), to.wanted()}));
    const Bytes copy(part.begin(), part.end());
    from.written(copy.size());
    to.received(copy);
    moved.insert(moved.end(), copy.begin(), copy.end());
  }
  return moved;
}

void run(Handshake& connecting, Handshake& accepting, size_t piece = kMostBytes) {
  pump(connecting, accepting, piece);
  pump(accepting, connecting, piece);
  pump(connecting, accepting, piece);
}

TEST(Handshake, BothSidesLearnTheOthersClaim) {
  const Handshake::Claim one{.rank = 3, .rank_count = 8, .purpose = 77};
  const Handshake::Claim other{.rank = 5, .rank_count = 9, .purpose = 78};
  Handshake connecting(Side::connecting, key_of('k'), one);
  Handshake accepting(Side::accepting, key_of('k'), other);
  run(connecting, accepting);
  ASSERT_EQ(connecting.state(), State::done);
  ASSERT_EQ(accepting.state(), State::done);
  EXPECT_EQ(connecting.peer_claim(), other);
  EXPECT_EQ(accepting.peer_claim(), one);
  EXPECT_EQ(connecting.wanted(), 0u);
  EXPECT_EQ(accepting.wanted(), 0u);
}

TEST(Handshake, WorksByteByByte) {
  Handshake connecting(Side::connecting, key_of('k'), {});
  Handshake accepting(Side::accepting, key_of('k'), {});
  run(connecting, accepting, 1);
  EXPECT_EQ(connecting.state(), State::done);
  EXPECT_EQ(accepting.state(), State::done);
}

TEST(Handshake, TheAcceptingSideSaysNothingBeforeAHello) {
  const Handshake accepting(Side::accepting, key_of('k'), {});
  EXPECT_TRUE(accepting.outgoing().empty());
}

TEST(Handshake, AnotherSecretIsRejectedByTheConnectingSideWithoutAProofOfItsOwn) {
  Handshake connecting(Side::connecting, key_of('k'), {});
  Handshake accepting(Side::accepting, key_of('x'), {});
  run(connecting, accepting);
  EXPECT_EQ(connecting.state(), State::rejected);
  EXPECT_EQ(connecting.rejection(), "wrong secret");
  EXPECT_TRUE(connecting.outgoing().empty());
  EXPECT_EQ(accepting.state(), State::running);
}

TEST(Handshake, AnotherSecretIsRejectedByTheAcceptingSide) {
  Handshake connecting(Side::connecting, key_of('k'), {});
  Handshake accepting(Side::accepting, key_of('k'), {});
  pump(connecting, accepting);
  pump(accepting, connecting);
  ASSERT_EQ(connecting.outgoing().size(), accepting.wanted());
  const Bytes forged(accepting.wanted(), std::byte{0x5a});
  accepting.received(forged);
  EXPECT_EQ(accepting.state(), State::rejected);
  EXPECT_EQ(accepting.rejection(), "wrong secret");
}

TEST(Handshake, EveryFlippedBitIsNoticed) {
  for (size_t position = 0; position < 56; ++position) {
    Handshake connecting(Side::connecting, key_of('k'), {.rank = 1, .rank_count = 2, .purpose = 3});
    Handshake accepting(Side::accepting, key_of('k'), {});
    Bytes hello(connecting.outgoing().begin(), connecting.outgoing().end());
    ASSERT_EQ(hello.size(), 56u);
    connecting.written(hello.size());
    hello[position] ^= std::byte{0x10};
    accepting.received(hello);
    pump(accepting, connecting);
    pump(connecting, accepting);
    EXPECT_NE(connecting.state(), State::done) << "byte " << position;
    EXPECT_NE(accepting.state(), State::done) << "byte " << position;
  }
}

TEST(Handshake, GarbageIsNoPeer) {
  Handshake accepting(Side::accepting, key_of('k'), {});
  std::string text = "GET / HTTP/1.1\r\nHost: example.org\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n";
  accepting.received(std::as_bytes(std::span(text)).first(accepting.wanted()));
  EXPECT_EQ(accepting.state(), State::rejected);
  EXPECT_EQ(accepting.rejection(), "no Tutti peer");
  EXPECT_TRUE(accepting.outgoing().empty());
  EXPECT_EQ(accepting.wanted(), 0u);
}

TEST(Handshake, AReflectedHelloIsRejected) {
  Handshake connecting(Side::connecting, key_of('k'), {});
  const Bytes hello(connecting.outgoing().begin(), connecting.outgoing().end());
  connecting.written(hello.size());
  connecting.received(hello);
  EXPECT_EQ(connecting.state(), State::rejected);
}

TEST(Handshake, AProofSentBackToItsAuthorIsRejected) {
  // An attacker without the key connects to an accepting end and hands it the end's own proof.
  Handshake stranger(Side::connecting, key_of('x'), {});
  Handshake accepting(Side::accepting, key_of('k'), {});
  pump(stranger, accepting);
  const Bytes answer(accepting.outgoing().begin(), accepting.outgoing().end());
  accepting.written(answer.size());
  ASSERT_GT(answer.size(), accepting.wanted());
  accepting.received(std::span(answer).last(accepting.wanted()));
  EXPECT_EQ(accepting.state(), State::rejected);
}

TEST(Handshake, AReplayedHandshakeIsRejected) {
  Handshake connecting(Side::connecting, key_of('k'), {});
  Handshake accepting(Side::accepting, key_of('k'), {});
  Bytes recorded = pump(connecting, accepting);
  pump(accepting, connecting);
  const Bytes proof = pump(connecting, accepting);
  ASSERT_EQ(accepting.state(), State::done);

  Handshake again(Side::accepting, key_of('k'), {});
  again.received(recorded);
  again.written(again.outgoing().size());
  again.received(proof);
  EXPECT_EQ(again.state(), State::rejected);
}

TEST(DeriveKey, DependsOnKeyLabelAndContext) {
  const Key base = derive_key(key_of('k'), "links", 1);
  EXPECT_EQ(base, derive_key(key_of('k'), "links", 1));
  EXPECT_NE(base, derive_key(key_of('x'), "links", 1));
  EXPECT_NE(base, derive_key(key_of('k'), "other", 1));
  EXPECT_NE(base, derive_key(key_of('k'), "links", 2));
}

TEST(DeriveKey, IsHmacSha256) {
  // The expected value comes from Python:
  // hmac.new(b"k" * 32, b"links" + (1).to_bytes(8, "little"), "sha256").hexdigest()
  const Key key = derive_key(key_of('k'), "links", 1);
  std::string hex;
  for (const std::byte byte : key) {
    constexpr const char* digits = "0123456789abcdef";
    hex += digits[std::to_integer<unsigned>(byte) >> 4];
    hex += digits[std::to_integer<unsigned>(byte) & 15u];
  }
  EXPECT_EQ(hex, "4922d6c1ff62628251783780f1b86216757fb799d19604cf4fde0efa9d92f7cb");
}

TEST(FillRandom, GivesDifferentBytesEachTime) {
  Key a{};
  Key b{};
  fill_random(a);
  fill_random(b);
  EXPECT_NE(a, b);
  EXPECT_NE(a, Key{});
}

}  // namespace
}  // namespace tutti
