// SPDX-License-Identifier: Apache-2.0
#include "planner/composition.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "planner/applicability.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using schedule::InPlace;
using schedule::Problem;

constexpr size_t kMostLevels = 8;

std::string_view needs_of(Collective collective) {
  return collective == Collective::all_reduce ? "neither reducescatter and allgather nor reduce and broadcast" : schedule::name_of(collective);
}

const Algorithm* find(std::span<const Algorithm> algorithms, std::string_view name) {
  const auto found = std::ranges::find_if(algorithms, [&](const Algorithm& algorithm) { return algorithm.name == name; });
  return found == algorithms.end() ? nullptr : &*found;
}

}  // namespace

std::shared_ptr<const composed::Structure> Composition::structure_for(const Problem& problem, const topology::Topology& topology) const {
  Problem asked = problem;
  asked.in_place = InPlace::no;  // decides nothing of it
  {
    const std::lock_guard lock(mutex_);
    if (latest_ != nullptr && latest_problem_ == asked && latest_placement_ == topology.placement() && latest_fabric_ == topology.fabric().get()) {
      return latest_;
    }
  }
  std::shared_ptr<const composed::Structure> made = composed::structure_of(levels_, portions_, asked, topology);
  const std::lock_guard lock(mutex_);
  latest_ = std::move(made);
  latest_problem_ = asked;
  latest_placement_ = topology.placement();
  latest_fabric_ = topology.fabric().get();
  return latest_;
}

bool Composition::applies(const Problem& problem, const topology::Topology& topology) const { return structure_for(problem, topology)->is_solved; }

schedule::Schedule Composition::build(const Problem& problem, const topology::Topology& topology, uint32_t rank) const {
  return composed::schedule_of(*structure_for(problem, topology), problem, topology, rank);
}

Result<std::unique_ptr<const Composition>> Composition::parse(std::string_view name, std::span<const Algorithm> algorithms) {
  std::unique_ptr<Composition> made(new Composition);
  made->name_ = name;
  std::vector<std::string_view> words;
  for (std::string_view rest = name; true;) {
    const size_t end = std::min(rest.find('/'), rest.size());
    words.push_back(rest.substr(0, end));
    if (end == rest.size()) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  if (const std::string_view last = words.back(); !last.empty() && last.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), made->portions_);
    if (error != std::errc() || made->portions_ == 0 || made->portions_ > kMostPortions) {
      return tl::make_unexpected(invalid_argument("\"{}\": {} portions, where there can be 1 to {}", name, last, kMostPortions));
    }
    words.pop_back();
  }
  if (words.size() < 2 || words.size() > kMostLevels) {
    return tl::make_unexpected(invalid_argument("\"{}\" has {} levels, where a composition has 2 to {}", name, words.size(), kMostLevels));
  }
  size_t used = 0;
  for (const std::string_view word : words) {
    composed::Level& level = made->levels_.emplace_back();
    if (word == "-") {
      level.is_left_out = true;
      continue;
    }
    ++used;
    const Algorithm* const whole = find(algorithms, word);
    if (whole == nullptr) {
      std::vector<std::string_view> known;
      for (const Algorithm& algorithm : algorithms) {
        known.push_back(algorithm.name);
      }
      std::ranges::sort(known);
      return tl::make_unexpected(invalid_argument("\"{}\": unknown algorithm \"{}\"; known are {}", name, word, fmt::join(known, ", ")));
    }
    const auto half = [&](std::string_view other) {
      const Algorithm* const found = other.empty() ? whole : find(algorithms, other);
      return found == nullptr ? Algorithm{.name = other, .idea = "", .applies = {}, .build = {}} : *found;
    };
    level.whole = *whole;
    level.reduce_scatter = half(whole->halves.reduce_scatter);
    level.all_gather = half(whole->halves.all_gather);
    level.straight = half(composed::kStraight);
  }
  if (made->levels_.back().is_left_out || used < 2) {
    return tl::make_unexpected(invalid_argument("\"{}\" is to have an algorithm for the outermost level and for one inside of it", name));
  }
  made->algorithm_ = {
      .name = made->name_,
      .idea = "an algorithm for each level of the machine, from the innermost out, and how many portions of a vector follow one another",
      .applies = decltype(Algorithm::applies)::of<&Composition::applies>(*made),
      .build = decltype(Algorithm::build)::of<&Composition::build>(*made)};
  return std::unique_ptr<const Composition>(std::move(made));
}

std::string Composition::unfit_part(Collective collective) const {
  for (const composed::Level& level : levels_) {
    if (level.is_left_out) {
      continue;
    }
    const auto fits = [](const Algorithm& algorithm, Collective half) { return !algorithm.build.is_empty() && ever_applies(algorithm, half); };
    const bool is_last = &level == &levels_.back();
    bool is_fit = fits(level.whole, collective);
    switch (collective) {
      case Collective::all_reduce:
        is_fit = (is_last && is_fit) || (fits(level.reduce_scatter, Collective::reduce_scatter) && fits(level.all_gather, Collective::all_gather)) ||
                 (fits(level.whole, Collective::reduce) && fits(level.whole, Collective::broadcast));
        break;
      case Collective::reduce:
        is_fit = is_fit || (!is_last && fits(level.reduce_scatter, Collective::reduce_scatter));
        break;
      case Collective::broadcast:
        is_fit = is_fit || (!is_last && fits(level.all_gather, Collective::all_gather));
        break;
      default:
        break;
    }
    if (!is_fit) {
      return fmt::format("\"{}\" cannot be part of it: it {} {}", level.whole.name, collective == Collective::all_reduce ? "solves" : "does not solve",
                         needs_of(collective));
    }
  }
  return {};
}

const Algorithm* Compositions::find(std::string_view name) const {
  const std::lock_guard lock(mutex_);
  auto found = made_.find(name);
  if (found == made_.end()) {
    auto made = Composition::parse(name, algorithms_);
    if (!made) {
      return nullptr;
    }
    found = made_.emplace(std::string(name), std::move(*made)).first;
  }
  return &found->second->algorithm();
}

}  // namespace tutti::planner
