// SPDX-License-Identifier: Apache-2.0
// The process's place as a PMIx server (mpirun, srun --mpi=pmix) tells it.
#pragma once

#include "bootstrap/environment.hpp"

namespace tutti::bootstrap {

// Whether a PMIx server launched this process. Looks at the environment only: asking the library would make a singleton of a process that
// nobody launched.
bool launched_by_pmix();

// As placement_from_environment. Works beside an MPI library that uses PMIx itself.
Result<Placement> placement_from_pmix(const Settings& settings);

}  // namespace tutti::bootstrap
