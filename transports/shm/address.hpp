// SPDX-License-Identifier: Apache-2.0
// What a rank tells the others so that those on its host can reach it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "transports/shm/local_socket.hpp"

namespace tutti::transports::shm {

struct Address {
  uint32_t user_id = 0;
  uint32_t process_id = 0;
  SocketName socket_name{};
  std::string host_id;  // its first kMaxHostIdBytes

  bool operator==(const Address&) const = default;
};

inline constexpr size_t kMaxHostIdBytes = 512;

std::vector<std::byte> encode(const Address& address);
// Errors: tuttiInvalidArgument naming what is wrong.
Result<Address> decode(std::span<const std::byte> bytes);

}  // namespace tutti::transports::shm
