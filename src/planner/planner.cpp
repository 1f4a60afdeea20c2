// SPDX-License-Identifier: Apache-2.0
#include "planner/planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>

#include "base/hash.hpp"
#include "base/log.hpp"
#include "cost/cost.hpp"
#include "planner/composing.hpp"
#include "planner/pricing.hpp"

namespace tutti::planner {
namespace {

using schedule::Problem;
using schedule::Schedule;

// What ranks with shared buffers must gain, in parts of what they need without asking each other; those with ordinary ones seldom ask.
constexpr uint64_t kLeastGain = 10;
// What a composition that is not played must gain: its estimate leaves out how messages of different levels and portions meet, most often a tenth.
constexpr uint64_t kLeastPromise = 5;

uint64_t hash_text(uint64_t seed, std::string_view text) {
  seed = hash_combine(seed, text.size());
  for (char character : text) {
    seed = hash_combine(seed, static_cast<unsigned char>(character));
  }
  return seed;
}

}  // namespace

Planner::Planner(Options options) : rank_(options.rank) {
  std::sort(options.algorithms.begin(), options.algorithms.end(),
            [](const Algorithm& left, const Algorithm& right) { return left.name < right.name; });
  options_ = std::make_shared<const Options>(std::move(options));
  assert(std::adjacent_find(options_->algorithms.begin(), options_->algorithms.end(), [](const Algorithm& left, const Algorithm& right) {
           return left.name == right.name;
         }) == options_->algorithms.end());
  assert(rank_ < options_->topology.rank_count());
  assert(options_->prescriptions.size() <= kMostPrescriptions);
  compositions_ = std::make_shared<const Compositions>(options_->algorithms);
}

Planner::Planner(Planner& leader, uint32_t rank) : options_(leader.options_), compositions_(leader.compositions_), rank_(rank), leader_(&leader) {
  assert(rank_ < options_->topology.rank_count());
}

Result<const Plan*> Planner::plan(const Call& call) {
  const uint64_t key = options_->prescriptions.empty() ? key_of(call) : key_for(call);
  if (const Plan* known = table_.find(key); known != nullptr && call.problem.rank_count == options_->topology.rank_count()) {
    return known;
  }
  return plan_anew(call, key);
}

Status Planner::check(const Problem& problem) const {
  const uint32_t rank_count = options_->topology.rank_count();
  if (problem.rank_count != rank_count) {
    return invalid_argument("planner: {} has {} ranks, the topology {}", schedule::name_of(problem.collective), problem.rank_count, rank_count);
  }
  if (schedule::is_rooted(problem.collective) && problem.root >= rank_count) {
    return invalid_argument("planner: root {} of {} is not below the rank count {}", problem.root, schedule::name_of(problem.collective),
                            rank_count);
  }
  return {};
}

Result<const Plan*> Planner::plan_anew(const Call& call, uint64_t key) {
  TUTTI_UNEXPECTED_IF_ERROR(check(call.problem));
  const Problem problem = normalised(call.problem);
  const std::lock_guard lock(mutex_);
  if (const Plan* known = table_.find(key); known != nullptr) {
    return known;  // another thread was first
  }
  Result<std::vector<const Algorithm*>> algorithms = choices(call);
  if (!algorithms) {
    return tl::make_unexpected(algorithms.error());
  }
  Chosen chosen;
  if (leader_ == nullptr) {
    chosen = choose(*algorithms, call);
  } else if (const Status status = take_over(call, &chosen); !status.ok()) {
    return tl::make_unexpected(status);
  }
  const auto choice_of = [&](const Candidate& candidate) {
    return Choice{candidate.algorithm->name, candidate.price_ns, schedule_for(*candidate.algorithm, problem)};
  };
  Plan plan{choice_of(chosen.ordinary), std::nullopt, chosen.too_large};
  if (chosen.when_shared) {
    plan.when_shared = choice_of(*chosen.when_shared);
  }
  plans_.push_back(std::make_unique<const Plan>(std::move(plan)));
  table_.insert(key, plans_.back().get());
  const bool is_simulated = leader_ != nullptr && leader_owner_ == nullptr;
  // One rank speaks for all: they choose alike.
  if (rank_ == 0 && !is_simulated && (options_->on_plan || log::enabled(log::Level::info))) {
    const std::string text = explain(call);
    log::info("planner: {}", text);
    if (options_->on_plan) {
      options_->on_plan(text);
    }
  }
  return plans_.back().get();
}

std::string Planner::stray_message(const Algorithm& algorithm, const Problem& problem) const {
  const topology::Topology& topology = options_->topology;
  if (topology.fabric() == nullptr || topology.messages == topology::Messages::routed) {
    return {};
  }
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    const Schedule schedule = algorithm.build(problem, topology, rank);
    for (const schedule::Step& step : schedule.steps) {
      const bool is_local = step.kind == schedule::StepKind::copy || step.kind == schedule::StepKind::reduce;
      if (!is_local && !topology.carries(rank, step.peer)) {
        return fmt::format("sends from rank {} to rank {}, where the machine has no link", rank, step.peer);
      }
    }
    if (schedule.steps.size() > kMostCheckedSteps / problem.rank_count) {
      return fmt::format("takes more than {} steps, too many to see whether all of its messages have a link", kMostCheckedSteps);
    }
  }
  return {};
}

std::vector<const Algorithm*> Planner::applying(const Problem& problem) const {
  std::vector<const Algorithm*> algorithms;
  for (const Algorithm& algorithm : options_->algorithms) {
    if (algorithm.applies(problem, options_->topology) && stray_message(algorithm, problem).empty()) {
      algorithms.push_back(&algorithm);
    }
  }
  return algorithms;
}

size_t Planner::prescription_of(const Call& call) const {
  const std::vector<Prescription>& all = options_->prescriptions;
  if (all.empty() || call.problem.blocks != schedule::Blocks::equal) {
    return all.size();
  }
  const Problem problem = normalised(call.problem);
  const uint64_t bytes = prescribed_bytes(call);
  const auto fits = [&](const Prescription& prescription) {
    return prescription.problem.collective == problem.collective && prescription.problem.root == problem.root &&
           bytes >= prescription.least_bytes && bytes <= prescription.most_bytes;
  };
  return static_cast<size_t>(std::find_if(all.begin(), all.end(), fits) - all.begin());
}

uint64_t Planner::key_for(const Call& call) const {
  const size_t number = prescription_of(call);
  return number == options_->prescriptions.size() ? key_of(call) : prescribed(key_of(call), static_cast<uint32_t>(number));
}

Result<std::vector<const Algorithm*>> Planner::choices(const Call& call) const {
  const Problem problem = common_to_ranks(call.problem);
  if (const size_t number = prescription_of(call); number < options_->prescriptions.size()) {
    const Prescription& prescription = options_->prescriptions[number];
    if (const std::string stray = stray_message(prescription.algorithm, problem); !stray.empty()) {
      return tl::make_unexpected(
          unsupported_error("{} forces {}, which for {} {}", prescription.source, prescription.algorithm.name, to_string(problem), stray));
    }
    return std::vector{&prescription.algorithm};
  }
  const auto forced = options_->overrides.algorithm.find(problem.collective);
  if (forced != options_->overrides.algorithm.end()) {
    const Algorithm* algorithm = find(forced->second);
    if (algorithm == nullptr || !algorithm->applies(problem, options_->topology)) {
      return tl::make_unexpected(unsupported_error("TUTTI_ALGO forces {}, which does not apply to {}", forced->second, to_string(problem)));
    }
    if (const std::string stray = stray_message(*algorithm, problem); !stray.empty()) {
      return tl::make_unexpected(unsupported_error("TUTTI_ALGO forces {}, which for {} {}", forced->second, to_string(problem), stray));
    }
    return std::vector{algorithm};
  }
  std::vector<const Algorithm*> algorithms = applying(problem);
  if (algorithms.empty()) {
    return tl::make_unexpected(unsupported_error("no algorithm applies to {}{}", to_string(problem),
                                                 options_->topology.messages == topology::Messages::routed
                                                     ? ""
                                                     : " on a machine that carries messages between linked chips only"));
  }
  return algorithms;
}

const Algorithm* Planner::find(std::string_view name) const {
  const auto found = std::find_if(options_->algorithms.begin(), options_->algorithms.end(),
                                  [&](const Algorithm& algorithm) { return algorithm.name == name; });
  if (found != options_->algorithms.end()) {
    return &*found;
  }
  const auto prescribed = std::find_if(options_->prescriptions.begin(), options_->prescriptions.end(),
                                       [&](const Prescription& prescription) { return prescription.algorithm.name == name; });
  if (prescribed != options_->prescriptions.end()) {
    return &prescribed->algorithm;
  }
  return is_composition(name) ? compositions_->find(name) : nullptr;
}

Status Planner::take_over(const Call& call, Chosen* chosen) {
  const auto plan = leader_->plan(call);
  if (!plan) {
    return plan.error();
  }
  const auto candidate_of = [&](const Choice& choice) { return Candidate{find(choice.algorithm), choice.price_ns, Fidelity::played}; };
  chosen->ordinary = candidate_of(**plan);
  chosen->too_large = (*plan)->too_large;
  if ((*plan)->when_shared) {
    chosen->when_shared = candidate_of(*(*plan)->when_shared);
  }
  return {};
}

Planner::Chosen Planner::choose(const std::vector<const Algorithm*>& algorithms, const Call& call) const {
  const std::vector<Candidate> candidates = price_all(algorithms, call, cost::Memory::ordinary);
  const auto small_enough = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
    return options_->most_steps == kAnySteps || step_count(*candidate.algorithm, common_to_ranks(call.problem)) <= options_->most_steps;
  });
  if (small_enough != candidates.end() && small_enough != candidates.begin()) {
    return {*small_enough, std::nullopt, candidates.front().algorithm->name};
  }
  const Candidate& ordinary = candidates.front();
  if (options_->topology.fabric() != nullptr) {
    return {ordinary, std::nullopt, {}};  // where no rank reaches another's memory
  }
  const Candidate shared = price_all(algorithms, call, cost::Memory::shared).front();
  const uint64_t meeting = meeting_ns(options_->topology.rank_count());
  const bool is_worth_asking = shared.algorithm != ordinary.algorithm && meeting + shared.price_ns <= ordinary.price_ns - ordinary.price_ns / kLeastGain;
  return {ordinary, is_worth_asking ? std::optional(shared) : std::nullopt, {}};
}

// Ranks do alike, but for rank 0, which may be a root.
uint64_t Planner::step_count(const Algorithm& algorithm, const Problem& problem) const {
  const uint64_t first = algorithm.build(problem, options_->topology, 0).steps.size();
  const uint64_t other = algorithm.build(problem, options_->topology, problem.rank_count / 2).steps.size();
  return first + other * (problem.rank_count - 1);
}

uint64_t Planner::meeting_ns(uint32_t rank_count) const {
  uint64_t longest = 0;
  uint64_t sending = 0;
  for (uint32_t peer = 1; peer < rank_count; ++peer) {
    longest = std::max(longest, options_->topology.link(0, peer).latency_ns);
    sending += options_->topology.link(0, peer).latency_ns;
  }
  const uint64_t alone = longest + sending;
  const uint64_t cores = options_->topology.cores_per_host;
  const uint64_t ranks = options_->topology.ranks_on_host(options_->topology.host(0));
  const bool is_crowded = cores != 0 && ranks > cores;
  return is_crowded ? (alone + 2 * cost::kCrowdedOverhead_ns * (rank_count - 1) + cost::kSwitch_ns) * ranks / cores : alone;
}

std::vector<Planner::Candidate> Planner::price_all(const std::vector<const Algorithm*>& algorithms, const Call& call, cost::Memory memory) const {
  const Problem problem = common_to_ranks(call.problem);
  // In bytes, so that calls of one size share a price whatever their elements are.
  const cost::Workload workload{.element_count = priced_bytes(call), .element_bytes = 1, .memory = memory};
  std::vector<Candidate> candidates;
  candidates.reserve(algorithms.size());
  for (const Algorithm* algorithm : algorithms) {
    const Priced priced = price_of(*algorithm, problem, options_->topology, workload);
    candidates.push_back({algorithm, priced.price_ns, priced.fidelity});
  }
  if (const std::optional<Candidate> composed = price_composed(call, candidates); composed && memory == cost::Memory::ordinary) {
    candidates.push_back(*composed);
  }
  // What leaves out how messages share links is no match for what does not.
  const auto is_unlike = [&](const Candidate& candidate) { return options_->topology.fabric() != nullptr && candidate.fidelity == Fidelity::in_step; };
  // Algorithms come by name, and a stable sort leaves equal prices so.
  std::stable_sort(candidates.begin(), candidates.end(), [&](const Candidate& left, const Candidate& right) {
    return is_unlike(left) != is_unlike(right) ? is_unlike(right) : left.price_ns < right.price_ns;
  });
  return candidates;
}

// Only what promises to be cheaper than all others is looked at more closely, and taken for what it then turns out to cost.
std::optional<Planner::Candidate> Planner::price_composed(const Call& call, const std::vector<Candidate>& others) const {
  if (is_forced(call) || others.empty() || options_->topology.fabric() == nullptr || !promises_compositions(call.problem.collective)) {
    return std::nullopt;
  }
  const Problem problem = common_to_ranks(call.problem);
  const cost::Workload workload{.element_count = priced_bytes(call), .element_bytes = 1};
  uint64_t least_ns = cost::kNever;  // of prices that count everything
  for (const Candidate& other : others) {
    least_ns = other.fidelity == Fidelity::in_step ? least_ns : std::min(least_ns, other.price_ns);
  }
  const bool is_estimate = problem.rank_count > kMostPlayedRanks;
  least_ns -= is_estimate ? least_ns / kLeastPromise : 0;
  const std::optional<Promise> promise = most_promising(options_->algorithms, problem, options_->topology, workload, least_ns);
  const bool is_cheapest = promise && promise->price_ns < least_ns;
  const Algorithm* const algorithm = is_cheapest ? find(promise->name) : nullptr;
  if (algorithm == nullptr || !algorithm->applies(problem, options_->topology)) {
    return std::nullopt;
  }
  if (is_estimate) {
    return Candidate{algorithm, promise->price_ns, Fidelity::closed_form, promise->latency_ns};
  }
  const Priced priced = price_of(*algorithm, problem, options_->topology, workload);
  return Candidate{algorithm, priced.price_ns, priced.fidelity};
}

std::shared_ptr<const Schedule> Planner::schedule_for(const Algorithm& algorithm, const Problem& problem) {
  const uint64_t problem_key = key_of(Call{.problem = problem});  // the same size for all
  std::shared_ptr<const Schedule>& schedule = schedules_[{&algorithm, problem_key}];
  if (schedule == nullptr) {
    schedule = std::make_shared<const Schedule>(algorithm.build(problem, options_->topology, rank_));
  }
  return schedule;
}

bool Planner::is_forced(const Call& call) const {
  return prescription_of(call) < options_->prescriptions.size() || options_->overrides.algorithm.contains(call.problem.collective);
}

uint64_t Planner::hash() const {
  uint64_t seed = options_->topology.hash();
  for (const Algorithm& algorithm : options_->algorithms) {
    seed = hash_text(seed, algorithm.name);
  }
  seed = hash_combine(seed, options_->overrides.algorithm.size());
  for (const auto& [collective, name] : options_->overrides.algorithm) {
    seed = hash_text(hash_combine(seed, static_cast<uint64_t>(collective)), name);
  }
  for (const Prescription& prescription : options_->prescriptions) {
    seed = hash_combine(seed, prescription.digest);
  }
  return seed;
}

}  // namespace tutti::planner
