// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "planner/applicability.hpp"
#include "planner/composition.hpp"
#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n\r";
  const size_t first = text.find_first_not_of(kBlank);
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(kBlank) - first + 1);
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

Status add_override(Collective collective, std::string_view algorithm, std::string_view entry, Overrides& overrides) {
  if (!overrides.algorithm.emplace(collective, algorithm).second) {
    return invalid_argument("TUTTI_ALGO: {} is named twice, last in \"{}\"", schedule::name_of(collective), entry);
  }
  return {};
}

Status add_entry(std::string_view entry, std::span<const Algorithm> algorithms, Overrides& overrides) {
  const size_t colon = entry.find(':');
  if (colon == std::string_view::npos) {
    return invalid_argument("TUTTI_ALGO: \"{}\" is not of the form collective:algorithm", entry);
  }
  const std::string_view collective_word = trimmed(entry.substr(0, colon));
  const std::string_view algorithm_word = trimmed(entry.substr(colon + 1));
  const Result<Collective> collective = schedule::collective_named(collective_word);
  if (!collective) {
    return invalid_argument("TUTTI_ALGO: {}", collective.error().message());
  }
  if (is_composition(algorithm_word)) {
    const auto composition = Composition::parse(algorithm_word, algorithms);
    if (!composition) {
      return invalid_argument("TUTTI_ALGO: {}", composition.error().message());
    }
    if (const std::string unfit = (*composition)->unfit_part(*collective); !unfit.empty()) {
      return invalid_argument("TUTTI_ALGO: \"{}\" does not solve {}: {}", algorithm_word, collective_word, unfit);
    }
    return add_override(*collective, algorithm_word, entry, overrides);
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
  return add_override(*collective, algorithm_word, entry, overrides);
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
