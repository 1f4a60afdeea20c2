// SPDX-License-Identifier: Apache-2.0
// tutti export: an algorithm's schedules in MSCCL's format.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "collective.hpp"
#include "commands.hpp"
#include "msccl/export.hpp"

namespace tutti::tool {
namespace {

struct ExportOptions {
  CollectiveOptions what;
  std::string algorithm;
  std::string output = "-";
};

void export_algorithm(const ExportOptions& options) {
  const PlannedCollective planned = tool::planned(options.what, 0);
  const schedule::Problem& problem = planned.call.problem;
  std::string name = options.algorithm;
  if (name.empty()) {
    const auto plan = planned.planner->plan(planned.call);
    if (!plan) {
      fail(kWrongUsage, plan.error().message());
    }
    name = (*plan)->algorithm;
  }
  const planner::Algorithm& algorithm = require_algorithm(planned, name);
  if (problem.rank_count > msccl::kMostRanks) {
    fail(kWrongUsage, fmt::format("{} ranks are more than the {} of a file", problem.rank_count, msccl::kMostRanks));
  }
  std::vector<schedule::Schedule> schedules;
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    schedules.push_back(algorithm.build(problem, planned.planner->topology(), rank));
  }
  const auto program = msccl::export_schedules(algorithm.name, problem, schedules);
  if (!program) {
    fail(kWrongUsage, fmt::format("{} by {}: {}", to_string(problem), algorithm.name, program.error().message()));
  }
  write_file(options.output, msccl::to_xml(*program));
}

}  // namespace

void add_export(CLI::App& program) {
  const auto options = std::make_shared<ExportOptions>();
  CLI::App* command = program.add_subcommand("export", "Write what all ranks do in a collective as a file in MSCCL's format");
  command->footer(
      "What works in the memory of peers, or has switches carry several messages as one, has no form there.\n\n"
      "Examples:\n  tutti export allreduce --ranks 8 --algorithm ring > ring.xml\n"
      "  tutti export alltoall --topology google-tpu-v5p:2x2x2 --algorithm dimension_order --output exchange.xml");
  add_collective_options(*command, options->what, Amount::bytes);
  command->add_option("--algorithm,--algo", options->algorithm, "this one; without it, the one that would be chosen")->type_name(kAlgorithmArgument);
  command->add_option("--output,-o", options->output, "the file to write; - is stdout")->type_name("FILE")->capture_default_str();
  command->callback([options] { export_algorithm(*options); });
}

}  // namespace tutti::tool
