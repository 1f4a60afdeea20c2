// SPDX-License-Identifier: Apache-2.0
// From main's arguments to an exit status: one rank of a launcher's job, or all ranks as threads of this process.
#pragma once

#include <functional>
#include <string>

#include "collective.hpp"
#include "options.hpp"
#include "rank.hpp"

namespace tutti::perf {

inline constexpr int kExitOk = 0;
inline constexpr int kExitWrongValues = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFailure = 3;  // a call of the library failed; its message is on standard error

// What one rank does. It calls `connect` once, when it is ready to meet the others, and returns an exit status.
using RankBody = std::function<int(const std::function<Communicator()>& connect)>;

// Runs `body` for the one rank that this process is under a launcher, else for each of `options.thread_count` threads. Returns the worst exit status;
// what a body throws is printed.
int run_ranks(const std::string& name, const Options& options, const RankBody& body);

// Ranks that are threads keep to a core each, when there are enough, as mpirun binds its processes: two spinning on one core would time the
// scheduler. After initialisation, so that the library's own threads stay free. Failing is no error: it only costs speed.
void bind_thread(int rank, int rank_count);

int run_program(const Collective& collective, int argc, char** argv);

}  // namespace tutti::perf
