// SPDX-License-Identifier: Apache-2.0
#include "base/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

namespace tutti {

namespace {

template <std::string Settings::*member>
constexpr SettingForm assign_text{
    .assign = [](Settings& settings, std::string_view, std::string_view value) -> Status {
      settings.*member = value;
      return {};
    },
    .text = [](const Settings& settings) { return settings.*member; }};

template <uint64_t Settings::*member>
constexpr SettingForm assign_number{
    .assign = [](Settings& settings, std::string_view variable, std::string_view value) -> Status {
      uint64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        return invalid_argument("{}: \"{}\" is not a non-negative whole number", variable, value);
      }
      settings.*member = number;
      return {};
    },
    .text = [](const Settings& settings) { return fmt::to_string(settings.*member); }};

template <bool Settings::*member>
constexpr SettingForm assign_switch{
    .assign = [](Settings& settings, std::string_view variable, std::string_view value) -> Status {
      if (value != "0" && value != "1") {
        return invalid_argument("{}: \"{}\" is neither 0 nor 1", variable, value);
      }
      settings.*member = value == "1";
      return {};
    },
    .text = [](const Settings& settings) { return std::string(settings.*member ? "1" : "0"); }};

// "40000-40999", or one port.
constexpr SettingForm assign_ports{
    .assign = [](Settings& settings, std::string_view variable, std::string_view value) -> Status {
      if (value.empty()) {
        settings.socket_ports = {};
        return {};
      }
      const auto port_of = [](std::string_view text) -> uint16_t {
        uint16_t port = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
        return error == std::errc() && end == text.data() + text.size() ? port : 0;
      };
      const size_t dash = value.find('-');
      const PortRange ports{.first = port_of(value.substr(0, dash)),
                            .last = port_of(dash == std::string_view::npos ? value : value.substr(dash + 1))};
      if (ports.first == 0 || ports.last < ports.first) {
        return invalid_argument("{}: \"{}\" is no range of ports from 1 to 65535, as in \"40000-40999\"", variable, value);
      }
      settings.socket_ports = ports;
      return {};
    },
    .text = [](const Settings& settings) {
      return settings.socket_ports.first == 0 ? "" : fmt::format("{}-{}", settings.socket_ports.first, settings.socket_ports.last);
    }};

constexpr SettingForm assign_sockets{
    .assign = [](Settings& settings, std::string_view variable, std::string_view value) -> Status {
      constexpr uint64_t kMaxSockets = 8;
      uint64_t count = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), count);
      if (error != std::errc() || end != value.data() + value.size() || count > kMaxSockets) {
        return invalid_argument("{}: \"{}\" is not a number from 0 to {}", variable, value, kMaxSockets);
      }
      settings.sockets_per_interface = count;
      return {};
    },
    .text = [](const Settings& settings) { return fmt::to_string(settings.sockets_per_interface); }};

struct LevelWord {
  std::string_view text;
  log::Level level;
};
constexpr std::array<LevelWord, 5> kLevelWords{{{"NONE", log::Level::none},
                                                {"ERROR", log::Level::error},
                                                {"WARN", log::Level::warn},
                                                {"INFO", log::Level::info},
                                                {"TRACE", log::Level::trace}}};

constexpr SettingForm assign_level{
    .assign = [](Settings& settings, std::string_view variable, std::string_view value) -> Status {
      const auto* const word = std::ranges::find(kLevelWords, value, &LevelWord::text);
      if (word == kLevelWords.end()) {
        return invalid_argument("{}: \"{}\" is none of NONE, ERROR, WARN, INFO, TRACE", variable, value);
      }
      settings.debug_level = word->level;
      return {};
    },
    .text = [](const Settings& settings) {
      return std::string(std::ranges::find(kLevelWords, settings.debug_level, &LevelWord::level)->text);
    }};

constexpr SettingRow kRows[] = {
    {"TUTTI_DEBUG", "WARN", "what is logged: NONE, ERROR, WARN, INFO or TRACE", assign_level},
    {"TUTTI_DEBUG_FILE", "", "file that log lines are appended to; empty: stderr", assign_text<&Settings::debug_file>},
    {"TUTTI_ALGO", "", "algorithms by collective, as in \"allreduce:ring;broadcast:binomial\"; empty: the planner chooses",
     assign_text<&Settings::algorithms>},
    {"TUTTI_ALGO_FILE", "", "files in MSCCL's format, separated by colons, whose algorithms come before all others; empty: none",
     assign_text<&Settings::algorithm_files>},
    {"TUTTI_TRANSPORTS", "", "transports that may be used, as in \"shm,tcp\", or all but some \"^ucx\"; empty: all", assign_text<&Settings::transports>},
    {"TUTTI_TRANSPORT_PLUGINS", "", "plug-ins with transports beside the installed ones: absolute paths, separated by colons; empty: none",
     assign_text<&Settings::transport_plugins>},
    {"TUTTI_SOCKET_IFNAME", "",
     "interfaces for TCP: name prefixes \"eth,ib\", all but some \"^docker,veth\", exact names \"=eth0\"; empty: loopback last",
     assign_text<&Settings::socket_interfaces>},
    {"TUTTI_OFI_PROVIDER", "", "libfabric's provider that the transport ofi uses, as in \"tcp\"; empty: that of a network adapter",
     assign_text<&Settings::ofi_provider>},
    {"TUTTI_SOCKET_PORTS", "", "ports that TCP links are accepted on, as in \"40000-40999\"; empty: any", assign_ports},
    {"TUTTI_SOCKETS_PER_INTERFACE", "0", "TCP sockets that a link has on each network interface, 1 to 8; 0: one, and between hosts more if a trial shows that they help",
     assign_sockets},
    {"TUTTI_HOSTID", "", "overrides the identity of this host; ranks with different ones never share memory",
     assign_text<&Settings::host_id>},
    {"TUTTI_SECRET_FILE", "",
     "file of at least 32 bytes, readable by its owner only, by which ranks started without PMIx prove that they belong together",
     assign_text<&Settings::secret_file>},
    {"TUTTI_TIMEOUT_MS", "300000", "longest wait for a peer in milliseconds; 0: none", assign_number<&Settings::timeout_ms>},
    {"TUTTI_SLICE_BYTES", "0", "bytes of one slice in a pipeline; 0: the transport's own size",
     assign_number<&Settings::slice_bytes>},
    {"TUTTI_TOPOLOGY", "",
     "machine model that communicators are taken to run on, rank i being chip i, as in \"google-tpu-v5p:2x2x4\"; only its links carry messages; "
     "empty: the machine that there is",
     assign_text<&Settings::topology>},
    {"TUTTI_EXPLAIN", "0", "1: rank 0 writes to stderr why each new plan was chosen", assign_switch<&Settings::explain>},
    {"TUTTI_TOPOLOGY_PATH", "", "folders with machine models, separated by colons, that come before the installed ones",
     assign_text<&Settings::topology_path>},
    {"TUTTI_MEASURED_LINKS", "1", "1: what calibrate --save has measured of links, and each process of memory, decides plans; 0: defaults do",
     assign_switch<&Settings::measured_links>},
    {"TUTTI_PEER_MEMORY", "1", "1: ranks of a host work in each other's memory where the kernel lets them; 0: they never do",
     assign_switch<&Settings::peer_memory>},
};

}  // namespace

std::span<const SettingRow> setting_rows() { return kRows; }

Result<Settings> Settings::parse() {
  Settings settings;
  for (const SettingRow& row : kRows) {
    if (const char* value = std::getenv(std::string(row.variable).c_str()); value != nullptr && *value != '\0') {
      TUTTI_UNEXPECTED_IF_ERROR(row.form.assign(settings, row.variable, value));
    }
  }
  return settings;
}

const Settings& Settings::environment() {
  static const Settings instance = parse().value_or(Settings{});
  return instance;
}

}  // namespace tutti
