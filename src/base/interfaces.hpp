// SPDX-License-Identifier: Apache-2.0
// Network interfaces and socket addresses: choice by TUTTI_SOCKET_IFNAME, IPv4 and IPv6, and non-blocking sockets.
#pragma once

#include <sys/socket.h>
#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/descriptor.hpp"
#include "base/port_range.hpp"
#include "base/status.hpp"

namespace tutti {

// An IPv4 or IPv6 address with port; the scope of a link-local address is kept.
class SocketAddress {
 public:
  SocketAddress() = default;
  static Result<SocketAddress> from_sockaddr(const sockaddr* address, socklen_t length);
  // Numeric or by name; blocks for a name's resolution.
  static Result<SocketAddress> resolve(std::string_view host, uint16_t port);
  // The form carried between ranks: fixed size, checked on the way back.
  static constexpr size_t kEncodedBytes = 28;
  void encode(std::span<std::byte, kEncodedBytes> bytes) const;
  static Result<SocketAddress> decode(std::span<const std::byte, kEncodedBytes> bytes);

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t length() const { return length_; }
  int family() const { return storage_.ss_family; }
  uint16_t port() const;
  void set_port(uint16_t port);
  bool is_loopback() const;
  bool is_link_local() const;
  // Whether the two differ in their ports at most.
  bool is_same_host(const SocketAddress& other) const;
  // An IPv6 address with the scope of another one.
  SocketAddress with_scope_of(const SocketAddress& other) const;
  // "127.0.0.1:4711", "[::1]:4711"
  std::string to_string() const;

 private:
  sockaddr_storage storage_{};
  socklen_t length_ = 0;
};

struct Interface {
  std::string name;
  SocketAddress address;  // port 0
  uint32_t network_bits = 0;  // of the address, those that are the same on all of its network
};

// Interfaces that are up, as `selection` (TUTTI_SOCKET_IFNAME's syntax: prefixes "eth,ib", exclusion "^docker,veth", exact "=eth0") allows them;
// without a selection all, loopback last, link-local IPv6 behind other addresses. Errors: tuttiInvalidArgument naming a selection that
// matches none, and the interfaces there are.
Result<std::vector<Interface>> find_interfaces(std::string_view selection);

// Whether `address` is on the network of `interface`.
bool is_on_network(const SocketAddress& address, const Interface& interface);

// A non-blocking, close-on-exec listening TCP socket; port 0 picks one, of `ports`. local_address() tells which. The address may be one that is
// still being checked for duplicates: then connections are answered once it has passed.
Result<Descriptor> listen_on(const SocketAddress& address, int backlog, const PortRange& ports = {});
// A non-blocking, close-on-exec TCP socket whose connection to `address` has begun, from the host address of `from` if there is one; TCP_NODELAY is
// set.
Result<Descriptor> begin_connect(const SocketAddress& address, const std::optional<SocketAddress>& from = {});
Result<SocketAddress> local_address(const Descriptor& socket);
// The pending error of a socket as an errno value, 0 for none.
int pending_error(const Descriptor& socket);

}  // namespace tutti
