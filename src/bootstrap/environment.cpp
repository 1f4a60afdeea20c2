// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/environment.hpp"

#include "bootstrap/pmi.hpp"
#include "bootstrap/pmix.hpp"
#include "bootstrap/torchrun.hpp"
#include "bootstrap/variables.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

// What to do where no launcher has left what is needed.
std::string advice() {
  const std::string tasks = value_of("SLURM_STEP_NUM_TASKS");
  if (!tasks.empty() && !value_of("SLURM_PROCID").empty()) {
    return fmt::format("Slurm started this process as one of {} tasks (SLURM_STEP_NUM_TASKS) without either interface: run srun --mpi=pmix, or "
                       "srun --mpi=pmi2; srun --mpi=list tells which there are", sanitised(tasks));
  }
  return "without a launcher use tuttiGetUniqueId and tuttiCommInitRank";
}

}  // namespace

Result<Placement> placement_from_environment(const Settings& settings) {
  // Its agents may be a job of another launcher, whose variables the ranks then have from them: srun torchrun ...
  if (launched_by_torchrun_itself()) {
    return placement_from_torchrun(settings);
  }
  if (launched_by_pmix()) {
    return placement_from_pmix(settings);
  }
  if (launched_by_pmi()) {
    return placement_from_pmi(settings);
  }
  if (launched_by_torchrun()) {
    return placement_from_torchrun(settings);
  }
  return tl::make_unexpected(invalid_usage(
      "tuttiCommInitFromEnv: found no launcher: in the environment are neither PMIX_NAMESPACE and PMIX_RANK (set by mpirun of Open MPI and by "
      "srun --mpi=pmix) nor PMI_FD, PMI_RANK and PMI_SIZE (set by mpiexec of MPICH and by srun --mpi=pmi2) nor RANK, WORLD_SIZE, MASTER_ADDR "
      "and MASTER_PORT (set by torchrun); {}",
      advice()));
}

}  // namespace tutti::bootstrap
