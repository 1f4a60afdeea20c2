// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/address.hpp"

#include <algorithm>
#include <cassert>
#include <string_view>

#include "base/little_endian.hpp"
#include "transport/transport.hpp"

namespace tutti::transports::ucx {

namespace {

// The last character is the version of the address and of the wire format.
constexpr std::string_view kMagic = "ucx1";
constexpr size_t kFixedBytes = kMagic.size() + 8 + 4 + 8 + 1;
constexpr size_t kProofBytes = 32;
static_assert(kFixedBytes + kMaxWorkerAddressBytes + kProofBytes <= transport::kMaxAddressBytes);

uint64_t take_integer(std::span<const std::byte>& bytes, size_t byte_count) {
  const uint64_t value = load_little_endian(bytes.first(byte_count));
  bytes = bytes.subspan(byte_count);
  return value;
}

Key prove(std::span<const std::byte> bytes, const Key& key, uint32_t rank) {
  return derive_key(key, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}, rank);
}

}  // namespace

std::vector<std::byte> encode(const Address& address, const Key& key, uint32_t rank) {
  assert(address.worker.size() <= kMaxWorkerAddressBytes);
  std::vector<std::byte> bytes;
  bytes.reserve(kFixedBytes + address.worker.size() + kProofBytes);
  std::ranges::copy(std::as_bytes(std::span(kMagic)), std::back_inserter(bytes));
  append_little_endian(bytes, address.host, 8);
  append_little_endian(bytes, address.process_id, 4);
  append_little_endian(bytes, address.process_start, 8);
  append_little_endian(bytes, address.watches_process ? 1 : 0, 1);
  std::ranges::copy(address.worker, std::back_inserter(bytes));
  std::ranges::copy(prove(bytes, key, rank), std::back_inserter(bytes));
  return bytes;
}

std::optional<Address> decode(std::span<const std::byte> bytes, const Key& key, uint32_t rank) {
  if (bytes.size() <= kFixedBytes + kProofBytes || bytes.size() > kFixedBytes + kMaxWorkerAddressBytes + kProofBytes) {
    return std::nullopt;
  }
  const std::span<const std::byte> proof = bytes.last(kProofBytes);
  bytes = bytes.first(bytes.size() - kProofBytes);
  if (!equal_in_constant_time(proof, prove(bytes, key, rank)) ||
      !std::ranges::equal(bytes.first(kMagic.size()), std::as_bytes(std::span(kMagic)))) {
    return std::nullopt;
  }
  bytes = bytes.subspan(kMagic.size());
  Address address;
  address.host = take_integer(bytes, 8);
  address.process_id = static_cast<uint32_t>(take_integer(bytes, 4));
  address.process_start = take_integer(bytes, 8);
  address.watches_process = take_integer(bytes, 1) != 0;
  address.worker.assign(bytes.begin(), bytes.end());
  return address;
}

}  // namespace tutti::transports::ucx
