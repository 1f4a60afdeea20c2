// SPDX-License-Identifier: Apache-2.0
// Mutual proof that both ends of a connection know a key, before anything else is read: HMAC-SHA256 over fresh challenges of both sides. A state
// machine over bytes, without I/O, shared by the bootstrap and the network transports.
//
//   connecting -> accepting   hello: magic, claim, challenge
//   accepting -> connecting   hello: magic, claim, challenge; then proof = HMAC(key, "accepting" || both hellos)
//   connecting -> accepting   proof = HMAC(key, "connecting" || both hellos)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tutti {

inline constexpr size_t kKeyBytes = 32;
using Key = std::array<std::byte, kKeyBytes>;

// HMAC-SHA256(key, label || context): a key for one purpose, from which `key` cannot be computed.
Key derive_key(const Key& key, std::string_view label, uint64_t context);
// In a time that does not tell where they differ.
bool equal_in_constant_time(std::span<const std::byte> a, std::span<const std::byte> b);
// Cryptographically strong random bytes; ends the process when the system has none to give, which Linux never does after boot.
void fill_random(std::span<std::byte> bytes);

class Handshake {
 public:
  enum class Side : uint8_t { connecting, accepting };
  enum class State : uint8_t { running, done, rejected };
  // What an end says of itself; believed only once proven.
  struct Claim {
    uint32_t rank = 0;
    uint32_t rank_count = 0;
    uint64_t purpose = 0;  // the sockets of one protocol agree on it; the receiver checks it

    bool operator==(const Claim&) const = default;
  };

  Handshake(Side side, const Key& key, const Claim& claim);

  // Bytes to write now; written() tells how many of them went out.
  std::span<const std::byte> outgoing() const;
  void written(size_t byte_count);
  // How many bytes it wants next; never more than a fixed bound. Reading no more than that leaves what follows the handshake in the socket.
  size_t wanted() const;
  void received(std::span<const std::byte> bytes);

  // `done` once the peer's proof held and everything of ours has been written.
  State state() const;
  // Why it was rejected: "no Tutti peer", "wrong secret".
  std::string_view rejection() const;
  // The peer's claim; only when done.
  const Claim& peer_claim() const;

 private:
  void check_hello();
  void check_proof();
  void reject(std::string_view why);
  void finish_if_complete();

  Side side_;
  Key key_;
  State state_ = State::running;
  std::string_view rejection_;
  Claim peer_claim_;
  std::vector<std::byte> own_hello_;
  std::vector<std::byte> incoming_;
  std::vector<std::byte> outgoing_;
  size_t outgoing_done_ = 0;
  bool hello_checked_ = false;
  bool proof_checked_ = false;
};

}  // namespace tutti
