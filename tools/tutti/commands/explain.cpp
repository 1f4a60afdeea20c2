// SPDX-License-Identifier: Apache-2.0
// tutti explain: which algorithm a collective would use on a machine, and why.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "collective.hpp"
#include "commands.hpp"

namespace tutti::tool {
namespace {

using Json = nlohmann::ordered_json;
using planner::Explanation;

// With more ranks, finding for which sizes which algorithm is chosen takes up to a minute, and is done when asked for.
constexpr uint32_t kMostRanksWithRanges = 4096;

struct ExplainOptions {
  CollectiveOptions what;
  std::string why_not;
  bool ranges = false;
  bool no_ranges = false;
  bool json = false;
};

Json json_of(const Explanation::Candidate& candidate) {
  const cost::Bill& bill = candidate.bill;
  return {{"algorithm", candidate.algorithm},
          {"idea", candidate.idea},
          {"price_ns", bill.price_ns},
          {"is_estimate", candidate.is_estimate},
          {"start_ns", bill.start_ns},
          {"latency_ns", bill.latency_ns},
          {"reduction_ns", bill.reduction_ns},
          {"transfer_ns", bill.transfer_ns},
          {"step_count", bill.step_count},
          {"bottleneck", {{"name", bill.bottleneck}, {"bytes", bill.bottleneck_bytes}, {"ns", bill.bottleneck_ns}}}};
}

std::string json_text(const PlannedCollective& planned, const Explanation& explanation) {
  Json json = {{"machine", planned.machine},
               {"collective", schedule::name_of(explanation.problem.collective)},
               {"rank_count", explanation.problem.rank_count},
               {"root", explanation.problem.root},
               {"bytes", explanation.bytes},  // of the vector, or of one block, as in the ranges
               {"priced_bytes", explanation.priced_bytes},
               {"chosen", explanation.chosen},
               {"is_forced", explanation.is_forced}};
  json["candidates"] = Json::array();
  for (const Explanation::Candidate& candidate : explanation.candidates) {
    json["candidates"].push_back(json_of(candidate));
  }
  json["when_shared"] = nullptr;
  if (explanation.when_shared) {
    json["when_shared"] = {{"algorithm", explanation.when_shared->algorithm}, {"price_ns", explanation.when_shared->price_ns}};
  }
  json["excluded"] = Json::array();
  for (const Explanation::Excluded& excluded : explanation.excluded) {
    json["excluded"].push_back({{"algorithm", excluded.algorithm}, {"reason", excluded.reason}});
  }
  json["ranges"] = Json::array();
  for (const Explanation::Range& range : explanation.ranges) {
    json["ranges"].push_back({{"first_bytes", range.first_bytes}, {"last_bytes", range.last_bytes}, {"algorithm", range.algorithm}});
  }
  return json.dump(2) + "\n";
}

void explain(const ExplainOptions& options) {
  const PlannedCollective planned = tool::planned(options.what, 0);
  const bool has_few_ranks = planned.call.problem.rank_count <= kMostRanksWithRanges;
  const bool wants_ranges = options.ranges || (has_few_ranks && !options.no_ranges && options.why_not.empty());
  const auto explanation = planned.planner->explanation(planned.call, wants_ranges ? planner::Ranges::find : planner::Ranges::leave_out);
  if (!explanation) {
    fail(kWrongUsage, explanation.error().message());
  }
  if (!options.why_not.empty()) {
    const auto text = why_not(*explanation, options.why_not);
    if (!text) {
      fail(kWrongUsage, "--why-not: " + text.error().message());
    }
    fmt::print("{}: {}", planned.machine, *text);
    return;
  }
  fmt::print("{}", options.json ? json_text(planned, *explanation) : planned.machine + ": " + to_string(*explanation));
  if (!options.json && !has_few_ranks && !options.ranges && !options.no_ranges) {
    fmt::print("  by size: left out for so many ranks; --ranges finds it\n");
  }
}

}  // namespace

void add_explain(CLI::App& program) {
  const auto options = std::make_shared<ExplainOptions>();
  CLI::App* explain_command = program.add_subcommand("explain", "Say which algorithm a collective would use on a machine, and why");
  explain_command->footer(
      "Examples:\n  tutti explain allreduce --bytes 64M --topology aws-trn2\n"
      "  tutti explain allreduce --topology google-tpu-v5p:4x4x4 --why-not ring\n"
      "  tutti explain broadcast --bytes 4K --ranks 8");
  add_collective_options(*explain_command, options->what, Amount::bytes);
  CLI::Option* why_not = explain_command->add_option("--why-not", options->why_not, "only compare this algorithm with what is chosen");
  why_not->type_name(kAlgorithmArgument);
  CLI::Option* ranges = explain_command->add_flag("--ranges", options->ranges, "for which sizes which algorithm is chosen, of however many ranks");
  explain_command->add_flag("--no-ranges", options->no_ranges, "leave that out, which takes most of the time")->excludes(ranges);
  explain_command->add_flag("--json", options->json, "as JSON")->excludes(why_not);
  explain_command->callback([options] { explain(*options); });
}

}  // namespace tutti::tool
