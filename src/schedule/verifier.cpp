// SPDX-License-Identifier: Apache-2.0
#include "schedule/verifier.hpp"

#include "schedule/verification.hpp"

namespace tutti::schedule {

Status verify(const Problem& problem, std::span<const Schedule> schedules, const VerifyOptions& options) {
  TUTTI_RETURN_IF_ERROR(verification::check_structure(problem, schedules, options));
  const verification::World world(problem, schedules);
  const Result<verification::Execution> execution = verification::execute(world);
  if (!execution) {
    return execution.error();
  }
  if (problem.collective == Collective::barrier) {  // moves no bytes, so there is nothing to race for
    return verification::check_barrier(world, *execution);
  }
  TUTTI_RETURN_IF_ERROR(verification::check_races(world, *execution));
  return verification::check_contents(world, *execution);
}

}  // namespace tutti::schedule
