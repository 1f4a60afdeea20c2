// SPDX-License-Identifier: Apache-2.0
#include "schedule/verifier.hpp"

#include "schedule/verification.hpp"

namespace tutti::schedule {

Status verify(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options) {
  TUTTI_RETURN_IF_ERROR(verification::check_structure(problem, schedules, options));
  const std::vector<Slots> slots = verification::slots_of(problem, schedules, options);
  verification::World world(problem, schedules, slots);
  world.step_name = options.step_name;
  const Result<verification::Execution> execution = verification::execute(world);
  if (!execution) {
    return execution.error();
  }
  TUTTI_RETURN_IF_ERROR(verification::check_gangs(world, *execution));
  if (problem.collective == Collective::barrier) {  // moves no bytes, so there is nothing to race for
    return verification::check_barrier(world, *execution);
  }
  for (const verification::Sharing sharing : verification::kSharings) {
    world.sharing = sharing;
    TUTTI_RETURN_IF_ERROR(verification::check_races(world, *execution));
    TUTTI_RETURN_IF_ERROR(verification::check_contents(world, *execution));
    if (!world.depends_on_sharing()) {
      break;
    }
  }
  return {};
}

}  // namespace tutti::schedule
