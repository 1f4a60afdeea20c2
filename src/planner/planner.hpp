// SPDX-License-Identifier: Apache-2.0
// Chooses a schedule for a call: prices every algorithm that applies, remembers the answer, can say why.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "planner/algorithm.hpp"

namespace tutti::planner {

struct Plan {
  std::string_view algorithm;
  uint64_t price_ns = 0;
  std::shared_ptr<const schedule::Schedule> schedule;  // this rank's
};

struct Call {
  schedule::Problem problem;
  uint64_t element_count = 0;  // as cost::Workload; for variable blocks the mean over ranks, equal on all ranks, or 0 when unknown
  uint64_t element_bytes = 1;
};

// The algorithms TUTTI_ALGO forces, by collective: "allreduce:ring;broadcast:binomial". Errors name the unknown word and list the known ones.
struct Overrides {
  std::map<schedule::Collective, std::string> algorithm;
  static Result<Overrides> parse(std::string_view text, std::span<const Algorithm> algorithms);
};

class Planner {
 public:
  struct Options {
    topology::Topology topology;
    uint32_t rank = 0;
    std::vector<Algorithm> algorithms;
    Overrides overrides;
  };
  explicit Planner(Options options);

  // The plan for `call`; the same on every rank that asks the same. Thread-safe. A cached answer allocates nothing. The plan lives as long as the
  // planner. Errors: tuttiUnsupported when an override does not apply to the problem, naming both.
  Result<const Plan*> plan(const Call& call);

  // Every candidate with its price and the choice, as text for people.
  std::string explain(const Call& call);

  // Covers all that decides a plan: topology, algorithms, overrides.
  uint64_t hash() const;

  const topology::Topology& topology() const { return options_.topology; }

 private:
  struct Candidate {
    const Algorithm* algorithm;
    uint64_t price_ns;
  };
  // Calls whose sizes fall into one class share a plan: powers of two of the byte count.
  struct Key {
    schedule::Problem problem;
    uint32_t size_class;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Candidate> price_candidates(const Call& call) const;

  Options options_;
  std::mutex mutex_;
  std::map<uint64_t, std::unique_ptr<Plan>> plans_;
};

}  // namespace tutti::planner
