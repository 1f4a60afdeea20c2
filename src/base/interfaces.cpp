// SPDX-License-Identifier: Apache-2.0
#include "base/interfaces.hpp"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <memory>

namespace tutti {

namespace {

// TUTTI_SOCKET_IFNAME, parsed: [^][=]name[,name]...
class Selection {
 public:
  static Result<Selection> parse(std::string_view text) {
    Selection selection;
    std::string_view rest = text;
    if (rest.starts_with('^')) {
      selection.polarity_ = Polarity::exclude;
      rest.remove_prefix(1);
    }
    if (rest.starts_with('=')) {
      selection.match_ = Match::exact;
      rest.remove_prefix(1);
    }
    for (bool last = text.empty(); !last;) {
      const size_t comma = rest.find(',');
      last = comma == std::string_view::npos;
      const std::string_view name = rest.substr(0, comma);
      if (name.empty()) {
        return tl::make_unexpected(invalid_argument("TUTTI_SOCKET_IFNAME: \"{}\" has an empty interface name", text));
      }
      selection.names_.emplace_back(name);
      rest.remove_prefix(last ? rest.size() : comma + 1);
    }
    return selection;
  }

  bool allows(std::string_view interface) const {
    if (names_.empty()) {
      return true;
    }
    const bool matched = std::any_of(names_.begin(), names_.end(), [&](const std::string& name) {
      return match_ == Match::exact ? interface == name : interface.starts_with(name);
    });
    return matched == (polarity_ == Polarity::include);
  }

 private:
  enum class Polarity : uint8_t { include, exclude };
  enum class Match : uint8_t { prefix, exact };
  Polarity polarity_ = Polarity::include;
  Match match_ = Match::prefix;
  std::vector<std::string> names_;
};

// The bytes of an address without its port.
std::span<const std::byte> bytes_of(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return std::as_bytes(std::span(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr, 1));
  }
  return std::as_bytes(std::span(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, 1));
}

uint32_t bits_of_mask(const sockaddr* mask, int family) {
  uint32_t bits = 0;
  if (mask != nullptr && mask->sa_family == family) {
    for (const std::byte byte : bytes_of(mask)) {
      bits += static_cast<uint32_t>(std::popcount(std::to_integer<uint8_t>(byte)));
    }
  }
  return bits;
}

Result<std::vector<Interface>> all_interfaces() {
  ifaddrs* head = nullptr;
  if (::getifaddrs(&head) != 0) {
    return tl::make_unexpected(system_error(errno, "getifaddrs"));
  }
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(head, &::freeifaddrs);
  std::vector<Interface> interfaces;
  for (const ifaddrs* entry = head; entry != nullptr; entry = entry->ifa_next) {
    if ((entry->ifa_flags & IFF_UP) == 0 || entry->ifa_addr == nullptr) {
      continue;
    }
    const socklen_t length = entry->ifa_addr->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    if (auto address = SocketAddress::from_sockaddr(entry->ifa_addr, length)) {
      interfaces.push_back({.name = entry->ifa_name, .address = *address, .network_bits = bits_of_mask(entry->ifa_netmask, address->family())});
    }
  }
  return interfaces;
}

// Lower is tried first: an address peers can reach, one that only neighbours on the same wire can, one that only this host can.
int distance(const Interface& interface) {
  return interface.address.is_loopback() ? 2 : interface.address.is_link_local() ? 1 : 0;
}

std::string names_of(const std::vector<Interface>& interfaces) {
  std::string names;
  for (const Interface& interface : interfaces) {
    fmt::format_to(std::back_inserter(names), "{}{}", names.empty() ? "" : ", ", interface.name);
  }
  return names.empty() ? "none" : names;
}

Result<Descriptor> open_socket(const SocketAddress& address) {
  Descriptor socket(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.valid()) {
    return tl::make_unexpected(system_error(errno, fmt::format("make a socket for {}", address.to_string())));
  }
  return socket;
}

Status enable(const Descriptor& socket, int level, int option, std::string_view name) {
  const int on = 1;
  if (::setsockopt(socket.get(), level, option, &on, sizeof on) != 0) {
    return system_error(errno, fmt::format("set {} on a socket", name));
  }
  return {};
}

}  // namespace

Result<std::vector<Interface>> find_interfaces(std::string_view selection) {
  Result<Selection> allowed = Selection::parse(selection);
  if (!allowed) {
    return tl::make_unexpected(allowed.error());
  }
  Result<std::vector<Interface>> all = all_interfaces();
  if (!all) {
    return all;
  }
  std::vector<Interface> chosen;
  std::copy_if(all->begin(), all->end(), std::back_inserter(chosen),
               [&](const Interface& interface) { return allowed->allows(interface.name); });
  if (chosen.empty() && !selection.empty()) {
    return tl::make_unexpected(invalid_argument("TUTTI_SOCKET_IFNAME: \"{}\" matches no interface that is up; there are: {}",
                                                selection, names_of(*all)));
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [](const Interface& a, const Interface& b) { return distance(a) < distance(b); });
  return chosen;
}

bool is_on_network(const SocketAddress& address, const Interface& interface) {
  if (address.family() != interface.address.family() || interface.network_bits == 0) {
    return false;
  }
  const std::span<const std::byte> theirs = bytes_of(address.get());
  const std::span<const std::byte> own = bytes_of(interface.address.get());
  for (uint32_t bit = 0; bit < std::min<size_t>(interface.network_bits, 8 * own.size()); ++bit) {
    const std::byte mask{static_cast<uint8_t>(0x80 >> (bit % 8))};
    if ((theirs[bit / 8] & mask) != (own[bit / 8] & mask)) {
      return false;
    }
  }
  return true;
}

namespace {

// Binds to an address and listens on it; the error is an errno value.
int bind_and_listen(const Descriptor& socket, const SocketAddress& address, int backlog) {
  if (::bind(socket.get(), address.get(), address.length()) == 0) {
    return ::listen(socket.get(), backlog) == 0 ? 0 : errno;
  }
  // An address that is not valid yet can only be bound to by who says that this is all right.
  const int on = 1;
  if (errno != EADDRNOTAVAIL || ::setsockopt(socket.get(), IPPROTO_IP, IP_FREEBIND, &on, sizeof on) != 0) {
    return errno;
  }
  return ::bind(socket.get(), address.get(), address.length()) == 0 && ::listen(socket.get(), backlog) == 0 ? 0 : errno;
}

Result<Descriptor> make_listener(const SocketAddress& address) {
  Result<Descriptor> socket = open_socket(address);
  if (!socket) {
    return socket;
  }
  // Without it, a fixed port stays taken for a minute after its last connection; two listeners still exclude each other.
  TUTTI_UNEXPECTED_IF_ERROR(enable(*socket, SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR"));
  if (address.family() == AF_INET6) {
    TUTTI_UNEXPECTED_IF_ERROR(enable(*socket, IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY"));
  }
  return socket;
}

}  // namespace

Result<Descriptor> listen_on(const SocketAddress& address, int backlog, const PortRange& ports) {
  if (ports.first == 0 || address.port() != 0) {
    Result<Descriptor> socket = make_listener(address);
    const int error = socket ? bind_and_listen(*socket, address, backlog) : 0;
    return error == 0 ? std::move(socket) : tl::make_unexpected(system_error(error, fmt::format("listen on {}", address.to_string())));
  }
  // Processes begin at different ports, since all of a host look for one at the same time.
  const uint32_t count = uint32_t{ports.last} - ports.first + 1;
  const auto offset = static_cast<uint32_t>(::getpid()) % count;
  for (uint32_t tried = 0; tried < count; ++tried) {
    SocketAddress with_port = address;
    with_port.set_port(static_cast<uint16_t>(ports.first + (offset + tried) % count));
    Result<Descriptor> socket = make_listener(with_port);
    const int error = socket ? bind_and_listen(*socket, with_port, backlog) : 0;
    if (error == 0) {
      return socket;
    }
    if (error != EADDRINUSE) {
      return tl::make_unexpected(system_error(error, fmt::format("listen on {}", with_port.to_string())));
    }
  }
  return tl::make_unexpected(
      failure(tuttiSystemError, "TUTTI_SOCKET_PORTS: all ports from {} to {} of {} are taken", ports.first, ports.last, address.to_string()));
}

Result<Descriptor> begin_connect(const SocketAddress& address, const std::optional<SocketAddress>& from) {
  Result<Descriptor> socket = open_socket(address);
  if (!socket) {
    return socket;
  }
  TUTTI_UNEXPECTED_IF_ERROR(enable(*socket, IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY"));
  if (from && ::bind(socket->get(), from->get(), from->length()) != 0) {
    return tl::make_unexpected(system_error(errno, fmt::format("bind to {}", from->to_string())));
  }
  // An interrupted connect goes on in the background, as one in progress does.
  if (::connect(socket->get(), address.get(), address.length()) != 0 && errno != EINPROGRESS && errno != EINTR) {
    return tl::make_unexpected(system_error(errno, fmt::format("connect to {}", address.to_string())));
  }
  return socket;
}

Result<SocketAddress> local_address(const Descriptor& socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return tl::make_unexpected(system_error(errno, "getsockname"));
  }
  return SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage), length);
}

int pending_error(const Descriptor& socket) {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 ? errno : error;
}

}  // namespace tutti
