// SPDX-License-Identifier: Apache-2.0
#include "schedule/problem.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/hash.hpp"

namespace tutti::schedule {
namespace {

// In the order of Collective.
constexpr std::array<std::string_view, kCollectiveCount> kNames = {
    "allreduce", "reduce", "broadcast", "allgather", "reducescatter", "alltoall", "gather", "scatter", "barrier", "send", "receive",
};

constexpr std::array kPlanned = {Collective::all_reduce,     Collective::reduce,     Collective::broadcast, Collective::all_gather,
                                 Collective::reduce_scatter, Collective::all_to_all, Collective::gather,    Collective::scatter,
                                 Collective::barrier};

}  // namespace

std::span<const Collective> planned_collectives() { return kPlanned; }

Result<Collective> collective_named(std::string_view name) {
  const auto found = std::find_if(kPlanned.begin(), kPlanned.end(), [&](Collective collective) { return name_of(collective) == name; });
  if (found != kPlanned.end()) {
    return *found;
  }
  std::vector<std::string_view> names;
  std::transform(kPlanned.begin(), kPlanned.end(), std::back_inserter(names), [](Collective collective) { return name_of(collective); });
  return tl::make_unexpected(invalid_argument("unknown collective \"{}\"; known are {}", name.substr(0, 64), fmt::join(names, ", ")));
}

std::string_view name_of(Collective collective) {
  const auto index = static_cast<size_t>(collective);
  return index < kNames.size() ? kNames[index] : "invalid";
}

bool is_cut_vector(Collective collective) {
  switch (collective) {
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
    case Collective::gather:
    case Collective::scatter:
      return false;
    default:
      return true;
  }
}

std::string to_string(const Problem& problem) {
  std::string text = fmt::format("{}, {} {}", name_of(problem.collective), problem.rank_count,
                                 problem.rank_count == 1 ? "rank" : "ranks");
  if (is_rooted(problem.collective)) {
    text += fmt::format(", root {}", problem.root);
  }
  if (problem.in_place == InPlace::yes) {
    text += ", in place";
  }
  if (problem.blocks == Blocks::variable) {
    text += ", variable blocks";
  }
  return text;
}

uint64_t hash(const Problem& problem) {
  uint64_t seed = hash_combine(0, static_cast<uint64_t>(problem.collective));
  seed = hash_combine(seed, problem.rank_count);
  seed = hash_combine(seed, problem.root);
  seed = hash_combine(seed, static_cast<uint64_t>(problem.in_place));
  return hash_combine(seed, static_cast<uint64_t>(problem.blocks));
}

}  // namespace tutti::schedule
