// SPDX-License-Identifier: Apache-2.0
// Every TUTTI_* variable, in one table: name, default, meaning, parser. docs/settings.md is checked against it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "base/port_range.hpp"
#include "base/status.hpp"

namespace tutti {

struct Settings {
  log::Level debug_level = log::Level::warn;  // TUTTI_DEBUG
  std::string debug_file;                     // TUTTI_DEBUG_FILE
  std::string algorithms;                     // TUTTI_ALGO, parsed by the planner
  std::string algorithm_files;                // TUTTI_ALGO_FILE, read by the communicator
  std::string transports;                     // TUTTI_TRANSPORTS, parsed by the communicator
  std::string transport_plugins;              // TUTTI_TRANSPORT_PLUGINS, read by the communicator
  std::string socket_interfaces;              // TUTTI_SOCKET_IFNAME, parsed by base/interfaces
  std::string ofi_provider;                   // TUTTI_OFI_PROVIDER, chosen by transports/ofi
  PortRange socket_ports;                     // TUTTI_SOCKET_PORTS
  uint64_t sockets_per_interface = 0;         // TUTTI_SOCKETS_PER_INTERFACE
  std::string host_id;                        // TUTTI_HOSTID
  std::string secret_file;                    // TUTTI_SECRET_FILE
  uint64_t timeout_ms = 300'000;              // TUTTI_TIMEOUT_MS; 0: none
  uint64_t slice_bytes = 0;                   // TUTTI_SLICE_BYTES; 0: the transport's choice
  bool peer_memory = true;                    // TUTTI_PEER_MEMORY
  std::string topology;                       // TUTTI_TOPOLOGY, read by the communicator
  bool measured_links = true;                 // TUTTI_MEASURED_LINKS
  bool explain = false;                       // TUTTI_EXPLAIN
  std::string topology_path;                  // TUTTI_TOPOLOGY_PATH, searched by topology/model_files

  // What the environment says, read once per process. A malformed variable keeps its default and is reported by parse().
  static const Settings& environment();
  // Parses the environment anew. Errors name the variable and its value.
  static Result<Settings> parse();
};

// How a variable's text becomes a value, and how a value is told as such a text.
struct SettingForm {
  Status (*assign)(Settings& settings, std::string_view variable, std::string_view value);
  std::string (*text)(const Settings& settings);
};

struct SettingRow {
  std::string_view variable;
  std::string_view default_value;
  std::string_view meaning;
  SettingForm form;
};

// The table itself, for the documentation's test and for `tutti settings`.
std::span<const SettingRow> setting_rows();

}  // namespace tutti
