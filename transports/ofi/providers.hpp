// SPDX-License-Identifier: Apache-2.0
// What libfabric offers on this host, and which of it a communicator uses.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/nearness.hpp"
#include "base/settings.hpp"
#include "base/status.hpp"
#include "transport/transport.hpp"

struct fi_info;

namespace tutti::transports::ofi {

// One way to open an endpoint.
struct Offer {
  std::string provider;   // "tcp;ofi_rxm"
  std::string domain;     // "eth0", "rdmap0s6-rdm"
  std::string interface;  // of its source address, if that is one of a network interface that TUTTI_SOCKET_IFNAME allows
  size_t interface_order = 0;  // its place among those
  Nearness::Place place = Nearness::Place::unknown;  // of its adapter
  std::shared_ptr<const fi_info> info;  // null in tests
};

// Providers of network adapters that the transport is chosen for by itself, best first.
std::span<const std::string_view> network_providers();

// "tcp" of "tcp;ofi_rxm".
std::string_view core_of(std::string_view provider);

// Whether this host has adapters at all for which those could be. Takes no time.
bool has_adapters();

// Everything that has what the transport needs: reliable datagrams, tagged messages and reads of a peer's memory; adapters and interfaces are near or far by
// where the calling thread may run. Takes 50 ms the first time in a process. Errors: tuttiInvalidArgument for a TUTTI_SOCKET_IFNAME that matches nothing.
Result<std::vector<Offer>> find_offers(const Settings& settings);

struct Wish {
  std::string_view provider;  // TUTTI_OFI_PROVIDER; empty: none
  bool takes_software = false;  // whether a provider without an adapter will do
  uint32_t rank = 0;            // spreads ranks over adapters that are alike
};
// The offer to use; null when there is none and none was named. Errors: tuttiInvalidArgument for a named provider that is not offered, listing what is.
Result<const Offer*> choose(std::span<const Offer> offers, const Wish& wish);

// "tcp, shm": the names in `offers`.
std::string names_of(std::span<const Offer> offers);

enum class Distance : uint8_t { same_host, other_host };
transport::LinkEstimate estimate_of(std::string_view provider, Distance distance);

}  // namespace tutti::transports::ofi
