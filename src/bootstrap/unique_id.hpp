// SPDX-License-Identifier: Apache-2.0
// The id by which ranks of a job find each other, the service behind it, and joining through it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/authentication.hpp"
#include "base/clock.hpp"
#include "base/settings.hpp"
#include "base/status.hpp"
#include "bootstrap/exchange.hpp"
#include "tutti/tutti.h"

namespace tutti::bootstrap {

// Makes an id: binds a listening socket on the interface TUTTI_SOCKET_IFNAME allows, and one on loopback, draws a secret, and starts a
// service thread that serves the ranks of this id and ends when all have left or `settings.timeout_ms` passed without any progress.
Result<tuttiUniqueId> create_unique_id(const Settings& settings);
// The same on a given address ("host" or literal address) and port, with a given secret, for launchers that agree on these beforehand.
struct Rendezvous {
  std::string host;
  uint16_t port = 0;
  Key secret{};
  // The ports port, port + 1, ... (after 65535 comes 1024) are tried in order; a port held by somebody else is skipped by the service, and by
  // the ranks once the stranger there cannot prove that it knows the secret.
  uint16_t port_count = 1;
};
Status serve_rendezvous(const Rendezvous& rendezvous, const Settings& settings);
Result<tuttiUniqueId> id_of_rendezvous(const Rendezvous& rendezvous);

struct JoinRequest {
  std::vector<tuttiUniqueId> ids;  // equal on all ranks; the service of each introduces a share of the ranks
  uint32_t rank = 0;
  uint32_t rank_count = 1;
};
// Connects to the service, authenticating both ways; returns at once, the first round carries the connection on (and retries a refused
// connection until the caller's deadline). `clock` outlives the exchange. Errors: tuttiInvalidArgument for an id that was not made by
// create_unique_id, for a rank that does not fit rank_count, and for no id or more ids than ranks.
Result<std::unique_ptr<Exchange>> join(const JoinRequest& request, const Clock& clock);

// An exchange between ranks of one process without sockets, for simulation and tests. Each exchange may be used by a thread of its own.
std::vector<std::unique_ptr<Exchange>> in_memory_exchanges(uint32_t rank_count, uint64_t seed);

}  // namespace tutti::bootstrap
