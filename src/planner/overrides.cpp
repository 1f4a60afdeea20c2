// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>

#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;

// The collectives algorithms solve: all but the point-to-point messages, which the communicator builds.
constexpr std::array kPlanned = {Collective::all_reduce,     Collective::reduce,     Collective::broadcast, Collective::all_gather,
                                 Collective::reduce_scatter, Collective::all_to_all, Collective::gather,    Collective::scatter,
                                 Collective::barrier};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n\r";
  const size_t first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::optional<Collective> collective_named(std::string_view word) {
  const auto found = std::find_if(kPlanned.begin(), kPlanned.end(), [&](Collective collective) { return name_of(collective) == word; });
  return found == kPlanned.end() ? std::nullopt : std::optional(*found);
}

std::string known_collectives() {
  std::vector<std::string_view> names;
  std::transform(kPlanned.begin(), kPlanned.end(), std::back_inserter(names), [](Collective collective) { return name_of(collective); });
  return fmt::format("{}", fmt::join(names, ", "));
}

// A host whose ranks reach each other's memory, in domains of four, these in pairs.
topology::Topology ordinary_topology(uint32_t rank_count) {
  auto topology = topology::Topology::uniform(rank_count, {.latency_ns = 0, .source = "", .reaches_memory = true});
  std::vector<uint32_t> fours;
  std::vector<uint32_t> pairs;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
    fours.push_back(rank / 4);
    pairs.push_back(rank / 2);
  }
  topology.add_level({.name = "", .domains = fours, .source = ""});
  topology.add_level({.name = "", .domains = pairs, .source = ""});
  return topology;
}

// Whether `algorithm` solves some ordinary problem of `collective`. A rank alone is left out: there everything is a copy.
bool ever_applies(const Algorithm& algorithm, Collective collective) {
  for (uint32_t rank_count : {2u, 3u, 4u, 6u, 8u, 9u, 16u}) {
    const topology::Topology topology = ordinary_topology(rank_count);
    for (schedule::InPlace in_place : {schedule::InPlace::no, schedule::InPlace::yes}) {
      for (schedule::Blocks blocks : {schedule::Blocks::equal, schedule::Blocks::variable}) {
        const schedule::Problem problem{
            .collective = collective, .rank_count = rank_count, .root = 0, .in_place = in_place, .blocks = blocks};
        if (algorithm.applies(problem, topology)) {
          return true;
        }
      }
    }
  }
  return false;
}

template <typename Predicate>
std::string names_of(std::span<const Algorithm> algorithms, Predicate wanted) {
  std::vector<std::string_view> names;
  for (const Algorithm& algorithm : algorithms) {
    if (wanted(algorithm)) {
      names.push_back(algorithm.name);
    }
  }
  std::sort(names.begin(), names.end());
  return names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "));
}

Status add_entry(std::string_view entry, std::span<const Algorithm> algorithms, Overrides& overrides) {
  const size_t colon = entry.find(':');
  if (colon == std::string_view::npos) {
    return invalid_argument("TUTTI_ALGO: \"{}\" is not of the form collective:algorithm", entry);
  }
  const std::string_view collective_word = trimmed(entry.substr(0, colon));
  const std::string_view algorithm_word = trimmed(entry.substr(colon + 1));
  const std::optional<Collective> collective = collective_named(collective_word);
  if (!collective) {
    return invalid_argument("TUTTI_ALGO: unknown collective \"{}\"; known are {}", collective_word, known_collectives());
  }
  const auto algorithm = std::find_if(algorithms.begin(), algorithms.end(),
                                      [&](const Algorithm& candidate) { return candidate.name == algorithm_word; });
  if (algorithm == algorithms.end()) {
    return invalid_argument("TUTTI_ALGO: unknown algorithm \"{}\"; known are {}", algorithm_word,
                            names_of(algorithms, [](const Algorithm&) { return true; }));
  }
  if (!ever_applies(*algorithm, *collective)) {
    return invalid_argument("TUTTI_ALGO: algorithm \"{}\" does not solve {}; those that do are {}", algorithm_word, collective_word,
                            names_of(algorithms, [&](const Algorithm& candidate) { return ever_applies(candidate, *collective); }));
  }
  if (!overrides.algorithm.emplace(*collective, algorithm_word).second) {
    return invalid_argument("TUTTI_ALGO: {} is named twice, last in \"{}\"", collective_word, entry);
  }
  return {};
}

}  // namespace

Result<Overrides> Overrides::parse(std::string_view text, std::span<const Algorithm> algorithms) {
  Overrides overrides;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(";,"), text.size());
    const std::string_view entry = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!entry.empty()) {
      TUTTI_UNEXPECTED_IF_ERROR(add_entry(entry, algorithms, overrides));
    }
  }
  return overrides;
}

}  // namespace tutti::planner
