// SPDX-License-Identifier: Apache-2.0
// Several ranks of one transport in one process and one thread, on a clock that the world moves: what every
// transport's conformance is tested in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "sim/network.hpp"
#include "sim/virtual_clock.hpp"
#include "transport/transport.hpp"
#include "transports/fault/fault_script.hpp"

namespace tutti::conformance {

// One transport under test, perhaps wrapped.
struct TransportKind {
  std::string name;       // "tcp", "fault_over_tcp"
  std::string transport;  // as the registry names it
  // `tables`: exported as a plug-in is, and adapted as one. `plugin`: loaded from a file, as this tree's plug-ins are, and the example of one.
  enum class Wrapping : uint8_t { none, fault, stormy_fault, tables, plugin } wrapping = Wrapping::none;
  uint64_t sockets_per_interface = 1;
  std::string ucx_tls = {};  // UCX_TLS, of the plug-in that is called ucx

  std::string provider = {};  // TUTTI_OFI_PROVIDER

  friend std::ostream& operator<<(std::ostream& stream, const TransportKind& kind) { return stream << kind.name; }
};

// The transports of the registry that a world can make, what becomes of them through a plug-in's tables, and plug-ins.
std::vector<TransportKind> bare_kinds();
// Each of them, and those of the registry wrapped by `fault`.
std::vector<TransportKind> transport_kinds();

struct WorldOptions {
  uint32_t rank_count = 2;
  enum class Secrets : uint8_t { shared, one_each } secrets = Secrets::shared;
  uint64_t communicator_id = 0x7475'7474'69;
  // Rank 0 is wrapped by `fault` with this script, whatever the kind says.
  std::optional<transports::fault::FaultScript> first_rank_script = {};
};

class TransportWorld {
 public:
  TransportWorld(const TransportKind& kind, const WorldOptions& options);
  ~TransportWorld();

  uint32_t rank_count() const { return options_.rank_count; }
  transport::Transport& transport(uint32_t rank) { return *transports_[rank]; }
  transport::Link& link(uint32_t rank, uint32_t peer);
  // The rank's transport is destroyed, as when its process ends.
  void destroy(uint32_t rank) { transports_[rank].reset(); }

  // Every rank calls every other.
  void connect_all();
  // connect_all() and patience until every pair is connected; false when that never happens.
  [[nodiscard]] bool connected();

  // Polls all, and moves time on when nobody has anything to do. Returns false once no step can change anything any more.
  bool step();
  // Steps until `condition` holds. False when patience, which is counted in steps and virtual time, ends before.
  [[nodiscard]] bool run_until(const std::function<bool()>& condition);

 private:
  std::unique_ptr<transport::Transport> make(uint32_t rank);
  Result<std::unique_ptr<transport::Transport>> make_by_name(const transport::TransportContext& context) const;

  TransportKind kind_;
  WorldOptions options_;
  std::vector<transport::Secret> secrets_;
  Settings settings_;
  sim::VirtualClock clock_;                // of transports that are not simulated
  std::unique_ptr<sim::Network> network_;  // of those that are
  std::vector<std::unique_ptr<transport::Transport>> transports_;
};

// A frame's payload that tells its place: no two frames of a test are alike.
std::vector<std::byte> pattern(size_t byte_count, uint64_t seed);

// Sends until taken; false when the link fails or patience ends.
[[nodiscard]] bool send(TransportWorld& world, transport::Link& link, uint32_t channel, const transport::FrameHeader& header,
                        std::span<const std::byte> payload);
// Waits for the next frame; false when the link fails first or patience ends.
[[nodiscard]] bool receive(TransportWorld& world, transport::Link& link, uint32_t channel, std::span<std::byte> landing,
                           transport::Frame* frame);

}  // namespace tutti::conformance
