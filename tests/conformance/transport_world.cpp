// SPDX-License-Identifier: Apache-2.0
#include "conformance/transport_world.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <utility>

#include "base/hash.hpp"
#include "registry/registry.hpp"
#include "transport/plugin_adaptor.hpp"
#include "transport/plugin_export.hpp"
#include "transport/plugin_loader.hpp"
#include "transports/fault/fault_transport.hpp"
#include "transports/shm/shm.hpp"
#include "transports/sim/sim_transport.hpp"
#include "transports/tcp/tcp.hpp"

namespace tutti::conformance {

namespace {

constexpr std::string_view kSim = "sim";
constexpr const char* kExample = "seqpacket";  // of examples/transport_plugin
constexpr const char* kExamplePlugin = TUTTI_BINARY_DIR "/tests/plugins/seqpacket.so";
// The variable that names the plug-in's file, where it is to be tested.
constexpr const char* kOfiPlugin = "TUTTI_TEST_OFI_PLUGIN";
constexpr const char* kUcxPlugin = "TUTTI_TEST_UCX_PLUGIN";

// Patience, for transports whose bytes really travel: first steps of a microsecond, in which a healthy exchange ends, then
// long ones, in which every deadline passes.
constexpr uint64_t kShortSteps = 60'000;
constexpr uint64_t kShortStepNs = 1'000;
constexpr uint64_t kLongSteps = 12'000;
constexpr uint64_t kLongStepNs = 10'000'000;

const transport::TransportType* find_type(std::string_view name) {
  for (const auto& type : registry::transport_types()) {
    if (type().name == name) {
      return &type();
    }
  }
  return nullptr;
}

std::unique_ptr<sim::Network> make_network(uint32_t rank_count) {
  const topology::LinkSpec link{.latency_ns = 1'500, .bandwidth_bytes_per_s = 10'000'000'000, .source = "conformance suite"};
  return std::make_unique<sim::Network>(topology::Topology::uniform(rank_count, link),
                                        sim::NetworkOptions{.channel_count = transport::kChannelCount,
                                                            .max_frame_bytes = 16 * 1024,
                                                            .window_bytes = 40'000,
                                                            .detection_delay_ns = 1'000'000,
                                                            .faults = {.seed = 7, .maximum_jitter_ns = 300}});
}

}  // namespace

std::vector<TransportKind> bare_kinds() {
  std::vector<TransportKind> kinds;
  for (const char* name : {"sim", "shm", "tcp"}) {
    if (find_type(name) != nullptr) {
      kinds.push_back({.name = name, .transport = name, .wrapping = TransportKind::Wrapping::none});
    }
  }
  kinds.push_back({.name = "tcp_with_rails", .transport = "tcp", .sockets_per_interface = 3});
  for (const char* name : {"shm", "tcp"}) {
    kinds.push_back({.name = std::string(name) + "_through_tables", .transport = name, .wrapping = TransportKind::Wrapping::tables});
  }
  if (std::getenv(kOfiPlugin) != nullptr) {
    for (const char* provider : {"tcp", "shm"}) {
      kinds.push_back({.name = std::string("ofi_") + provider, .transport = "ofi", .wrapping = TransportKind::Wrapping::plugin, .provider = provider});
    }
  }
  if (std::getenv(kUcxPlugin) != nullptr) {
    for (const auto& [name, ucx_tls] : {std::pair{"ucx_tcp", "tcp"}, std::pair{"ucx_posix", "posix,self"}, std::pair{"ucx_cma", "posix,cma"}}) {
      kinds.push_back({.name = name, .transport = "ucx", .wrapping = TransportKind::Wrapping::plugin, .ucx_tls = ucx_tls});
    }
  }
  kinds.push_back({.name = kExample, .transport = kExample, .wrapping = TransportKind::Wrapping::plugin});
  return kinds;
}

std::vector<TransportKind> transport_kinds() {
  std::vector<TransportKind> kinds;
  for (const TransportKind& bare : bare_kinds()) {
    kinds.push_back(bare);
    if (bare.wrapping != TransportKind::Wrapping::none || bare.sockets_per_interface > 1) {
      continue;
    }
    kinds.push_back({.name = "fault_over_" + bare.name, .transport = bare.transport, .wrapping = TransportKind::Wrapping::fault});
    kinds.push_back(
        {.name = "storms_over_" + bare.name, .transport = bare.transport, .wrapping = TransportKind::Wrapping::stormy_fault});
  }
  return kinds;
}

TransportWorld::TransportWorld(const TransportKind& kind, const WorldOptions& options) : kind_(kind), options_(options) {
  settings_.peer_memory = true;
  if (!kind.provider.empty()) {
    settings_.ofi_provider = kind.provider;
    settings_.socket_interfaces = "=lo";
  }
  settings_.sockets_per_interface = kind.sockets_per_interface;
  settings_.transports = kind.transport;
  if (!kind.ucx_tls.empty()) {  // which UCX reads whenever a transport is made
    ::setenv("UCX_TLS", kind.ucx_tls.c_str(), 1);
    ::setenv("UCX_NET_DEVICES", kind.ucx_tls == "tcp" ? "lo" : "all", 1);
  }
  for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
    transport::Secret secret{};
    secret.fill(options.secrets == WorldOptions::Secrets::one_each ? static_cast<std::byte>(rank + 1) : std::byte{0x5a});
    secrets_.push_back(secret);
  }
  if (kind.transport == kSim) {
    network_ = make_network(options.rank_count);
  }
  for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
    transports_.push_back(make(rank));
  }
}

TransportWorld::~TransportWorld() = default;

std::unique_ptr<transport::Transport> TransportWorld::make(uint32_t rank) {
  const transport::TransportContext context{.rank = rank,
                                            .rank_count = options_.rank_count,
                                            .communicator_id = options_.communicator_id,
                                            .secret = secrets_[rank],
                                            .host_id = "conformance",
                                            .clock = network_ != nullptr ? network_->clock() : clock_,
                                            .settings = settings_};
  std::unique_ptr<transport::Transport> made;
  if (network_ != nullptr) {
    made = std::make_unique<transports::sim::SimTransport>(*network_, context, rank);
  } else {
    auto created = make_by_name(context);
    if (!created) {
      throw std::runtime_error(kind_.transport + ": " + created.error().message());
    }
    made = std::move(*created);
  }
  const bool scripted = rank == 0 && options_.first_rank_script.has_value();
  const bool wraps = kind_.wrapping == TransportKind::Wrapping::fault || kind_.wrapping == TransportKind::Wrapping::stormy_fault;
  if (!wraps && !scripted) {
    return made;
  }
  transports::fault::FaultScript script{.seed = 0x5eed + rank};
  if (scripted) {
    script = *options_.first_rank_script;
  } else if (kind_.wrapping == TransportKind::Wrapping::stormy_fault) {
    script.storms = {.per_million = 200'000, .longest_calls = 5};
  }
  return std::make_unique<transports::fault::FaultTransport>(std::move(made), options_.rank_count, std::move(script));
}

Result<std::unique_ptr<transport::Transport>> TransportWorld::make_by_name(const transport::TransportContext& context) const {
  if (kind_.wrapping == TransportKind::Wrapping::plugin) {
    const auto& type = transport::load_plugin(kind_.transport == kExample ? kExamplePlugin
                                              : kind_.transport == "ofi" ? std::getenv(kOfiPlugin)
                                                                         : std::getenv(kUcxPlugin));
    return type ? type->create(context) : tl::make_unexpected(type.error());
  }
  if (kind_.wrapping != TransportKind::Wrapping::tables) {
    return find_type(kind_.transport)->create(context);
  }
  const auto type = transport::PluginType::adapt(kind_.transport == "tcp" ? transport::exported<&transports::tcp::type>()
                                                                          : transport::exported<&transports::shm::type>());
  return type ? type->create(context) : tl::make_unexpected(type.error());
}

transport::Link& TransportWorld::link(uint32_t rank, uint32_t peer) {
  transport::Link* link = transports_[rank]->link(peer);
  if (link == nullptr) {
    throw std::logic_error(fmt::format("rank {} has no link to {}", rank, peer));
  }
  return *link;
}

void TransportWorld::connect_all() {
  for (uint32_t rank = 0; rank < rank_count(); ++rank) {
    for (uint32_t peer = 0; peer < rank_count(); ++peer) {
      if (peer != rank) {
        transports_[rank]->connect(peer, transports_[peer]->address());
      }
    }
  }
}

bool TransportWorld::connected() {
  connect_all();
  return run_until([this] {
    for (uint32_t rank = 0; rank < rank_count(); ++rank) {
      for (uint32_t peer = 0; peer < rank_count(); ++peer) {
        if (peer != rank && transports_[rank]->state(peer) != transport::PeerState::connected) {
          return false;
        }
      }
    }
    return true;
  });
}

bool TransportWorld::step() {
  size_t work = 0;
  for (const auto& transport : transports_) {
    work += transport != nullptr ? transport->poll() : 0;
  }
  if (network_ != nullptr) {
    return network_->advance() || work > 0;
  }
  clock_.advance_by(kShortStepNs);
  return true;
}

bool TransportWorld::run_until(const std::function<bool()>& condition) {
  for (uint64_t steps = 0; steps < kShortSteps + kLongSteps; ++steps) {
    if (condition()) {
      return true;
    }
    step();
    if (network_ == nullptr && steps >= kShortSteps) {
      clock_.advance_by(kLongStepNs);
    }
    if (network_ == nullptr && steps % 64 == 63) {
      std::this_thread::yield();  // the kernel may have to carry the bytes on this very core
    }
  }
  return condition();
}

std::vector<std::byte> pattern(size_t byte_count, uint64_t seed) {
  std::vector<std::byte> bytes(byte_count);
  for (size_t index = 0; index < byte_count; ++index) {
    bytes[index] = static_cast<std::byte>(mix64(seed * 0x1'0000'0001 + index / 8) >> (index % 8 * 8));
  }
  return bytes;
}

bool send(TransportWorld& world, transport::Link& link, uint32_t channel, const transport::FrameHeader& header,
          std::span<const std::byte> payload) {
  transport::Outcome outcome = transport::Outcome::would_block;
  const bool ended = world.run_until([&] {
    outcome = link.try_send(channel, header, payload);
    return outcome != transport::Outcome::would_block;
  });
  return ended && outcome == transport::Outcome::done;
}

bool receive(TransportWorld& world, transport::Link& link, uint32_t channel, std::span<std::byte> landing,
             transport::Frame* frame) {
  transport::Outcome outcome = transport::Outcome::would_block;
  const bool ended = world.run_until([&] {
    outcome = link.peek(channel, landing, frame);
    return outcome != transport::Outcome::would_block;
  });
  return ended && outcome == transport::Outcome::done;
}

}  // namespace tutti::conformance
