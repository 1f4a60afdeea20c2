// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/address.hpp"

#include <algorithm>
#include <cstring>

#include "transport/transport.hpp"

namespace tutti::transports::shm {
namespace {

// "TSH1", the number being the format's. All numbers are little-endian: hosts of another kind share no memory with this one.
constexpr uint32_t kMagic = 0x31485354;

struct Fixed {
  uint32_t magic;
  uint32_t user_id;
  uint32_t process_id;
  uint32_t host_id_bytes;
  SocketName socket_name;
};
static_assert(sizeof(Fixed) == 32 && sizeof(Fixed) + kMaxHostIdBytes <= transport::kMaxAddressBytes);

}  // namespace

std::vector<std::byte> encode(const Address& address) {
  const size_t host_id_bytes = std::min(address.host_id.size(), kMaxHostIdBytes);
  const Fixed fixed{kMagic, address.user_id, address.process_id, static_cast<uint32_t>(host_id_bytes), address.socket_name};
  std::vector<std::byte> bytes(sizeof(fixed) + host_id_bytes);
  std::memcpy(bytes.data(), &fixed, sizeof(fixed));
  if (host_id_bytes != 0) {
    std::memcpy(bytes.data() + sizeof(fixed), address.host_id.data(), host_id_bytes);
  }
  return bytes;
}

Result<Address> decode(std::span<const std::byte> bytes) {
  Fixed fixed{};
  if (bytes.size() < sizeof(fixed)) {
    return tl::make_unexpected(invalid_argument("its address has {} bytes, too few", bytes.size()));
  }
  std::memcpy(&fixed, bytes.data(), sizeof(fixed));
  if (fixed.magic != kMagic) {
    return tl::make_unexpected(invalid_argument("its address begins with {:#x}, not with {:#x}", fixed.magic, kMagic));
  }
  if (fixed.host_id_bytes > kMaxHostIdBytes || fixed.host_id_bytes != bytes.size() - sizeof(fixed)) {
    return tl::make_unexpected(invalid_argument("its address says that its host id has {} of {} bytes", fixed.host_id_bytes, bytes.size()));
  }
  Address address{fixed.user_id, fixed.process_id, fixed.socket_name, {}};
  address.host_id.assign(reinterpret_cast<const char*>(bytes.data() + sizeof(fixed)), fixed.host_id_bytes);
  return address;
}

}  // namespace tutti::transports::shm
