// SPDX-License-Identifier: Apache-2.0
#include "support/sim_world.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bootstrap/unique_id.hpp"
#include "support/reference.hpp"
#include "transports/sim/sim_transport.hpp"

namespace tutti::tests {

namespace {

// Ranks look around at least this often, as timeouts and inquiries need it.
constexpr uint64_t kTickNs = 100'000;

schedule::Collective collective_of(Operation operation) {
  using schedule::Collective;
  switch (operation) {
    case Operation::all_reduce: return Collective::all_reduce;
    case Operation::reduce: return Collective::reduce;
    case Operation::broadcast: return Collective::broadcast;
    case Operation::all_gather:
    case Operation::all_gather_v: return Collective::all_gather;
    case Operation::reduce_scatter:
    case Operation::reduce_scatter_v: return Collective::reduce_scatter;
    case Operation::all_to_all:
    case Operation::all_to_all_v: return Collective::all_to_all;
    case Operation::gather:
    case Operation::gather_v: return Collective::gather;
    case Operation::scatter:
    case Operation::scatter_v: return Collective::scatter;
    case Operation::barrier: return Collective::barrier;
    case Operation::send_receive: return Collective::send;
  }
  return Collective::barrier;
}

const size_t* table_or_null(const std::vector<size_t>& values) { return values.empty() ? nullptr : values.data(); }

tuttiRedOp_t operator_of(const Exercise& exercise, int rank, comm::Operators& operators) {
  comm::CustomOperator custom{.function = nullptr, .context = nullptr, .datatype = exercise.datatype, .scalar = {}};
  switch (exercise.reduction) {
    case Reduction::pre_multiplied_sum: {
      const uint64_t scalar = premultiplier(exercise.datatype, rank);
      std::memcpy(custom.scalar.data(), &scalar, sizeof scalar);
      return operators.add(custom);
    }
    case Reduction::user_function: custom.function = user_function; return operators.add(custom);
    default: return static_cast<tuttiRedOp_t>(exercise.reduction);
  }
}

comm::Call call_of(const Part& part) {
  const Exercise& exercise = part.exercise();
  const Arguments& arguments = part.arguments();
  if (exercise.operation == Operation::barrier) {
    return comm::barrier_call("barrier");
  }
  const bool variable = has_variable_blocks(exercise.operation);
  return {.function = "simulated",
          .collective = collective_of(exercise.operation),
          .blocks = variable ? schedule::Blocks::variable : schedule::Blocks::equal,
          .send = arguments.send,
          .receive = arguments.receive,
          .count = arguments.count,
          .datatype = exercise.datatype,
          .root = exercise.root,
          .send_counts = variable ? table_or_null(arguments.send_counts) : nullptr,
          .send_displacements = variable ? table_or_null(arguments.send_displacements) : nullptr,
          .receive_counts = variable ? table_or_null(arguments.receive_counts) : nullptr,
          .receive_displacements = variable ? table_or_null(arguments.receive_displacements) : nullptr};
}

topology::Topology topology_of(const SimWorldOptions& options) {
  auto topology = topology::Topology::uniform(options.rank_count, options.link);
  if (!options.places.empty()) {
    for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
      topology.set_host(rank, 0);
    }
    topology::add_levels(topology, options.places);
  }
  topology.set_fabric(options.fabric);
  return topology;
}

comm::Host host_of(const SimWorldOptions& options, uint32_t rank) {
  topology::ProcessorWords own(rank / 64 + 1);
  own.back() = uint64_t{1} << rank % 64;
  if (options.places.empty()) {
    return {.id = fmt::format("simulated {}", rank), .allowed_cores = std::move(own), .place = {}};
  }
  return {.id = "simulated", .allowed_cores = std::move(own), .place = options.places[rank]};
}

}  // namespace

SimWorld::SimWorld(const SimWorldOptions& options) : options_(options), crashed_(options.rank_count, false) {
  options_.network.payloads = options.data == engine::Data::real ? sim::Payloads::carried : sim::Payloads::sized;
  network_ = std::make_unique<sim::Network>(topology_of(options), options_.network);
  auto exchanges = bootstrap::in_memory_exchanges(options.rank_count, options.seed);
  for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
    secret_ = exchanges[rank]->secret();
    const transport::TransportContext context{.rank = rank,
                                              .rank_count = options.rank_count,
                                              .communicator_id = exchanges[rank]->job_id(),
                                              .secret = secret_,
                                              .host_id = "",
                                              .clock = network_->clock(),
                                              .settings = settings_};
    comm::Initialisation::Setup setup;
    setup.config.timeout_ms = options.timeout_ms;
    setup.config.algorithms = options.algorithms;
    setup.config.algorithm_files = options.algorithm_files;
    setup.config.topology = options.machine;
    setup.exchange = std::move(exchanges[rank]);
    setup.clock = &network_->clock();
    setup.data = options.data;
    if (!options.places.empty() || options.hosts == SimHosts::many) {
      setup.host = host_of(options, rank);
    }
    setup.transports.push_back({"sim", std::make_unique<transports::sim::SimTransport>(*network_, context, rank)});
    communicators_.push_back(std::make_shared<comm::Communicator>(std::move(setup)));
  }
}

SimWorld::~SimWorld() = default;

Status SimWorld::bring_up() {
  const auto all_done = [&] {
    return std::ranges::all_of(communicators_, [](const auto& one) { return one->state() != comm::State::initialising; });
  };
  const bool done = run_until(all_done);
  for (const auto& communicator : communicators_) {
    TUTTI_RETURN_IF_ERROR(communicator->failure());
  }
  return done ? Status() : internal_error("initialisation has not ended");
}

Status SimWorld::enqueue(const Part& part) {
  comm::Communicator& communicator = *communicators_[static_cast<uint32_t>(part.rank())];
  comm::Call call = call_of(part);
  const Exercise& exercise = part.exercise();
  if (is_reducing(exercise.operation)) {
    call.op = operator_of(exercise, part.rank(), communicator.operators());
  }
  if (exercise.operation != Operation::send_receive) {
    TUTTI_RETURN_IF_ERROR(communicator.check_call(call));
    return communicator.enqueue(call, nullptr);
  }
  // Both start together, as in a group.
  const engine::Stream::Ticket start{communicator.own_stream()->issued()};
  call.root = (part.rank() + exercise.root) % exercise.rank_count;
  TUTTI_RETURN_IF_ERROR(communicator.enqueue(call, nullptr, &start));
  call.collective = schedule::Collective::receive;
  call.root = (part.rank() + exercise.rank_count - exercise.root) % exercise.rank_count;
  return communicator.enqueue(call, nullptr, &start);
}

size_t SimWorld::turn_all() {
  size_t worked = 0;
  for (uint32_t rank = 0; rank < options_.rank_count; ++rank) {
    comm::Communicator& communicator = *communicators_[rank];
    if (crashed_[rank]) {
      continue;
    }
    if (communicator.state() == comm::State::initialising) {
      // Its outcome is the communicator's state. Counts as work only when that changes, so that time moves on.
      const auto done = communicator.poll_initialisation();
      worked += !done || *done ? 1 : 0;
    } else if (communicator.executor() != nullptr) {
      worked += communicator.executor()->full_turn();
    }
  }
  return worked;
}

// To the next event, or a tick ahead when there is none before.
bool SimWorld::advance(uint64_t deadline_ns) {
  const uint64_t now_ns = network_->now_ns();
  if (now_ns >= deadline_ns) {
    return false;
  }
  const uint64_t tick_ns = std::min(now_ns + kTickNs, deadline_ns);
  network_->advance_until(std::min(network_->next_event_ns().value_or(tick_ns), tick_ns));
  return true;
}

bool SimWorld::run_until(const std::function<bool()>& condition, uint64_t limit_ns) {
  const uint64_t deadline_ns = network_->now_ns() + limit_ns;
  while (!condition()) {
    if (turn_all() == 0 && !advance(deadline_ns)) {
      return condition();
    }
  }
  return true;
}

bool SimWorld::settle(uint64_t limit_ns) {
  return run_until(
      [&] {
        for (uint32_t rank = 0; rank < options_.rank_count; ++rank) {
          const engine::Executor* const executor = communicators_[rank]->executor();
          if (!crashed_[rank] && executor != nullptr && !executor->has_settled(executor->submitted())) {
            return false;
          }
        }
        return true;
      },
      limit_ns);
}

void SimWorld::crash(uint32_t rank) {
  crashed_[rank] = true;
  network_->crash(rank);
}

std::string perform(const Exercise& exercise, SimWorld& world) {
  std::vector<Part> parts;
  parts.reserve(world.rank_count());
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    parts.emplace_back(exercise, static_cast<int>(rank));
  }
  for (const Part& part : parts) {
    if (const Status status = world.enqueue(part); !status.ok()) {
      return fmt::format("{}; {}", status.message(), to_string(exercise));
    }
  }
  if (!world.settle()) {
    return fmt::format("hangs: {}", to_string(exercise));
  }
  for (const Part& part : parts) {
    const Status status = world.failure(static_cast<uint32_t>(part.rank()));
    if (std::string failure = status.ok() ? part.check() : status.message() + "; " + to_string(exercise); !failure.empty()) {
      return failure;
    }
  }
  return {};
}

}  // namespace tutti::tests
