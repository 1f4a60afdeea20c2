// SPDX-License-Identifier: Apache-2.0
// tutti winners: which algorithm each collective uses on machines, at a few sizes, and how near that comes to what the machine allows.
#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bounds.hpp"
#include "collective.hpp"
#include "commands.hpp"
#include "schedule/names.hpp"

namespace tutti::tool {
namespace {

using Json = nlohmann::ordered_json;
using schedule::Collective;

struct WinnersOptions {
  std::vector<std::string> machines;
  bool json = false;
};

struct Column {
  const char* name;
  uint64_t bytes;
};
constexpr std::array kColumns = {Column{"4 KiB", uint64_t{4} << 10}, Column{"1 MiB", uint64_t{1} << 20}, Column{"64 MiB", uint64_t{64} << 20},
                               Column{"1 GiB", uint64_t{1} << 30}};
constexpr std::array kRows = {Collective::all_reduce, Collective::reduce_scatter, Collective::all_gather, Collective::broadcast, Collective::reduce,
                                     Collective::all_to_all, Collective::gather,         Collective::scatter};

struct Winner {
  std::string algorithm;
  double ns = 0;
  Bound bound;
};

// "ring, 97 %" of the bandwidth, or "one_shot, 1.2 times" the latency.
std::string winner_text(const Winner& winner) {
  return winner.bound.is_latency() ? fmt::format("{}, {:.2f} times", winner.algorithm, winner.ns / winner.bound.ns())
                                   : fmt::format("{}, {:.0f} %", winner.algorithm, 100 * winner.bound.ns() / winner.ns);
}

class WinnersTable {
 public:
  explicit WinnersTable(const std::string& model) {
    CollectiveOptions what;
    what.collective = "allreduce";
    what.model = model;
    const PlannedCollective machine = planned(what, 0);
    machine_ = machine.machine;
    const uint32_t rank_count = machine.planner->topology().rank_count();
    if (rank_count > Bounds::kMostChips) {
      fail(kWrongUsage, fmt::format("{}: {} chips are more than the {} that bounds are found for", machine_, rank_count, Bounds::kMostChips));
    }
    const Bounds bounds(machine.planner->topology());
    for (const Collective collective : kRows) {
      for (const Column& size : kColumns) {
        const schedule::Problem problem{.collective = collective, .rank_count = rank_count};
        const auto explanation = machine.planner->explanation(planner::call_of_all_bytes(problem, size.bytes));
        if (!explanation) {
          fail(kWrongUsage, explanation.error().message());
        }
        // Prices are of powers of two of bytes.
        const uint64_t bytes = explanation->priced_bytes * (schedule::is_cut_vector(collective) ? 1 : rank_count);
        rows_[collective].push_back({.algorithm = explanation->chosen,
                                     .ns = static_cast<double>(explanation->candidates.front().bill.price_ns),
                                     .bound = bounds.of(collective, bytes)});
      }
    }
  }

  std::string text() const {
    std::string text = fmt::format("## {}\n\n| |", machine_);
    for (const Column& size : kColumns) {
      text += fmt::format(" {} |", size.name);
    }
    text += "\n|---|---|---|---|---|\n";
    for (const Collective collective : kRows) {
      text += fmt::format("| {} |", schedule::name_of(collective));
      for (const Winner& winner : rows_.at(collective)) {
        text += fmt::format(" {} |", winner_text(winner));
      }
      text += "\n";
    }
    return text;
  }

  Json json() const {
    Json json = {{"machine", machine_}, {"winners", Json::array()}};
    for (const Collective collective : kRows) {
      for (size_t size = 0; size < kColumns.size(); ++size) {
        const Winner& winner = rows_.at(collective)[size];
        json["winners"].push_back({{"collective", schedule::name_of(collective)},
                                   {"bytes", kColumns[size].bytes},
                                   {"algorithm", winner.algorithm},
                                   {"price_ns", winner.ns},
                                   {"latency_bound_ns", winner.bound.latency_ns},
                                   {"bandwidth_bound_ns", winner.bound.bandwidth_ns}});
      }
    }
    return json;
  }

 private:
  std::string machine_;
  std::map<Collective, std::vector<Winner>> rows_;
};

void print_winners(const WinnersOptions& options) {
  Json all = Json::array();
  for (const std::string& machine : options.machines) {
    const WinnersTable table(machine);
    if (options.json) {
      all.push_back(table.json());
    } else {
      fmt::print("{}{}", &machine == &options.machines.front() ? "" : "\n", table.text());
    }
  }
  if (options.json) {
    fmt::print("{}\n", all.dump(2));
  }
}

}  // namespace

void add_winners(CLI::App& program) {
  const auto options = std::make_shared<WinnersOptions>();
  CLI::App* winners = program.add_subcommand("winners", "Say which algorithms are used on machines, and what share of the bound they reach");
  winners->footer(
      "The bound is the bytes that must pass over the bandwidth of the narrowest cut, or the latency of one message to the farthest chip with\n"
      "the bytes that no algorithm hides behind it, whichever is longer: a share of the one in %, or so many times the other.\n"
      "Example:\n  tutti winners nvidia-dgx-h100 google-tpu-v5p:4x4x8");
  winners->add_option("machine", options->machines, "models by name, or their files, and their shapes")->required()->type_name(kModelArgument);
  winners->add_flag("--json", options->json, "as JSON");
  winners->callback([options] { print_winners(*options); });
}

}  // namespace tutti::tool
