// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/unique_id.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/interfaces.hpp"
#include "bootstrap/service_thread.hpp"
#include "bootstrap/socket_exchange.hpp"
#include "bootstrap/ticket.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

constexpr int kBacklog = 1024;

// Where an id's service listens: the first address other hosts can reach, and loopback, which outlives a changing network.
Result<std::vector<SocketAddress>> addresses_to_listen_on(const Settings& settings) {
  Result<std::vector<Interface>> interfaces = find_interfaces(settings.socket_interfaces);
  if (!interfaces) {
    return tl::make_unexpected(interfaces.error());
  }
  std::vector<SocketAddress> addresses;
  const auto take_first = [&](auto&& wanted) {
    const auto found = std::find_if(interfaces->begin(), interfaces->end(), [&](const Interface& i) { return wanted(i.address); });
    if (found != interfaces->end()) {
      addresses.push_back(found->address);
    }
  };
  take_first([](const SocketAddress& address) { return !address.is_loopback() && !address.is_link_local(); });
  take_first([](const SocketAddress& address) { return address.is_loopback(); });
  if (addresses.empty()) {
    take_first([](const SocketAddress&) { return true; });
  }
  if (addresses.empty()) {
    return tl::make_unexpected(failure(tuttiSystemError, "no network interface with an IPv4 or IPv6 address is up"));
  }
  return addresses;
}

Result<Descriptor> listen_anywhere(const SocketAddress& like, uint16_t port) {
  const Result<SocketAddress> any = SocketAddress::resolve(like.family() == AF_INET6 ? "::" : "0.0.0.0", port);
  return any ? listen_on(*any, kBacklog) : tl::make_unexpected(any.error());
}

Status check_ports(const Rendezvous& rendezvous) {
  if (rendezvous.port == 0) {
    return invalid_argument("rendezvous on \"{}\": port is 0", rendezvous.host);
  }
  if (rendezvous.port_count == 0 || rendezvous.port_count > kMaxTicketPorts) {
    return invalid_argument("rendezvous on \"{}\": {} ports, where 1 to {} are allowed", rendezvous.host, rendezvous.port_count,
                            kMaxTicketPorts);
  }
  return {};
}

// A host's address need not be one of its own interfaces' where addresses are translated; then any interface will do, since every
// connection has to prove itself.
bool is_foreign_address(const SocketAddress& address) {
  SocketAddress any_port = address;
  any_port.set_port(0);
  return !listen_on(any_port, 1).has_value();
}

// A host may know its own name as a loopback address (Debian's 127.0.1.1), while others resolve it to one by which they reach the host.
bool is_own_name(const std::string& host, const SocketAddress& address) {
  in6_addr literal{};
  const bool is_literal = ::inet_pton(AF_INET, host.c_str(), &literal) == 1 || ::inet_pton(AF_INET6, host.c_str(), &literal) == 1;
  return address.is_loopback() && !is_literal && host != "localhost";
}

}  // namespace

Result<tuttiUniqueId> create_unique_id(const Settings& settings) {
  Result<std::vector<SocketAddress>> addresses = addresses_to_listen_on(settings);
  if (!addresses) {
    return tl::make_unexpected(addresses.error());
  }
  Ticket ticket;
  fill_random(ticket.secret);
  Service::Options options{.listeners = {}, .secret = ticket.secret, .timeout_ms = settings.timeout_ms};
  Status last_failure;
  for (const SocketAddress& address : *addresses) {
    Result<Descriptor> listener = listen_on(address, kBacklog);
    Result<SocketAddress> bound = listener ? local_address(*listener) : tl::make_unexpected(listener.error());
    if (!bound) {
      last_failure = bound.error();
      continue;
    }
    options.listeners.push_back(std::move(*listener));
    ticket.addresses.push_back(*bound);
  }
  if (ticket.addresses.empty()) {
    return tl::make_unexpected(last_failure);
  }
  TUTTI_UNEXPECTED_IF_ERROR(run_in_background(std::move(options)));
  return encode_ticket(ticket);
}

Status serve_rendezvous(const Rendezvous& rendezvous, const Settings& settings) {
  TUTTI_RETURN_IF_ERROR(check_ports(rendezvous));
  Result<SocketAddress> address = SocketAddress::resolve(rendezvous.host, rendezvous.port);
  if (!address) {
    return address.error();
  }
  const bool anywhere = is_own_name(rendezvous.host, *address) || is_foreign_address(*address);
  Status last_failure;
  for (uint16_t i = 0; i < rendezvous.port_count; ++i) {
    address->set_port(following_port(rendezvous.port, i));
    Result<Descriptor> listener = anywhere ? listen_anywhere(*address, address->port()) : listen_on(*address, kBacklog);
    if (listener) {
      Service::Options options{.listeners = {}, .secret = rendezvous.secret, .timeout_ms = settings.timeout_ms};
      options.listeners.push_back(std::move(*listener));
      return run_in_background(std::move(options));
    }
    last_failure = listener.error();
  }
  return failure(last_failure.code(), "none of the {} ports from {} on of \"{}\" can be listened on: {}", rendezvous.port_count,
                 rendezvous.port, rendezvous.host, last_failure.message());
}

Result<tuttiUniqueId> id_of_rendezvous(const Rendezvous& rendezvous) {
  TUTTI_UNEXPECTED_IF_ERROR(check_ports(rendezvous));
  Result<SocketAddress> address = SocketAddress::resolve(rendezvous.host, rendezvous.port);
  if (!address) {
    return tl::make_unexpected(address.error());
  }
  return encode_ticket({.addresses = {*address}, .port_count = rendezvous.port_count, .secret = rendezvous.secret});
}

Result<std::unique_ptr<Exchange>> join(const JoinRequest& request, const Clock& clock) {
  if (request.rank_count == 0 || request.rank_count > kMaxRankCount) {
    return tl::make_unexpected(
        invalid_argument("number of ranks is {}; 1 to {} are allowed", request.rank_count, kMaxRankCount));
  }
  if (request.rank >= request.rank_count) {
    return tl::make_unexpected(
        invalid_argument("rank is {}; 0 to {} are allowed with {} ranks", request.rank, request.rank_count - 1, request.rank_count));
  }
  if (request.ids.empty() || request.ids.size() > request.rank_count) {
    return tl::make_unexpected(invalid_argument("number of ids is {}; 1 to {} are allowed with {} ranks", request.ids.size(), request.rank_count,
                                                request.rank_count));
  }
  std::vector<Ticket> tickets;
  for (const tuttiUniqueId& id : request.ids) {
    Result<Ticket> ticket = decode_ticket(id);
    if (!ticket) {
      return tl::make_unexpected(ticket.error());
    }
    tickets.push_back(std::move(*ticket));
  }
  return std::make_unique<SocketExchange>(std::move(tickets), Place{request.rank, request.rank_count}, clock);
}

}  // namespace tutti::bootstrap
