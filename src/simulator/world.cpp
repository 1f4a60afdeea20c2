// SPDX-License-Identifier: Apache-2.0
#include "simulator/world.hpp"

#include <algorithm>
#include <utility>

#include "comm/algorithm_files.hpp"
#include "cost/closed_forms.hpp"
#include "cost/cost.hpp"
#include "planner/pricing.hpp"
#include "registry/registry.hpp"
#include "schedule/names.hpp"

namespace tutti::simulator {

namespace {

// A minute's worth, and what keeps pipelines of many ranks going.
constexpr uint64_t kMostFrames = 3'000'000;
constexpr uint64_t kFramesOfRank = 100;
// Frames between two reports.
constexpr uint64_t kFramesBetweenReports = 8192;

std::vector<planner::Algorithm> all_algorithms() {
  std::vector<planner::Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    algorithms.insert(algorithms.end(), family().begin(), family().end());
  }
  return algorithms;
}

sim::NetworkOptions network_options(const WorldOptions& options) {
  return {.channel_count = transport::kChannelCount,
          .max_frame_bytes = cost::kSliceBytes,
          .window_bytes = sim::kNoWindow,
          .traffic = options.traffic,
          .payloads = sim::Payloads::sized,
          .on_flight = options.on_flight};
}

// An address that nothing is ever read from or written to; the two are far enough apart for every size.
void* nowhere(uint64_t number) { return reinterpret_cast<void*>(number << 52); }

bool has_rank_blocks(schedule::Collective collective) { return !schedule::is_cut_vector(collective); }

}  // namespace

Result<std::unique_ptr<World>> World::make(WorldOptions options) {
  if (options.topology.fabric() == nullptr || options.topology.rank_count() == 0) {
    return tl::make_unexpected(invalid_argument("simulation: the topology has {} ranks and {} fabric", options.topology.rank_count(),
                                                options.topology.fabric() == nullptr ? "no" : "a"));
  }
  auto overrides = planner::Overrides::parse(options.algorithms, all_algorithms());
  if (!overrides) {
    return tl::make_unexpected(overrides.error());
  }
  auto prescriptions = comm::load_algorithm_files(options.algorithm_files, options.topology.rank_count(), comm::Misfits::error);
  if (!prescriptions) {
    return tl::make_unexpected(prescriptions.error());
  }
  return std::unique_ptr<World>(new World(std::move(options), std::move(*overrides), std::move(*prescriptions)));
}

World::World(WorldOptions options, planner::Overrides overrides, std::vector<planner::Prescription> prescriptions)
    : options_(std::move(options)),
      network_(std::make_unique<sim::Network>(options_.topology, network_options(options_))),
      leader_({.topology = options_.topology, .rank = 0, .algorithms = all_algorithms(), .overrides = std::move(overrides), .prescriptions = std::move(prescriptions), .most_steps = options_.most_steps}) {
  for (uint32_t rank = 0; rank < options_.topology.rank_count(); ++rank) {
    add_rank(rank);
  }
}

World::~World() = default;

void World::add_rank(uint32_t rank) {
  const uint32_t rank_count = options_.topology.rank_count();
  network_->attach({.node = rank, .group = 1, .secret = {}});  // ports are numbered as ranks are
  comm::Communicator::Ready ready{.config = {},
                                  .position = {.rank = rank, .rank_count = rank_count},
                                  .job_id = 1,
                                  .clock = &network_->clock(),
                                  .data = engine::Data::modelled,
                                  .parts = {}};
  ready.parts.executor = std::make_shared<engine::Executor>(
      engine::Executor::Options{.rank = rank, .rank_count = rank_count, .name = ready.config.name, .clock = ready.clock},
      engine::Executor::Connections{});
  ready.parts.planner = std::make_unique<planner::Planner>(leader_, rank);
  communicators_.push_back(std::make_shared<comm::Communicator>(std::move(ready)));
}

comm::Call World::call_of(const Collective& what) const {
  if (what.collective == schedule::Collective::barrier) {
    return comm::barrier_call("simulation");
  }
  return {.function = "simulation",
          .collective = what.collective,
          .send = nowhere(1),
          .receive = nowhere(2),
          .count = has_rank_blocks(what.collective) ? what.bytes / rank_count() : what.bytes,
          .datatype = tuttiUint8,
          .root = static_cast<int>(what.root)};
}

Result<Outcome> World::run(const Collective& what, const Report& report) {
  if (what.root >= rank_count()) {
    return tl::make_unexpected(invalid_argument("simulation: root {} is not below the rank count {}", what.root, rank_count()));
  }
  auto part = prepare(what);
  if (!part) {
    return tl::make_unexpected(part.error());
  }
  const auto plan = leader_.plan({.problem = {.collective = what.collective, .rank_count = rank_count(), .root = what.root},
                                  .element_count = part->call.count,
                                  .element_bytes = 1});
  if (!plan) {
    return tl::make_unexpected(plan.error());
  }
  Outcome outcome{.price_ns = price_ns(*part, **plan, cost::kSliceBytes),
                  .frame_bytes = frame_bytes(*part),
                  .algorithm = std::string((*plan)->algorithm),
                  .too_large = std::string((*plan)->too_large)};
  outcome.price_in_frames_ns = outcome.frame_bytes == cost::kSliceBytes ? outcome.price_ns : price_ns(*part, **plan, outcome.frame_bytes);
  const uint64_t begin_ns = network_->now_ns();
  const uint64_t frames_before = network_->delivered_frame_count();
  const uint64_t bytes_before = network_->delivered_bytes();
  const uint64_t all_bytes = part->all_bytes;
  network_->begin_collective();
  TUTTI_UNEXPECTED_IF_ERROR(submit(std::move(*part)));
  TUTTI_UNEXPECTED_IF_ERROR(finish(all_bytes, report));
  outcome.elapsed_ns = network_->now_ns() - begin_ns + network_->traffic()->base_ns();
  outcome.bytes_moved = network_->delivered_bytes() - bytes_before;
  outcome.frame_count = network_->delivered_frame_count() - frames_before;
  outcome.trace_hash = network_->trace_hash();
  return outcome;
}

Result<World::Part> World::prepare(const Collective& what) {
  Part part{.call = call_of(what), .requests = {}};
  part.requests.reserve(rank_count());
  for (uint32_t rank = 0; rank < rank_count(); ++rank) {
    auto request = communicators_[rank]->prepare(part.call);
    if (!request) {
      return tl::make_unexpected(request.error());
    }
    const engine::Program& program = *request->program;
    const schedule::Schedule& schedule = program.schedule();
    for (uint32_t step = 0; step < schedule.steps.size(); ++step) {
      part.all_bytes += schedule.steps[step].kind == schedule::StepKind::send ? program.place_of(step).bytes : 0;
    }
    part.all_steps += schedule.steps.size();
    link_peers_of(rank, schedule);
    part.requests.push_back(std::move(*request));
  }
  return part;
}

uint64_t World::frame_bytes(const Part& part) const {
  const uint64_t most_frames = options_.most_frames != 0 ? options_.most_frames : std::max(kMostFrames, kFramesOfRank * rank_count());
  return std::clamp<uint64_t>(part.all_bytes / most_frames, cost::kSliceBytes, sim::kMaxFrameBytes);
}

uint64_t World::price_ns(const Part& part, const planner::Plan& plan, uint64_t slice_bytes) const {
  const schedule::Problem problem{.collective = part.call.collective, .rank_count = rank_count(), .root = static_cast<uint32_t>(part.call.root)};
  const cost::Workload workload{.element_count = part.call.count, .element_bytes = 1, .slice_bytes = slice_bytes};
  if (rank_count() > planner::kMostPlayedRanks) {
    const planner::Algorithm& algorithm = *leader_.find(plan.algorithm);
    const auto form = cost::closed_form_ns(planner::messages_of(algorithm, problem, options_.topology), problem, options_.topology, workload);
    if (form || part.all_steps > planner::kMostPlayedSteps) {
      return form.value_or(plan.price_ns);
    }
  }
  std::vector<schedule::Schedule> schedules;
  schedules.reserve(rank_count());
  for (const engine::Request& request : part.requests) {
    schedules.push_back(request.program->schedule());
  }
  return cost::price_ns(problem, schedules, options_.topology, workload);
}

Status World::submit(Part part) {
  network_->set_max_frame_bytes(frame_bytes(part));
  is_finished_.assign(rank_count(), 0);
  finished_count_ = 0;
  for (uint32_t rank = 0; rank < rank_count(); ++rank) {
    TUTTI_RETURN_IF_ERROR(communicators_[rank]->submit(std::move(part.requests[rank]), nullptr));
    awake_.push_back(rank);
  }
  return {};
}

Status World::finish(uint64_t all_bytes, const Report& report) {
  const uint64_t bytes_before = network_->delivered_bytes();
  uint64_t reported_frames = network_->delivered_frame_count();
  while (take_turns()) {
    if (!network_->advance_instant()) {
      return internal_error("simulation: {} of {} ranks wait for messages that nobody sends", rank_count() - finished_count_, rank_count());
    }
    awake_ = network_->take_woken();
    if (report && network_->delivered_frame_count() - reported_frames >= kFramesBetweenReports) {
      reported_frames = network_->delivered_frame_count();
      report({.arrived_bytes = network_->delivered_bytes() - bytes_before, .all_bytes = all_bytes});
    }
  }
  return {};
}

void World::link_peers_of(uint32_t rank, const schedule::Schedule& schedule) {
  for (const schedule::Step& step : schedule.steps) {
    const bool is_local = step.kind == schedule::StepKind::copy || step.kind == schedule::StepKind::reduce;
    if (!is_local && step.peer != rank && !communicators_[rank]->executor()->has_link(step.peer)) {
      link(rank, step.peer);
    }
  }
}

void World::link(uint32_t rank, uint32_t peer) {
  const sim::Network::Ends ends = network_->join(rank, peer);
  links_.push_back(std::make_unique<transports::sim::SimLink>(*network_, ends.first));
  communicators_[rank]->executor()->add_link(peer, *links_.back());
  links_.push_back(std::make_unique<transports::sim::SimLink>(*network_, ends.second));
  communicators_[peer]->executor()->add_link(rank, *links_.back());
}

// Of every rank that is awake, until it has nothing to do. Ranks do not see each other's turns before time has passed, so that each takes all of its
// turns while what it needs is in the caches. False when all ranks have finished.
bool World::take_turns() {
  for (const uint32_t rank : awake_) {
    engine::Executor& executor = *communicators_[rank]->executor();
    while (executor.turn() != 0) {
    }
    if (is_finished_[rank] == 0 && executor.has_settled(executor.submitted())) {
      is_finished_[rank] = 1;
      ++finished_count_;
    }
  }
  awake_.clear();
  return finished_count_ != rank_count();
}

}  // namespace tutti::simulator
