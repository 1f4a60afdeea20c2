// SPDX-License-Identifier: Apache-2.0
// tutti algorithms: which there are, what each does, and a drawing of it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collective.hpp"
#include "commands.hpp"
#include "planner/applicability.hpp"
#include "rounds_picture.hpp"
#include "schedule/names.hpp"

namespace tutti::tool {
namespace {

using planner::Algorithm;
using schedule::Collective;
using schedule::Problem;

struct Options {
  std::string name;
  std::string picture;
  std::string folder;
};

constexpr std::array kCollectives = {Collective::all_reduce,     Collective::all_gather, Collective::reduce_scatter,
                                     Collective::all_to_all,     Collective::broadcast,  Collective::reduce,
                                     Collective::gather,         Collective::scatter,    Collective::barrier};

// Few enough to look at.
constexpr std::array<uint32_t, 4> kRankCounts = {6, 8, 4, 9};

struct Example {
  Problem problem;
  topology::Topology topology;
};

// Of those that it solves, the first, on a machine that suits it.
std::optional<Example> example_of(const Algorithm& algorithm) {
  for (const Collective collective : kCollectives) {
    for (const uint32_t rank_count : kRankCounts) {
      for (const topology::Topology& topology : planner::sample_topologies(rank_count)) {
        const Problem problem{.collective = collective, .rank_count = rank_count, .root = 0};
        if (algorithm.applies(problem, topology)) {
          return Example{problem, topology};
        }
      }
    }
  }
  return std::nullopt;
}

std::string collectives_of(const Algorithm& algorithm) {
  std::string words;
  for (const Collective collective : kCollectives) {
    if (planner::ever_applies(algorithm, collective)) {
      words += fmt::format("{}{}", words.empty() ? "" : ", ", schedule::name_of(collective));
    }
  }
  return words;
}

std::vector<schedule::Passage> passages_of(const Algorithm& algorithm, const Example& example) {
  std::vector<schedule::Schedule> schedules;
  for (uint32_t rank = 0; rank < example.problem.rank_count; ++rank) {
    schedules.push_back(algorithm.build(example.problem, example.topology, rank));
  }
  return schedule::rounds_of(schedules);
}

std::string picture_of(const Algorithm& algorithm, const Example& example) {
  return rounds_picture(fmt::format("{}: {} of {} ranks", algorithm.name, schedule::name_of(example.problem.collective), example.problem.rank_count),
                        example.problem.rank_count, passages_of(algorithm, example));
}

void print_list(const std::vector<Algorithm>& algorithms) {
  for (const Algorithm& algorithm : algorithms) {
    fmt::print("{:<20} {}\n{:<20} {}\n", algorithm.name, algorithm.idea, "", collectives_of(algorithm));
  }
}

void print_one(const Algorithm& algorithm) {
  fmt::print("{}: {}\n", algorithm.name, algorithm.idea);
  fmt::print("solves  {}\n", collectives_of(algorithm));
  fmt::print("costs   {}\n", algorithm.cost);
  fmt::print("from    {}\n", algorithm.source);
  if (const std::optional<Example> example = example_of(algorithm)) {
    fmt::print("{} of {} ranks, what passes in each round ({} -> {}: copied, {} => {}: reduced, {} .. {}: told):\n",
               schedule::name_of(example->problem.collective), example->problem.rank_count, 0, 1, 0, 1, 0, 1);
    fmt::print("{}", rounds_text(passages_of(algorithm, *example)));
  }
}

void write_page(const std::vector<Algorithm>& algorithms, const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder + "/algorithms", error);
  if (error) {
    fail(kWrongInput, fmt::format("{}: {}", folder, error.message()));
  }
  std::string page =
      "# Algorithms\n\n"
      "What each of the registered algorithms does, as `tutti algorithms --page docs` writes it; a test keeps the page up to date. Time goes from left\n"
      "to right as if each message took one round: blue is copied at its target, orange reduced there, grey tells that memory may be used. In costs, p\n"
      "ranks have n bytes each, a is the latency of a message and b the time of a byte. Which one is chosen where, and why, `tutti explain` says;\n"
      "[winners](winners.md) has those of many machines. Any of them can be put on any level of a machine: [compositions](design/compositions.md).\n";
  for (const Algorithm& algorithm : algorithms) {
    page += fmt::format("\n## {}\n{}.\n\n| solves | {} |\n|---|---|\n| costs | {} |\n| from | {} |\n| wins | [where](winners.md#{}) |\n",
                        algorithm.name, algorithm.idea, collectives_of(algorithm), algorithm.cost, algorithm.source, algorithm.name);
    if (const std::optional<Example> example = example_of(algorithm)) {
      const std::string file = fmt::format("algorithms/{}.svg", algorithm.name);
      write_file(folder + "/" + file, picture_of(algorithm, *example));
      page += fmt::format("\n![{} of {} ranks]({})\n", schedule::name_of(example->problem.collective), example->problem.rank_count, file);
    }
  }
  write_file(folder + "/algorithms.md", page);
}

void run(const Options& options) {
  const std::vector<Algorithm> algorithms = all_algorithms();
  if (!options.folder.empty()) {
    return write_page(algorithms, options.folder);
  }
  if (options.name.empty()) {
    if (!options.picture.empty()) {
      fail(kWrongUsage, "--svg: say of which algorithm");
    }
    return print_list(algorithms);
  }
  const auto found = std::ranges::find(algorithms, options.name, &Algorithm::name);
  if (found == algorithms.end()) {
    std::string known;
    for (const Algorithm& algorithm : algorithms) {
      known += fmt::format("{}{}", known.empty() ? "" : ", ", algorithm.name);
    }
    fail(kWrongUsage, fmt::format("unknown algorithm \"{}\"; known are {}", options.name, known));
  }
  if (options.picture.empty()) {
    return print_one(*found);
  }
  if (const std::optional<Example> example = example_of(*found)) {
    return write_file(options.picture, picture_of(*found, *example));
  }
  fail(kWrongInput, fmt::format("no machine of {} ranks or fewer to draw {} on", *std::ranges::max_element(kRankCounts), found->name));
}

}  // namespace

void add_algorithms(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App* algorithms = program.add_subcommand("algorithms", "List the algorithms, or tell what one does");
  algorithms->footer("Examples:\n  tutti algorithms\n  tutti algorithms ring\n  tutti algorithms double_binary_tree --svg tree.svg");
  algorithms->add_option("name", options->name, "of this one its cost, where it comes from, and what passes in each round")
      ->type_name(kAlgorithmArgument);
  algorithms->add_option("--svg", options->picture, "draw it into this file (- is stdout)")->type_name("FILE");
  algorithms->add_option("--page", options->folder, "write a page of all, algorithms.md, with drawings, into this folder")->type_name("FOLDER");
  algorithms->callback([options] { run(*options); });
}

}  // namespace tutti::tool
