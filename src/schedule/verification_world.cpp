// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "base/hash.hpp"
#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {

std::vector<Slots> slots_of(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options) {
  std::vector<Slots> slots;
  slots.reserve(schedules.size());
  for (const Schedule& schedule : schedules) {
    slots.emplace_back(problem, schedule, options.in_place ? options.in_place(schedule.rank) : problem.in_place);
  }
  return slots;
}

bool is_shared(Sharing sharing, uint32_t owner, uint32_t writer) {
  switch (sharing) {
    case Sharing::none:
      return false;
    case Sharing::all:
      return true;
    case Sharing::even_ranks:
      return owner % 2 == 0;
    case Sharing::some_pairs:
      return mix64((uint64_t{owner} << 32) | writer) % 2 == 0;
  }
  return false;
}

World::World(const Problem& problem, std::span<const Schedule> schedules, std::span<const Slots> slots)
    : problem_(problem), schedules_(schedules), slots_(slots) {
  for (uint32_t rank = 0; rank < schedules.size(); ++rank) {
    first_step_.push_back(static_cast<uint32_t>(rank_of_.size()));
    rank_of_.insert(rank_of_.end(), schedules[rank].steps.size(), rank);
  }
}

bool World::depends_on_sharing() const {
  return std::ranges::any_of(schedules_, [](const Schedule& schedule) {
    return std::ranges::any_of(schedule.steps, [](const Step& step) {
      return step.if_private || step.target_count > 0 || (step.kind == StepKind::copy && step.target.rank != kOwnRank);
    });
  });
}

bool World::takes_place(uint32_t step) const {
  const Step& description = at(step);
  if (description.if_private) {
    return !is_shared(sharing, rank_of(step), description.source.rank);
  }
  return description.kind != StepKind::copy || is_writable(step, description.target);
}

std::string World::describe(uint32_t step) const {
  if (step_name) {
    return step_name(rank_of(step), local_index(step));
  }
  return fmt::format("rank {} step {} ({})", rank_of(step), local_index(step), name_of(at(step).kind));
}

std::string World::describe_beside(uint32_t step) const {
  return step_name ? describe(step) : fmt::format("step {}", local_index(step));
}

}  // namespace tutti::schedule::verification
