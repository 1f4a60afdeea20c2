// SPDX-License-Identifier: Apache-2.0
// One rank's way through all types, operators, roots and sizes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "check.hpp"
#include "collective.hpp"
#include "options.hpp"
#include "rank.hpp"
#include "report.hpp"

namespace tutti::perf {

// One type, operator and root.
struct Case {
  DataType datatype;
  Operator op;
  int root;
};

// What the options ask of a collective; pairs that are not defined (bitwise operators on floating point) are left out.
std::vector<Case> cases_of(const Collective& collective, const Options& options, int rank_count);

class Runner {
 public:
  // The references must outlive the runner. `stream` outlives `communicator`, so that a failure aborts the work before the stream
  // waits for it.
  struct Parts {
    const Collective& collective;
    const Options& options;
    const Communicator& communicator;
    const Stream& stream;
    const Buffer& send;
    const Buffer& receive;
  };

  explicit Runner(const Parts& parts) : parts_(parts) {}

  // Collective over the ranks; every rank gets the same rows and summary. Throws Failure.
  Summary run(const std::function<void(const Row&)>& on_row);

 private:
  struct Task;
  struct Problem;

  Problem problem_of(const Task& task, Place place) const;
  void warm_up(const Task& task);
  Row run_size(const Task& task);
  Measurement measure(const Problem& problem);
  double time_per_call_us(const Problem& problem);
  Distribution time_iterations(const Problem& problem);
  uint64_t check(const Problem& problem);
  void iterate(const Problem& problem, int iterations);
  void enqueue(const Problem& problem);
  void share_times(std::vector<double>& times_us);
  CheckedCall checked_call(const Problem& problem, uint32_t seed) const;

  Parts parts_;
  uint32_t seed_ = 0;
  Summary summary_;
};

}  // namespace tutti::perf
