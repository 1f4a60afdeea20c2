// SPDX-License-Identifier: Apache-2.0
// Chooses a schedule for a call: prices every algorithm that applies, remembers the answer, can say why.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/insert_only_table.hpp"
#include "base/status.hpp"
#include "cost/cost.hpp"
#include "planner/algorithm.hpp"
#include "planner/composition.hpp"
#include "planner/explanation.hpp"
#include "planner/plan_key.hpp"
#include "planner/pricing.hpp"

namespace tutti::planner {

struct Choice {
  std::string_view algorithm;
  uint64_t price_ns = 0;                               // of the smallest call that shares the plan
  std::shared_ptr<const schedule::Schedule> schedule;  // this rank's
};

// For ordinary buffers; and, where that is worth the ranks' meeting to find out, what to do instead if all of them can be shared.
struct Plan : Choice {
  std::optional<Choice> when_shared;
  std::string_view too_large;  // the algorithm that would be cheaper, but for Planner::Options::most_steps; empty: none
};

// A middling message: neither latency nor bandwidth alone decides.
inline constexpr uint64_t kUnknownBlockBytes = 64 * 1024;

inline constexpr uint64_t kAnySteps = UINT64_MAX;

// Over all ranks, of schedules whose messages are looked at one by one where they pass between linked chips only.
inline constexpr uint64_t kMostCheckedSteps = 20'000'000;

struct Call {
  schedule::Problem problem;
  uint64_t element_count = 0;  // as cost::Workload; for variable blocks the mean over ranks, equal on all ranks, or 0 when unknown: then
                               // they are taken to have kUnknownBlockBytes
  uint64_t element_bytes = 1;
};

// `bytes`: of the vector, or of the blocks of all ranks together.
Call call_of_all_bytes(const schedule::Problem& problem, uint64_t bytes);

// The algorithms TUTTI_ALGO forces, by collective: "allreduce:ring;broadcast:binomial"; a comma separates as a semicolon does. Errors:
// tuttiInvalidArgument for an unknown word, naming it and the known ones; for an algorithm that solves none of a set of ordinary problems of the
// collective, naming those that do; for a collective named twice.
struct Overrides {
  std::map<schedule::Collective, std::string> algorithm;
  static Result<Overrides> parse(std::string_view text, std::span<const Algorithm> algorithms);
};

// An algorithm that is taken for a problem whatever it costs, as long as the call's bytes are in a range.
struct Prescription {
  Algorithm algorithm;
  schedule::Problem problem;  // with equal blocks, in place or not
  uint64_t least_bytes = 0;   // of the vector; of an allgather, reducescatter or alltoall, of the blocks of all ranks together; else of one block
  uint64_t most_bytes = UINT64_MAX;
  uint64_t digest = 0;                          // of all of it, that ranks compare
  std::string source = {};                      // who prescribes it, for messages
  std::shared_ptr<const void> owner = nullptr;  // of what the algorithm refers to
};
inline constexpr size_t kMostPrescriptions = 64;

class Planner {
 public:
  struct Options {
    topology::Topology topology;
    uint32_t rank = 0;
    std::vector<Algorithm> algorithms;
    Overrides overrides;
    // Come before all else; the first that fits a call is taken. At most kMostPrescriptions.
    std::vector<Prescription> prescriptions = {};
    // Given the explanation of each new plan; empty: nobody is.
    std::function<void(const std::string& text)> on_plan = {};
    // Over all ranks: schedules of more are taken only if there are no others. For simulations, which hold those of all ranks.
    uint64_t most_steps = kAnySteps;
  };
  explicit Planner(Options options);
  // For another rank: chooses as `leader`, which outlives it, and prices nothing itself. For simulations of many ranks in one process.
  Planner(Planner& leader, uint32_t rank);
  // The same for ranks that are threads of one process.
  Planner(std::shared_ptr<Planner> leader, uint32_t rank) : Planner(*leader, rank) { leader_owner_ = std::move(leader); }

  // The plan for `call`; the same on every rank that asks the same. Calls share a plan when they differ only in size and lie between the same two
  // powers of two of bytes (of the vector, or of a block), and in the same prescription's range. Thread-safe. A cached answer takes no lock and
  // allocates nothing; the first of its kind builds and prices schedules, one thread at a time. The plan lives as long as the planner. Algorithms
  // that need a message which the topology does not carry do not apply. Errors: tuttiUnsupported when an override does not apply to the problem,
  // naming both, and the pair of ranks if it is for want of a link, or when no algorithm does; tuttiInvalidArgument when the problem's rank count
  // is not the topology's or the root not one of them.
  Result<const Plan*> plan(const Call& call);

  // Every candidate with its price and the choice. Thread-safe; prices anew, for ranges at a dozen sizes or more: from 8 bytes to 1 GiB, the size
  // between two that lead to different choices again and again; choices that change and change back within three powers of two, of more than 1024
  // ranks within nine, may go unnoticed. Errors: as plan() about the problem.
  Result<Explanation> explanation(const Call& call, Ranges ranges = Ranges::leave_out) const;
  // As text for people.
  std::string explain(const Call& call) const;

  // The algorithm of that name, or the composition; null if there is none. The planner's.
  const Algorithm* find(std::string_view name) const;
  // Those that may solve it here, by name.
  std::vector<const Algorithm*> applying(const schedule::Problem& problem) const;

  // Covers all that decides a plan: topology, algorithms, overrides, prescriptions.
  uint64_t hash() const;

  const topology::Topology& topology() const { return options_->topology; }

 private:
  struct Candidate {
    const Algorithm* algorithm = nullptr;
    uint64_t price_ns = 0;
    Fidelity fidelity = Fidelity::played;
    uint64_t latency_ns = 0;  // of a composition that is not played, its part that does not shrink with the vector
  };

  Status check(const schedule::Problem& problem) const;
  Result<const Plan*> plan_anew(const Call& call, uint64_t key);
  // The algorithms that may be chosen: those that apply, or the one that is forced.
  Result<std::vector<const Algorithm*>> choices(const Call& call) const;
  // Nothing more than its number in the options; none: their number.
  size_t prescription_of(const Call& call) const;
  uint64_t key_for(const Call& call) const;
  bool is_forced(const Call& call) const;
  // What the algorithm sends that the topology does not carry: "sends from rank 0 to rank 8, where the machine has no link"; empty if it carries all.
  std::string stray_message(const Algorithm& algorithm, const schedule::Problem& problem) const;
  // The composition that is forced, or is cheaper than `explained`, which are those of `algorithms`.
  std::optional<Candidate> composed_beside(const std::vector<const Algorithm*>& algorithms, const std::vector<Explanation::Candidate>& explained,
                                           const Call& call) const;
  Explanation::Candidate explain_promise(const Candidate& promised, const schedule::Problem& problem) const;
  Explanation::Candidate explain_candidate(const Algorithm& algorithm, const Call& call) const;
  uint32_t step_count_of_one(const Algorithm& algorithm, const schedule::Problem& problem) const;
  std::string why_not_applicable(const Algorithm& algorithm, const schedule::Problem& problem) const;
  std::vector<Explanation::Range> find_ranges(const Call& call) const;
  std::string_view chosen_for(Call call, uint64_t bytes) const;
  uint64_t step_count(const Algorithm& algorithm, const schedule::Problem& problem) const;
  // The composition that is cheaper than all others, if there is one.
  std::optional<Candidate> price_composed(const Call& call, const std::vector<Candidate>& others) const;
  // Cheapest first; of equal prices the first name.
  std::vector<Candidate> price_all(const std::vector<const Algorithm*>& algorithms, const Call& call, cost::Memory memory) const;
  // The plan as algorithms: the first for ordinary buffers; the second for shared ones, or nothing.
  struct Chosen {
    Candidate ordinary;
    std::optional<Candidate> when_shared;
    std::string_view too_large = {};
  };
  // What the leader has chosen.
  Status take_over(const Call& call, Chosen* chosen);
  Chosen choose(const std::vector<const Algorithm*>& algorithms, const Call& call) const;
  // What it takes the ranks to tell each other where their buffers lie.
  uint64_t meeting_ns(uint32_t rank_count) const;
  std::shared_ptr<const schedule::Schedule> schedule_for(const Algorithm& algorithm, const schedule::Problem& problem);

  std::shared_ptr<const Options> options_;  // algorithms by name; the rank is that of the leader
  std::shared_ptr<const Compositions> compositions_;
  uint32_t rank_;
  Planner* leader_ = nullptr;    // null: it is its own
  std::shared_ptr<Planner> leader_owner_;  // null: somebody else sees to it that the leader lives
  InsertOnlyTable<Plan> table_;  // read without the mutex, written under it

  std::mutex mutex_;  // guards all below
  std::vector<std::unique_ptr<const Plan>> plans_;
  // By algorithm and problem, for all sizes.
  std::map<std::pair<const Algorithm*, uint64_t>, std::shared_ptr<const schedule::Schedule>> schedules_;
};

}  // namespace tutti::planner
