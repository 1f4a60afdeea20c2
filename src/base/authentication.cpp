// SPDX-License-Identifier: Apache-2.0
#include "base/authentication.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/little_endian.hpp"

namespace tutti {

namespace {

// The last digit is the version of the protocol: an end that speaks another one is no peer.
constexpr std::string_view kMagic = "TUTTIHS1";
constexpr size_t kChallengeBytes = 32;
constexpr size_t kClaimBytes = 16;
constexpr size_t kHelloBytes = kMagic.size() + kClaimBytes + kChallengeBytes;
constexpr size_t kProofBytes = kKeyBytes;

using Digest = std::array<std::byte, kProofBytes>;

[[noreturn]] void end_process(const char* what) {
  std::fprintf(stderr, "tutti: %s; cannot go on safely\n", what);
  std::abort();
}

Digest hmac_sha256(const Key& key, std::span<const std::byte> message) {
  Digest digest;
  unsigned int digest_bytes = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(message.data()), message.size(),
                                   reinterpret_cast<unsigned char*>(digest.data()), &digest_bytes);
  if (made == nullptr || digest_bytes != digest.size()) {
    end_process("HMAC-SHA256 failed in libcrypto");
  }
  return digest;
}

void append(std::vector<std::byte>& bytes, std::span<const std::byte> more) {
  bytes.insert(bytes.end(), more.begin(), more.end());
}

void append(std::vector<std::byte>& bytes, std::string_view text) { append(bytes, std::as_bytes(std::span(text))); }

std::vector<std::byte> make_hello(const Handshake::Claim& claim) {
  std::vector<std::byte> hello;
  hello.reserve(kHelloBytes);
  append(hello, kMagic);
  append_little_endian(hello, claim.rank, sizeof claim.rank);
  append_little_endian(hello, claim.rank_count, sizeof claim.rank_count);
  append_little_endian(hello, claim.purpose, sizeof claim.purpose);
  hello.resize(kHelloBytes);
  fill_random(std::span(hello).last(kChallengeBytes));
  return hello;
}

bool has_magic(std::span<const std::byte> hello) {
  return std::memcmp(hello.data(), kMagic.data(), kMagic.size()) == 0;
}

Handshake::Claim claim_in(std::span<const std::byte> hello) {
  const auto claim = hello.subspan(kMagic.size(), kClaimBytes);
  return {.rank = static_cast<uint32_t>(load_little_endian(claim.subspan(0, 4))),
          .rank_count = static_cast<uint32_t>(load_little_endian(claim.subspan(4, 4))),
          .purpose = load_little_endian(claim.subspan(8, 8))};
}

std::span<const std::byte> challenge_in(std::span<const std::byte> hello) { return hello.last(kChallengeBytes); }

// The label of the proving side keeps a proof from being sent back to its author; both hellos, hence both challenges, keep it from being used
// in another handshake. The connecting side's hello comes first on both ends.
Digest make_proof(const Key& key, Handshake::Side prover, std::span<const std::byte> connecting_hello,
                  std::span<const std::byte> accepting_hello) {
  std::vector<std::byte> message;
  append(message, prover == Handshake::Side::connecting ? std::string_view("connecting") : std::string_view("accepting"));
  append(message, connecting_hello);
  append(message, accepting_hello);
  return hmac_sha256(key, message);
}

}  // namespace

bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

Key derive_key(const Key& key, std::string_view label, uint64_t context) {
  std::vector<std::byte> message;
  append(message, label);
  append_little_endian(message, context, sizeof context);
  return hmac_sha256(key, message);
}

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t filled = ::getrandom(bytes.data(), bytes.size(), 0);
    if (filled < 0 && errno != EINTR) {
      end_process("getrandom gave no random bytes");
    }
    if (filled > 0) {
      bytes = bytes.subspan(static_cast<size_t>(filled));
    }
  }
}

Handshake::Handshake(Side side, const Key& key, const Claim& claim) : side_(side), key_(key), own_hello_(make_hello(claim)) {
  if (side_ == Side::connecting) {
    outgoing_ = own_hello_;
  }
}

std::span<const std::byte> Handshake::outgoing() const {
  return state_ == State::rejected ? std::span<const std::byte>() : std::span(outgoing_).subspan(outgoing_done_);
}

void Handshake::written(size_t byte_count) {
  assert(byte_count <= outgoing_.size() - outgoing_done_);
  outgoing_done_ += std::min(byte_count, outgoing_.size() - outgoing_done_);
  finish_if_complete();
}

size_t Handshake::wanted() const {
  if (state_ != State::running || proof_checked_) {
    return 0;
  }
  return (hello_checked_ ? kHelloBytes + kProofBytes : kHelloBytes) - incoming_.size();
}

void Handshake::received(std::span<const std::byte> bytes) {
  assert(bytes.size() <= wanted());
  append(incoming_, bytes.first(std::min(bytes.size(), wanted())));
  if (state_ != State::running) {
    return;
  }
  if (!hello_checked_ && incoming_.size() == kHelloBytes) {
    check_hello();
  } else if (hello_checked_ && !proof_checked_ && incoming_.size() == kHelloBytes + kProofBytes) {
    check_proof();
  }
}

Handshake::State Handshake::state() const { return state_; }
std::string_view Handshake::rejection() const { return rejection_; }

const Handshake::Claim& Handshake::peer_claim() const {
  assert(state_ == State::done);
  return peer_claim_;
}

void Handshake::check_hello() {
  // A challenge equal to ours is our own hello sent back.
  if (!has_magic(incoming_) || equal_in_constant_time(challenge_in(incoming_), challenge_in(own_hello_))) {
    return reject("no Tutti peer");
  }
  hello_checked_ = true;
  if (side_ == Side::accepting) {
    append(outgoing_, own_hello_);
    append(outgoing_, make_proof(key_, Side::accepting, incoming_, own_hello_));
  }
}

void Handshake::check_proof() {
  const auto peer_hello = std::span<const std::byte>(incoming_).first(kHelloBytes);
  const auto peer_proof = std::span<const std::byte>(incoming_).last(kProofBytes);
  const bool connecting = side_ == Side::connecting;
  const Digest expected = connecting ? make_proof(key_, Side::accepting, own_hello_, peer_hello)
                                     : make_proof(key_, Side::connecting, peer_hello, own_hello_);
  if (!equal_in_constant_time(peer_proof, expected)) {
    return reject("wrong secret");
  }
  proof_checked_ = true;
  peer_claim_ = claim_in(peer_hello);
  if (connecting) {
    append(outgoing_, make_proof(key_, Side::connecting, own_hello_, peer_hello));
  }
  finish_if_complete();
}

void Handshake::reject(std::string_view why) {
  state_ = State::rejected;
  rejection_ = why;
  OPENSSL_cleanse(key_.data(), key_.size());
}

void Handshake::finish_if_complete() {
  if (state_ == State::running && proof_checked_ && outgoing_done_ == outgoing_.size()) {
    state_ = State::done;
    OPENSSL_cleanse(key_.data(), key_.size());
  }
}

}  // namespace tutti
