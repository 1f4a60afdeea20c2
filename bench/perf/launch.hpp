// SPDX-License-Identifier: Apache-2.0
// From main's arguments to an exit status: one rank of a launcher's job, or all ranks as threads of this process.
#pragma once

#include "collective.hpp"

namespace tutti::perf {

inline constexpr int kExitOk = 0;
inline constexpr int kExitWrongValues = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFailure = 3;  // a call of the library failed; its message is on standard error

int run_program(const Collective& collective, int argc, char** argv);

}  // namespace tutti::perf
