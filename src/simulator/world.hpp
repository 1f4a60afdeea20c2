// SPDX-License-Identifier: Apache-2.0
// All ranks of a modelled machine in one thread and in virtual time: the communicators, planner and engine that run for real, on a simulated network.
// Their buffers do not exist: sizes travel, bytes do not.
//
// What makes machines of thousands of chips possible: ranks are made without introducing themselves to each other, one of them prices for all, links are
// made where schedules need them, and a rank gets a turn only when something has happened to it.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "comm/communicator.hpp"
#include "planner/planner.hpp"
#include "sim/network.hpp"
#include "topology/topology.hpp"
#include "transport/transport.hpp"
#include "transports/sim/sim_link.hpp"

namespace tutti::simulator {

struct WorldOptions {
  topology::Topology topology;  // with a fabric; a rank for each chip that takes part
  std::string algorithms;       // TUTTI_ALGO's syntax
  std::string algorithm_files = {};  // TUTTI_ALGO_FILE's
  topology::Traffic::Options traffic = {};
  std::function<void(const sim::Flight&)> on_flight = {};  // as sim::NetworkOptions::on_flight
  // Messages are cut into frames of cost::kSliceBytes, as prices have it, unless all of a call's would be more than these.
  // 0: 3,000,000, or 100 for each rank if that is more.
  uint64_t most_frames = 0;
  // Schedules of more over all ranks, which take more than some gigabytes and a minute, are not chosen, but may be forced.
  uint64_t most_steps = 8'000'000;
};

struct Collective {
  schedule::Collective collective = schedule::Collective::all_reduce;
  uint64_t bytes = 0;  // of the vector, or of the blocks of all ranks together, of which each has an equal part
  uint32_t root = 0;
};

struct Outcome {
  uint64_t elapsed_ns = 0;  // until the last rank has finished, with what the protocols take to begin
  // What cost::price_ns expects, or with more than planner::kMostPlayedRanks ranks cost::closed_form_ns; if neither can, what the planner did for the next
  // smaller power of two.
  uint64_t price_ns = 0;
  // The same if ranks pass on frames of this size rather than slices of cost::kSliceBytes: what the simulation is to agree with. Pipelines of long frames
  // take longer to fill.
  uint64_t price_in_frames_ns = 0;
  uint64_t frame_bytes = 0;
  std::string algorithm;
  std::string too_large;  // the algorithm that the planner would take, had its schedules not more than WorldOptions::most_steps; empty: none
  uint64_t bytes_moved = 0;  // by all messages
  uint64_t frame_count = 0;
  uint64_t trace_hash = 0;   // of all frames so far
};

class World {
 public:
  // Errors: tuttiInvalidArgument for a topology without a fabric or ranks, for `algorithms`, or for a file.
  static Result<std::unique_ptr<World>> make(WorldOptions options);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Told now and then how many of the bytes that messages bring have arrived.
  struct Progress {
    uint64_t arrived_bytes = 0;
    uint64_t all_bytes = 0;
  };
  using Report = std::function<void(const Progress&)>;
  // Makes the call at every rank, and runs it to its end. Errors: what the planner says; tuttiInternalError when ranks wait for each other.
  Result<Outcome> run(const Collective& what, const Report& report = {});

  uint32_t rank_count() const { return static_cast<uint32_t>(communicators_.size()); }
  const sim::Network& network() const { return *network_; }
  comm::Communicator& communicator(uint32_t rank) { return *communicators_[rank]; }

 private:
  World(WorldOptions options, planner::Overrides overrides, std::vector<planner::Prescription> prescriptions);
  void add_rank(uint32_t rank);
  comm::Call call_of(const Collective& what) const;
  struct Part {
    comm::Call call;
    std::vector<engine::Request> requests;  // by rank
    uint64_t all_bytes = 0;                 // that all messages bring
    uint64_t all_steps = 0;
  };
  // Asks every rank for what it will do, and links it to whom it will meet.
  Result<Part> prepare(const Collective& what);
  Status submit(Part part);
  Status finish(uint64_t all_bytes, const Report& report);
  // The most that a frame of the call takes.
  uint64_t frame_bytes(const Part& part) const;
  uint64_t price_ns(const Part& part, const planner::Plan& plan, uint64_t slice_bytes) const;
  void link_peers_of(uint32_t rank, const schedule::Schedule& schedule);
  void link(uint32_t rank, uint32_t peer);
  bool take_turns();

  WorldOptions options_;
  std::unique_ptr<sim::Network> network_;
  planner::Planner leader_;
  std::vector<std::unique_ptr<transports::sim::SimLink>> links_;  // outlived by nothing but the network
  std::vector<std::shared_ptr<comm::Communicator>> communicators_;
  std::vector<uint32_t> awake_;  // ranks to take a turn
  std::vector<uint8_t> is_finished_;
  uint32_t finished_count_ = 0;
};

}  // namespace tutti::simulator
