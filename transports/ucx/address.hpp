// SPDX-License-Identifier: Apache-2.0
// What a rank tells the others of itself. UCX believes any worker address that it is given, so ours ends with a proof that a rank of the
// communicator has made it, without which nothing of it reaches UCX.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/authentication.hpp"

namespace tutti::transports::ucx {

struct Address {
  uint64_t host = 0;             // a digest of its identity
  uint32_t process_id = 0;
  uint64_t process_start = 0;    // by which another process of the same number is told apart; 0: unknown
  bool watches_process = false;  // its endpoints do without UCX's error handling where a peer's process can be watched
  std::vector<std::byte> worker;

  bool operator==(const Address&) const = default;
};

// At most as large as what is to be told of a worker.
inline constexpr size_t kMaxWorkerAddressBytes = 960;

// `rank`: whose address it is.
std::vector<std::byte> encode(const Address& address, const Key& key, uint32_t rank);
// Empty for what encode() has not made with the same key and rank.
std::optional<Address> decode(std::span<const std::byte> bytes, const Key& key, uint32_t rank);

}  // namespace tutti::transports::ucx
