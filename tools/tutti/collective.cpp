// SPDX-License-Identifier: Apache-2.0
#include "collective.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/settings.hpp"
#include "comm/algorithm_files.hpp"
#include "comm/machine.hpp"
#include "commands.hpp"
#include "machine_text.hpp"
#include "registry/registry.hpp"
#include "topology/fitting.hpp"
#include "topology/model_files.hpp"
#include "transports/shm/estimate.hpp"

namespace tutti::tool {
namespace {

constexpr uint32_t kMostRanksHere = 1024;

// Ranks here, dealt to the processors that this process may use in turn.
topology::Topology topology_here(uint32_t rank_count) {
  const auto domains = domains_of_this_machine();
  if (!domains) {
    fail(kWrongInput, domains.error().message());
  }
  std::vector<const Domain*> by_processor;
  topology::ProcessorWords allowed;
  for (const Domain& domain : *domains) {
    for (const uint32_t processor : domain.processors) {
      allowed.resize(std::max<size_t>(allowed.size(), processor / 64 + 1));
      allowed[processor / 64] |= uint64_t{1} << (processor % 64);
      by_processor.push_back(&domain);
    }
  }
  if (by_processor.empty()) {
    fail(kWrongInput, "this process may use no processor that hwloc knows");
  }
  const topology::MemorySpeed speed =
      Settings::environment().measured_links ? topology::memory_speed_of_this_machine() : topology::MemorySpeed();
  std::vector<comm::Introduction> introductions(rank_count);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    introductions[rank].host_id = "here";
    introductions[rank].allowed_cores = allowed;
    introductions[rank].place = by_processor[rank % by_processor.size()]->place;
    introductions[rank].memory = speed;
  }
  const transport::LinkEstimate estimate = transports::shm::kEstimate;
  const topology::LinkSpec link{.latency_ns = estimate.latency_ns,
                                .bandwidth_bytes_per_s = topology::scaled_by_cores(estimate.bandwidth_bytes_per_s, speed),
                                .source = std::string(estimate.source),
                                .reaches_memory = Settings::environment().peer_memory};
  return comm::make_topology(introductions, [&](uint32_t, uint32_t) { return link; });
}

struct NamedMachine {
  topology::Topology topology;
  std::string name;
};

NamedMachine machine_of(const CollectiveOptions& options) {
  if (options.model.empty()) {
    if (options.rank_count == 0 || options.rank_count > kMostRanksHere) {
      fail(kWrongUsage, fmt::format("--ranks: {} is not 1 to {}; without --topology, say how many ranks this machine has", options.rank_count,
                                    kMostRanksHere));
    }
    return {topology_here(options.rank_count), "this machine"};
  }
  topology::Model model = require_model(options.model);
  const bool has_shape = topology::find_model(options.model, Settings::environment().topology_path)->shape.has_value();
  if (options.rank_count != 0 && !has_shape) {
    if (const Status status = topology::fit_shape(&model, options.rank_count); !status.ok()) {
      fail(kWrongUsage, "--ranks: " + status.message());
    }
  }
  const auto fabric = topology::make_fabric(model);
  if (!fabric) {
    fail(kWrongUsage, fabric.error().message());
  }
  const uint32_t rank_count = options.rank_count == 0 ? (*fabric)->chip_count() : options.rank_count;
  if (rank_count > (*fabric)->chip_count()) {
    fail(kWrongUsage, fmt::format("--ranks: {} are more than the {} chips of {}", rank_count, (*fabric)->chip_count(), options.model));
  }
  const std::string shape = model.shape();
  return {topology::first_chips(*fabric, rank_count), shape.empty() ? model.name : model.name + ":" + shape};
}

}  // namespace

std::vector<planner::Algorithm> all_algorithms() {
  std::vector<planner::Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    algorithms.insert(algorithms.end(), family().begin(), family().end());
  }
  return algorithms;
}

void add_collective_options(CLI::App& command, CollectiveOptions& options, Amount amount) {
  std::vector<std::string> names;
  for (const schedule::Collective collective : schedule::planned_collectives()) {
    names.emplace_back(schedule::name_of(collective));
  }
  command.add_option("collective", options.collective, "what to do: " + CLI::detail::join(names, ", "))->required()->type_name(kCollectiveArgument);
  if (amount == Amount::bytes) {
    command.add_option("--bytes,-b", options.bytes, "of the vector, or of the blocks of all ranks together: 4096, 64K, 1G")
        ->transform(CLI::AsSizeValue(false))
        ->transform(CLI::Validator([](std::string& text) { return text.starts_with('-') ? text + " is negative" : std::string(); }, ""))
        ->type_name("BYTES")
        ->capture_default_str();
  }
  command.add_option("--topology,-t", options.model, "a model by name, or its file, and its shape; without one, this machine")
      ->type_name(kModelArgument);
  command.add_option("--ranks", options.rank_count, "how many: of this machine, or of a model, which gets the smallest shape that has them")
      ->type_name("N");
  command.add_option("--root", options.root, "of collectives that have one")->type_name("RANK")->capture_default_str();
  add_file_option(command, options.files);
  command.add_flag("--adjacent", options.adjacent, "only chips that a link or switches join exchange messages, as with TUTTI_TOPOLOGY");
}

void add_file_option(CLI::App& command, std::string& files) {
  command.add_option("--file", files,
                     "files in MSCCL's format, separated by colons, whose algorithms come before others; without, those of TUTTI_ALGO_FILE")
      ->type_name("FILE");
}

std::string files_or_those_set(const std::string& files) { return files.empty() ? Settings::environment().algorithm_files : files; }

PlannedCollective planned(const CollectiveOptions& options, uint32_t rank) {
  const auto collective = schedule::collective_named(options.collective);
  if (!collective) {
    fail(kWrongUsage, collective.error().message());
  }
  NamedMachine machine = machine_of(options);
  const uint32_t rank_count = machine.topology.rank_count();
  if (options.adjacent) {
    machine.topology.messages = topology::Messages::adjacent;
  }
  if (options.root >= rank_count) {
    fail(kWrongUsage, fmt::format("--root: {} is not below the number of ranks, {}", options.root, rank_count));
  }
  if (rank >= rank_count) {
    fail(kWrongUsage, fmt::format("--rank: {} is not below the number of ranks, {}", rank, rank_count));
  }
  auto overrides = planner::Overrides::parse(Settings::environment().algorithms, all_algorithms());
  if (!overrides) {
    fail(kWrongUsage, overrides.error().message());
  }
  auto prescriptions = comm::load_algorithm_files(files_or_those_set(options.files), rank_count, comm::Misfits::error);
  if (!prescriptions) {
    fail(kWrongInput, "--file: " + prescriptions.error().message());
  }
  const schedule::Problem problem{.collective = *collective, .rank_count = rank_count, .root = options.root};
  return {.planner = std::make_unique<planner::Planner>(planner::Planner::Options{
              .topology = std::move(machine.topology), .rank = rank, .algorithms = all_algorithms(), .overrides = std::move(*overrides),
              .prescriptions = std::move(*prescriptions)}),
          .call = planner::call_of_all_bytes(problem, options.bytes),
          .machine = machine.name};
}

const planner::Algorithm& require_algorithm(const PlannedCollective& planned, const std::string& name) {
  const schedule::Problem& problem = planned.call.problem;
  const planner::Algorithm* const found = planned.planner->find(name);
  if (found != nullptr && found->applies(problem, planned.planner->topology())) {
    return *found;
  }
  std::string known;
  for (const planner::Algorithm* algorithm : planned.planner->applying(problem)) {
    known += (known.empty() ? "" : ", ") + std::string(algorithm->name);
  }
  fail(kWrongUsage, fmt::format("--algorithm: {} does not solve {} on {}; those that do are {}", name, to_string(problem), planned.machine,
                                known.empty() ? "none" : known));
}

}  // namespace tutti::tool
