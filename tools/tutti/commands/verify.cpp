// SPDX-License-Identifier: Apache-2.0
// tutti verify: whether the schedules of all ranks together do what a collective is to do.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "collective.hpp"
#include "commands.hpp"
#include "msccl/import.hpp"
#include "schedule/verifier.hpp"

namespace tutti::tool {
namespace {

// Verifying follows every contribution to every chunk.
constexpr uint32_t kMostRanks = 512;

struct VerifyOptions {
  CollectiveOptions what;
  std::string algorithm;
};

// Buffers that are not in place, and, where that is another thing, those that are.
Status verify(const planner::Algorithm& algorithm, const PlannedCollective& planned) {
  const topology::Topology& topology = planned.planner->topology();
  const auto has_link = [&](uint32_t source, uint32_t target) { return topology.carries(source, target); };
  for (const schedule::InPlace in_place : {schedule::InPlace::no, schedule::InPlace::yes}) {
    schedule::Problem problem = planned.call.problem;
    problem.in_place = in_place;
    if (!algorithm.applies(problem, topology)) {
      continue;
    }
    std::vector<schedule::Schedule> schedules;
    for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
      schedules.push_back(algorithm.build(problem, topology, rank));
    }
    if (const Status status = schedule::verify(problem, schedules, {.has_link = has_link}); !status.ok()) {
      return status;
    }
  }
  return {};
}

// The algorithm of a file, for as many ranks as it is for.
Status verify_file(const std::string& path, CollectiveOptions what) {
  const auto imported = msccl::import_file(path);
  if (!imported) {
    return imported.error();
  }
  const schedule::Problem& problem = imported->problem;
  const std::string_view collective = schedule::name_of(problem.collective);
  if (!what.collective.empty() && what.collective != collective) {
    return invalid_argument("{}: it is for {}, not for {}", imported->file, collective, what.collective);
  }
  what.collective = collective;
  what.rank_count = what.rank_count == 0 && what.model.find(':') == std::string::npos ? problem.rank_count : what.rank_count;
  what.root = problem.root;
  what.files = path;
  const PlannedCollective planned = tool::planned(what, 0);
  TUTTI_RETURN_IF_ERROR(verify(*planned.planner->find("msccl:" + imported->name), planned));
  fmt::print("{}: {} as {} has it: good\n", planned.machine, to_string(problem), imported->file);
  return {};
}

void verify_files(const CollectiveOptions& what) {
  bool good = true;
  std::string_view paths = what.files;
  while (!paths.empty()) {
    const size_t end = std::min(paths.find(':'), paths.size());
    const Status status = end == 0 ? Status() : verify_file(std::string(paths.substr(0, end)), what);
    paths.remove_prefix(std::min(end + 1, paths.size()));
    good = good && status.ok();
    if (!status.ok()) {
      fmt::print("{}\n", status.message());
    }
  }
  if (!good) {
    throw CLI::RuntimeError(kWrongInput);
  }
}

void verify_all(VerifyOptions options) {
  if (!options.what.files.empty()) {
    verify_files(options.what);
    return;
  }
  if (options.what.collective.empty()) {
    fail(kWrongUsage, "neither a collective nor --file");
  }
  const PlannedCollective planned = tool::planned(options.what, 0);
  const schedule::Problem& problem = planned.call.problem;
  if (problem.rank_count > kMostRanks) {
    fail(kWrongUsage, fmt::format("{} ranks are more than the {} that can be verified; name a smaller shape", problem.rank_count, kMostRanks));
  }
  std::vector<const planner::Algorithm*> algorithms;
  if (options.algorithm.empty()) {
    algorithms = planned.planner->applying(problem);
  } else {
    algorithms.push_back(&require_algorithm(planned, options.algorithm));
  }
  if (algorithms.empty()) {
    fail(kWrongInput, fmt::format("{}: no algorithm applies to {}", planned.machine, to_string(problem)));
  }
  bool good = true;
  for (const planner::Algorithm* algorithm : algorithms) {
    const Status status = verify(*algorithm, planned);
    good = good && status.ok();
    fmt::print("{}: {} by {}: {}\n", planned.machine, to_string(problem), algorithm->name, status.ok() ? "good" : status.message());
  }
  if (!good) {
    throw CLI::RuntimeError(kWrongInput);
  }
}

}  // namespace

void add_verify(CLI::App& program) {
  const auto options = std::make_shared<VerifyOptions>();
  CLI::App* verify_command = program.add_subcommand("verify", "Show that the schedules of all ranks together solve a collective");
  verify_command->footer(
      "Runs them on symbolic contributions: no deadlock, each contribution exactly once, no slot overwritten too early, whatever the size.\n"
      "With --adjacent, no message may need a chip between to forward it.\n\n"
      "Exits with 0 if all are good, 1 if one is wrong, 2 if the question is.\n\n"
      "Examples:\n  tutti verify allreduce --topology google-tpu-v5p:2x2x4 --adjacent\n"
      "  tutti verify reduce --ranks 7 --root 3 --algorithm binomial\n"
      "  tutti verify --file ring.xml");
  add_collective_options(*verify_command, options->what, Amount::none);
  verify_command->get_option("collective")->required(false);
  verify_command->get_option("--file")->description("instead, the algorithms of these files in MSCCL's format, which colons separate");
  verify_command->add_option("--algorithm", options->algorithm, "this one; without it, all that apply")->type_name(kAlgorithmArgument);
  verify_command->callback([options] { verify_all(*options); });
}

}  // namespace tutti::tool
