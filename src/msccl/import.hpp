// SPDX-License-Identifier: Apache-2.0
// A program that has been shown to be right, as schedules.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.hpp"
#include "msccl/program.hpp"
#include "schedule/schedule.hpp"

namespace tutti::msccl {

struct Imported {
  std::string file;
  std::string name;  // the program's own
  schedule::Problem problem;  // not in place; both forms below solve it together, rank by rank as its buffers are
  uint64_t least_bytes = 0;
  uint64_t most_bytes = UINT64_MAX;
  std::vector<schedule::Schedule> apart;     // by rank
  std::vector<schedule::Schedule> in_place;  // by rank
  uint64_t digest = 0;                       // of all of the above but the file's name

  const schedule::Schedule& schedule(uint32_t rank, schedule::InPlace how) const {
    return how == schedule::InPlace::yes ? in_place[rank] : apart[rank];
  }
};

// What `program` does, as schedules that the verifier has passed: with buffers in place, apart, and some of each, with the smallest legal buffering.
// Inputs stay as they are, whatever the program does with them. Errors: tuttiInvalidArgument naming the step, by its line in the file, and what is
// wrong with it.
Result<Imported> import_program(const Program& program);
// The file at `path`. Errors: those of read() and import_program().
Result<Imported> import_file(const std::string& path);

}  // namespace tutti::msccl
