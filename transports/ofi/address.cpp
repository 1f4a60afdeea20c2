// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/address.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <iterator>
#include <utility>

#include "base/little_endian.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ofi {

namespace {

// The last character is the version of the address and of what travels.
constexpr std::string_view kMagic = "ofi1";
constexpr size_t kFixedBytes = kMagic.size() + sizeof(uint64_t) + 1 + 2 + 1;
static_assert(kFixedBytes + kMaxProviderBytes + kMaxNameBytes + kMaxSocketAddresses * SocketAddress::kEncodedBytes <= transport::kMaxAddressBytes);

void append(std::vector<std::byte>& bytes, std::span<const std::byte> more) { std::ranges::copy(more, std::back_inserter(bytes)); }

// Takes bytes from the front; asked for more than there are, it gives zeros and remembers that.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::span<const std::byte> take(size_t byte_count) {
    is_short_ = is_short_ || byte_count > bytes_.size();
    const auto taken = bytes_.first(is_short_ ? 0 : byte_count);
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  uint64_t take_number(size_t byte_count) { return load_little_endian(take(byte_count)); }
  // Whether there was exactly as much as has been taken.
  bool is_at_end() const { return !is_short_ && bytes_.empty(); }
  bool is_short() const { return is_short_; }

 private:
  std::span<const std::byte> bytes_;
  bool is_short_ = false;
};

}  // namespace

std::vector<std::byte> encode(const Address& address) {
  assert(address.provider.size() <= kMaxProviderBytes && address.name.size() <= kMaxNameBytes);
  const size_t count = std::min(address.sockets.size(), kMaxSocketAddresses);
  std::vector<std::byte> bytes;
  append(bytes, std::as_bytes(std::span(kMagic)));
  append_little_endian(bytes, address.host, sizeof address.host);
  append_little_endian(bytes, address.provider.size(), 1);
  append(bytes, std::as_bytes(std::span(address.provider)));
  append_little_endian(bytes, address.name.size(), 2);
  append(bytes, address.name);
  append_little_endian(bytes, count, 1);
  for (size_t index = 0; index < count; ++index) {
    std::array<std::byte, SocketAddress::kEncodedBytes> encoded;
    address.sockets[index].encode(encoded);
    append(bytes, encoded);
  }
  return bytes;
}

std::optional<Address> decode(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  if (!std::ranges::equal(reader.take(kMagic.size()), std::as_bytes(std::span(kMagic)))) {
    return std::nullopt;
  }
  Address address;
  address.host = reader.take_number(sizeof address.host);
  const auto provider = reader.take(reader.take_number(1));
  const auto name = reader.take(reader.take_number(2));
  const size_t count = reader.take_number(1);
  if (reader.is_short() || provider.size() > kMaxProviderBytes || name.size() > kMaxNameBytes || count > kMaxSocketAddresses) {
    return std::nullopt;
  }
  std::ranges::transform(provider, std::back_inserter(address.provider), [](std::byte byte) { return static_cast<char>(byte); });
  address.name.assign(name.begin(), name.end());
  for (size_t index = 0; index < count; ++index) {
    const auto encoded = reader.take(SocketAddress::kEncodedBytes);
    if (reader.is_short()) {
      return std::nullopt;
    }
    auto socket = SocketAddress::decode(encoded.first<SocketAddress::kEncodedBytes>());
    if (!socket) {
      return std::nullopt;
    }
    address.sockets.push_back(*socket);
  }
  return reader.is_at_end() ? std::optional(std::move(address)) : std::nullopt;
}

}  // namespace tutti::transports::ofi
