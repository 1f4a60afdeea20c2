// SPDX-License-Identifier: Apache-2.0
// tutti plan: what one rank does in a collective.
#include <fmt/format.h>

#include <memory>

#include "collective.hpp"
#include "commands.hpp"

namespace tutti::tool {
namespace {

struct PlanOptions {
  CollectiveOptions what;
  std::string algorithm;
  uint32_t rank = 0;
};

void print_plan(const PlanOptions& options) {
  const PlannedCollective planned = tool::planned(options.what, options.rank);
  const schedule::Problem& problem = planned.call.problem;
  if (options.algorithm.empty()) {
    const auto plan = planned.planner->plan(planned.call);
    if (!plan) {
      fail(kWrongUsage, plan.error().message());
    }
    fmt::print("{}: {} by {}\n{}", planned.machine, to_string(problem), (*plan)->algorithm, schedule::to_string(*(*plan)->schedule));
    return;
  }
  const planner::Algorithm& algorithm = require_algorithm(planned, options.algorithm);
  fmt::print("{}: {} by {}\n{}", planned.machine, to_string(problem), algorithm.name,
             schedule::to_string(algorithm.build(problem, planned.planner->topology(), options.rank)));
}

}  // namespace

void add_plan(CLI::App& program) {
  const auto options = std::make_shared<PlanOptions>();
  CLI::App* plan = program.add_subcommand("plan", "Print what one rank sends, receives, copies and reduces in a collective, step by step");
  plan->footer(
      "Examples:\n  tutti plan allreduce --bytes 1G --topology nvidia-dgx-h100 --rank 3\n"
      "  tutti plan broadcast --ranks 4 --algorithm binomial");
  add_collective_options(*plan, options->what, Amount::bytes);
  plan->add_option("--algorithm", options->algorithm, "this one; without it, the one that would be chosen")->type_name(kAlgorithmArgument);
  plan->add_option("--rank", options->rank, "whose")->type_name("RANK")->capture_default_str();
  plan->callback([options] { print_plan(*options); });
}

}  // namespace tutti::tool
