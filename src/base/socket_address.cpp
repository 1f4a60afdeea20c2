// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <memory>

#include "base/interfaces.hpp"

namespace tutti {

namespace {

// The encoded form: family (4 or 6), a zero, the port (big-endian), 16 address bytes of which IPv4 uses the first 4, the IPv6 scope
// (little-endian), 4 zeros.
constexpr size_t kPortAt = 2;
constexpr size_t kAddressAt = 4;
constexpr size_t kScopeAt = 20;
constexpr size_t kPaddingAt = 24;
constexpr auto kFamily4 = std::byte{4};
constexpr auto kFamily6 = std::byte{6};

bool all_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) { return byte == std::byte{0}; });
}

// sockaddr_storage is read and written as the type its family says; copies keep that free of aliasing.
template <typename T>
T as(const sockaddr_storage& storage) {
  T address;
  std::memcpy(&address, &storage, sizeof address);
  return address;
}

}  // namespace

Result<SocketAddress> SocketAddress::from_sockaddr(const sockaddr* address, socklen_t length) {
  if (address == nullptr) {
    return tl::make_unexpected(invalid_argument("socket address is NULL"));
  }
  const socklen_t expected = address->sa_family == AF_INET    ? static_cast<socklen_t>(sizeof(sockaddr_in))
                             : address->sa_family == AF_INET6 ? static_cast<socklen_t>(sizeof(sockaddr_in6))
                                                              : 0;
  if (expected == 0 || length < expected) {
    return tl::make_unexpected(
        invalid_argument("socket address of family {} and {} bytes is neither IPv4 nor IPv6", address->sa_family, length));
  }
  SocketAddress result;
  std::memcpy(&result.storage_, address, expected);
  result.length_ = expected;
  return result;
}

Result<SocketAddress> SocketAddress::resolve(std::string_view host, uint16_t port) {
  const std::string name(host);
  if (name.empty() || name.find('\0') != std::string::npos) {
    return tl::make_unexpected(invalid_argument("host name \"{}\" is empty or malformed", name.c_str()));
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(error == 0 ? found : nullptr, &::freeaddrinfo);
  if (error == EAI_SYSTEM) {
    return tl::make_unexpected(system_error(errno, fmt::format("resolve host name \"{}\"", name)));
  }
  if (error != 0) {
    return tl::make_unexpected(failure(tuttiSystemError, "resolve host name \"{}\": {}", name, ::gai_strerror(error)));
  }
  Result<SocketAddress> address = from_sockaddr(found->ai_addr, found->ai_addrlen);
  if (address.has_value()) {
    address->set_port(port);
  }
  return address;
}

void SocketAddress::encode(std::span<std::byte, kEncodedBytes> bytes) const {
  std::fill(bytes.begin(), bytes.end(), std::byte{0});
  bytes[kPortAt] = static_cast<std::byte>(port() >> 8);
  bytes[kPortAt + 1] = static_cast<std::byte>(port());
  if (family() == AF_INET) {
    const auto address = as<sockaddr_in>(storage_);
    bytes[0] = kFamily4;
    std::memcpy(&bytes[kAddressAt], &address.sin_addr, sizeof address.sin_addr);
  } else if (family() == AF_INET6) {
    const auto address = as<sockaddr_in6>(storage_);
    bytes[0] = kFamily6;
    std::memcpy(&bytes[kAddressAt], &address.sin6_addr, sizeof address.sin6_addr);
    for (size_t i = 0; i < sizeof address.sin6_scope_id; ++i) {
      bytes[kScopeAt + i] = static_cast<std::byte>(address.sin6_scope_id >> (8 * i));
    }
  }
}

Result<SocketAddress> SocketAddress::decode(std::span<const std::byte, kEncodedBytes> bytes) {
  const auto view = std::span<const std::byte>(bytes);
  const bool is_4 = bytes[0] == kFamily4;
  const size_t used_until = is_4 ? kAddressAt + sizeof(in_addr) : kPaddingAt;
  if ((!is_4 && bytes[0] != kFamily6) || bytes[1] != std::byte{0} || !all_zero(view.subspan(used_until))) {
    return tl::make_unexpected(invalid_argument("encoded socket address is malformed"));
  }
  SocketAddress result;
  if (is_4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    std::memcpy(&address.sin_addr, &bytes[kAddressAt], sizeof address.sin_addr);
    std::memcpy(&result.storage_, &address, sizeof address);
    result.length_ = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    std::memcpy(&address.sin6_addr, &bytes[kAddressAt], sizeof address.sin6_addr);
    for (size_t i = 0; i < sizeof address.sin6_scope_id; ++i) {
      address.sin6_scope_id |= std::to_integer<uint32_t>(bytes[kScopeAt + i]) << (8 * i);
    }
    std::memcpy(&result.storage_, &address, sizeof address);
    result.length_ = sizeof address;
  }
  result.set_port(static_cast<uint16_t>(std::to_integer<unsigned>(bytes[kPortAt]) << 8 |
                                        std::to_integer<unsigned>(bytes[kPortAt + 1])));
  return result;
}

uint16_t SocketAddress::port() const {
  switch (family()) {
    case AF_INET: return ntohs(as<sockaddr_in>(storage_).sin_port);
    case AF_INET6: return ntohs(as<sockaddr_in6>(storage_).sin6_port);
    default: return 0;
  }
}

void SocketAddress::set_port(uint16_t port) {
  if (family() == AF_INET) {
    auto address = as<sockaddr_in>(storage_);
    address.sin_port = htons(port);
    std::memcpy(&storage_, &address, sizeof address);
  } else if (family() == AF_INET6) {
    auto address = as<sockaddr_in6>(storage_);
    address.sin6_port = htons(port);
    std::memcpy(&storage_, &address, sizeof address);
  }
}

bool SocketAddress::is_loopback() const {
  if (family() == AF_INET) {
    return (ntohl(as<sockaddr_in>(storage_).sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
  }
  const auto address = as<sockaddr_in6>(storage_);
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address.sin6_addr);
}

bool SocketAddress::is_link_local() const {
  if (family() == AF_INET) {
    return (ntohl(as<sockaddr_in>(storage_).sin_addr.s_addr) >> 16) == 0xa9fe;  // 169.254.0.0/16, RFC 3927
  }
  const auto address = as<sockaddr_in6>(storage_);
  return family() == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&address.sin6_addr);
}

bool SocketAddress::is_same_host(const SocketAddress& other) const {
  if (family() != other.family()) {
    return false;
  }
  if (family() == AF_INET) {
    return as<sockaddr_in>(storage_).sin_addr.s_addr == as<sockaddr_in>(other.storage_).sin_addr.s_addr;
  }
  const auto own6 = as<sockaddr_in6>(storage_);
  const auto other6 = as<sockaddr_in6>(other.storage_);
  return own6.sin6_scope_id == other6.sin6_scope_id && IN6_ARE_ADDR_EQUAL(&own6.sin6_addr, &other6.sin6_addr);
}

SocketAddress SocketAddress::with_scope_of(const SocketAddress& other) const {
  SocketAddress result = *this;
  if (family() == AF_INET6 && other.family() == AF_INET6) {
    auto address = as<sockaddr_in6>(storage_);
    address.sin6_scope_id = as<sockaddr_in6>(other.storage_).sin6_scope_id;
    std::memcpy(&result.storage_, &address, sizeof address);
  }
  return result;
}

std::string SocketAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    const auto address = as<sockaddr_in>(storage_);
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    return fmt::format("{}:{}", text.data(), port());
  }
  if (family() == AF_INET6) {
    const auto address = as<sockaddr_in6>(storage_);
    ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
    const std::string scope = address.sin6_scope_id == 0 ? "" : fmt::format("%{}", address.sin6_scope_id);
    return fmt::format("[{}{}]:{}", text.data(), scope, port());
  }
  return "no address";
}

}  // namespace tutti
