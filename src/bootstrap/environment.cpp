// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/environment.hpp"

#include "bootstrap/pmix.hpp"
#include "bootstrap/torchrun.hpp"

namespace tutti::bootstrap {

Result<Placement> placement_from_environment(const Settings& settings) {
  if (launched_by_pmix()) {
    return placement_from_pmix(settings);
  }
  if (launched_by_torchrun()) {
    return placement_from_torchrun(settings);
  }
  return tl::make_unexpected(invalid_usage(
      "tuttiCommInitFromEnv: found no launcher: neither PMIX_NAMESPACE and PMIX_RANK (set by mpirun of Open MPI and by srun --mpi=pmix) nor "
      "RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT (set by torchrun) are in the environment; without a launcher use "
      "tuttiGetUniqueId and tuttiCommInitRank"));
}

}  // namespace tutti::bootstrap
