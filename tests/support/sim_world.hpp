// SPDX-License-Identifier: Apache-2.0
// Ranks of one communicator in one thread and in virtual time: the real communicator, planner and engine over transports/sim. Everything that
// happens follows from the options; a failure replays from its seed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "sim/network.hpp"
#include "support/part.hpp"
#include "topology/places.hpp"
#include "transport/transport.hpp"

namespace tutti::tests {

// Where ranks are that have no places: on the host on which the test runs, or each on one of its own.
enum class SimHosts : uint8_t { one, many };

struct SimWorldOptions {
  uint32_t rank_count = 2;
  uint64_t seed = 1;
  topology::LinkSpec link = {.latency_ns = 2'000, .bandwidth_bytes_per_s = 10'000'000'000, .source = "a test"};
  sim::NetworkOptions network = {.channel_count = transport::kChannelCount};
  uint64_t timeout_ms = 1'000;  // virtual
  std::string algorithms = {};
  std::string algorithm_files = {};  // as TUTTI_ALGO_FILE names them
  // By rank: where each is on one host that they share, a processor for each. Empty: they find out as outside of a simulation.
  std::vector<topology::Place> places = {};
  SimHosts hosts = SimHosts::one;
  // What the network is made of, instead of links between all pairs; ranks do not know of it.
  std::shared_ptr<const topology::Fabric> fabric = nullptr;
  // The machine that ranks plan for, as TUTTI_TOPOLOGY names it; empty: they plan for `link`.
  std::string machine = {};
  engine::Data data = engine::Data::real;
};

class SimWorld {
 public:
  // Makes the communicators; bring_up() makes them ready.
  explicit SimWorld(const SimWorldOptions& options);
  ~SimWorld();
  SimWorld(const SimWorld&) = delete;
  SimWorld& operator=(const SimWorld&) = delete;

  // The first failure of a rank, or success.
  Status bring_up();

  uint32_t rank_count() const { return options_.rank_count; }
  sim::Network& network() { return *network_; }
  comm::Communicator& communicator(uint32_t rank) { return *communicators_[rank]; }

  // Enqueues `part`'s call at its rank.
  Status enqueue(const Part& part);
  Status enqueue(uint32_t rank, const comm::Call& call) { return communicators_[rank]->enqueue(call, nullptr); }
  // Turns all living ranks, and moves virtual time on when none has anything to do, until `condition` holds; false when it has not by
  // `limit_ns` from now.
  bool run_until(const std::function<bool()>& condition, uint64_t limit_ns = kDefaultLimitNs);
  // Until all living ranks have completed, well or not, all they have enqueued.
  bool settle(uint64_t limit_ns = kDefaultLimitNs);
  Status failure(uint32_t rank) const { return communicators_[rank]->failure(); }

  // The rank does nothing any more, and the network notices as it models it.
  void crash(uint32_t rank);

  static constexpr uint64_t kDefaultLimitNs = 60'000'000'000;

 private:
  size_t turn_all();
  bool advance(uint64_t deadline_ns);

  SimWorldOptions options_;
  Settings settings_;
  transport::Secret secret_{};
  std::unique_ptr<sim::Network> network_;
  std::vector<std::shared_ptr<comm::Communicator>> communicators_;
  std::vector<bool> crashed_;
};

// What running one exercise on all ranks gave: nothing, or the first failure.
std::string perform(const Exercise& exercise, SimWorld& world);

}  // namespace tutti::tests
