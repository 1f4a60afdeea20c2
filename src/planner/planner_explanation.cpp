// SPDX-License-Identifier: Apache-2.0
// What a planner knows about its choices.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "planner/applicability.hpp"
#include "planner/planner.hpp"
#include "planner/pricing.hpp"

namespace tutti::planner {
namespace {

using schedule::Problem;
using schedule::Schedule;

// Sizes whose choices are looked at in any case are so many powers of two apart, of machines whose prices take long more.
constexpr uint32_t kPowersApart = 3;
constexpr uint32_t kPowersApartOfMany = 9;
constexpr uint32_t kMany = 1024;
constexpr uint32_t kManySteps = 500'000;
constexpr uint64_t kSmallestBytes = 8;
constexpr uint64_t kLargestBytes = uint64_t{1} << 30;

uint64_t bytes_of(const Call& call) {
  uint64_t bytes = 0;
  return __builtin_mul_overflow(call.element_count, call.element_bytes, &bytes) ? UINT64_MAX : bytes;
}

}  // namespace

Call call_of_all_bytes(const Problem& problem, uint64_t bytes) {
  return {.problem = problem, .element_count = schedule::is_cut_vector(problem.collective) ? bytes : bytes / problem.rank_count, .element_bytes = 1};
}

Explanation::Candidate Planner::explain_candidate(const Algorithm& algorithm, const Call& call) const {
  const topology::Topology& topology = options_->topology;
  const Problem problem = common_to_ranks(call.problem);
  const cost::Workload workload{.element_count = priced_bytes(call), .element_bytes = 1};
  Explanation::Candidate candidate{.algorithm = std::string(algorithm.name), .idea = std::string(algorithm.idea), .bill = {}};
  if (problem.rank_count > kMostPlayedRanks) {
    if (const auto bill = cost::closed_form_bill(messages_of(algorithm, problem, topology), problem, topology, workload)) {
      candidate.is_estimate = true;
      candidate.bill = *bill;
      candidate.bill.step_count = step_count_of_one(algorithm, problem);
      return candidate;
    }
  }
  const std::vector<Schedule> schedules = schedules_of_all(algorithm, problem, topology);
  if (schedules.size() == problem.rank_count) {
    candidate.bill = cost::bill_of(problem, schedules, topology, workload);
    return candidate;
  }
  candidate.is_estimate = true;
  candidate.leaves_out_sharing = topology.fabric() != nullptr;
  candidate.bill = cost::bill_in_step_of(problem, schedules.front(), topology, workload);
  for (const uint32_t rank : ranks_played_alone(problem)) {
    cost::Bill bill = cost::bill_in_step_of(problem, algorithm.build(problem, topology, rank), topology, workload);
    bill.step_count = std::max(bill.step_count, candidate.bill.step_count);
    if (bill.price_ns > candidate.bill.price_ns) {
      candidate.bill = std::move(bill);
    } else {
      candidate.bill.step_count = bill.step_count;
    }
  }
  return candidate;
}

// The most of some ranks. Where one has very many, which take seconds to build, so have the others.
uint32_t Planner::step_count_of_one(const Algorithm& algorithm, const Problem& problem) const {
  const auto count_of = [&](uint32_t rank) { return static_cast<uint32_t>(algorithm.build(problem, options_->topology, rank).steps.size()); };
  const uint32_t count = count_of(0);
  return count > kManySteps ? count : std::max(count, count_of(problem.rank_count / 2));
}

std::string Planner::why_not_applicable(const Algorithm& algorithm, const Problem& problem) const {
  if (!algorithm.applies(problem, options_->topology)) {
    return planner::why_not_applicable(algorithm, problem, options_->topology);
  }
  return "it " + stray_message(algorithm, problem);
}

std::string_view Planner::chosen_for(Call call, uint64_t bytes) const {
  call.element_count = bytes;
  call.element_bytes = 1;
  const auto algorithms = choices(call);
  return algorithms ? price_all(*algorithms, call, cost::Memory::ordinary).front().algorithm->name : std::string_view();
}

std::vector<Explanation::Range> Planner::find_ranges(const Call& call) const {
  const uint64_t blocks = schedule::is_cut_vector(call.problem.collective) ? 1 : call.problem.rank_count;
  std::vector<uint64_t> sizes;
  for (uint64_t bytes = std::bit_ceil((kSmallestBytes + blocks - 1) / blocks); bytes * blocks <= kLargestBytes; bytes *= 2) {
    sizes.push_back(bytes);
  }
  std::vector<std::string_view> chosen(sizes.size());
  const uint32_t apart = call.problem.rank_count > kMany ? kPowersApartOfMany : kPowersApart;
  const auto look = [&](size_t index) {
    if (chosen[index].empty()) {
      chosen[index] = chosen_for(call, sizes[index]);
    }
  };
  const auto fill = [&](const auto& self, size_t first, size_t last) -> void {
    look(first);
    look(last);
    if (last - first <= 1) {
      return;
    }
    if (chosen[first] == chosen[last] && last - first <= apart) {
      std::fill(chosen.begin() + static_cast<ptrdiff_t>(first), chosen.begin() + static_cast<ptrdiff_t>(last), chosen[first]);
      return;
    }
    const size_t middle = first + (last - first) / 2;
    self(self, first, middle);
    self(self, middle, last);
  };
  std::vector<Explanation::Range> ranges;
  if (sizes.empty()) {
    return ranges;
  }
  fill(fill, 0, sizes.size() - 1);
  for (size_t index = 0; index < sizes.size(); ++index) {
    if (index == 0 || chosen[index] != chosen[index - 1]) {
      ranges.push_back({.first_bytes = sizes[index], .algorithm = std::string(chosen[index])});
    }
    ranges.back().last_bytes = sizes[index] * 2 - 1;
  }
  return ranges;
}

std::optional<Planner::Candidate> Planner::composed_beside(const std::vector<const Algorithm*>& algorithms,
                                                           const std::vector<Explanation::Candidate>& explained, const Call& call) const {
  std::vector<Candidate> others;
  for (size_t index = 0; index < algorithms.size(); ++index) {
    others.push_back({algorithms[index], explained[index].bill.price_ns, explained[index].leaves_out_sharing ? Fidelity::in_step : Fidelity::played});
  }
  const auto forced = options_->overrides.algorithm.find(call.problem.collective);
  if (forced != options_->overrides.algorithm.end() && is_composition(forced->second)) {
    const Algorithm* const composition = find(forced->second);
    return composition != nullptr && composition->applies(common_to_ranks(call.problem), options_->topology) ? std::optional(Candidate{.algorithm = composition})
                                                                                                        : std::nullopt;
  }
  return price_composed(call, others);
}

Explanation::Candidate Planner::explain_promise(const Candidate& promised, const Problem& problem) const {
  const uint64_t latency_ns = std::min(promised.latency_ns, promised.price_ns);
  return {.algorithm = std::string(promised.algorithm->name),
          .idea = std::string(promised.algorithm->idea),
          .bill = {.price_ns = promised.price_ns,
                   .latency_ns = latency_ns,
                   .transfer_ns = promised.price_ns - latency_ns,
                   .step_count = step_count_of_one(*promised.algorithm, problem),
                   .bottleneck = {}},
          .is_estimate = true};
}

Result<Explanation> Planner::explanation(const Call& call, Ranges ranges) const {
  TUTTI_UNEXPECTED_IF_ERROR(check(call.problem));
  const Problem problem = common_to_ranks(call.problem);
  Explanation result;
  result.problem = call.problem;
  result.bytes = bytes_of(call);
  result.priced_bytes = priced_bytes(call);
  for (const topology::Level& level : options_->topology.levels()) {
    if (options_->topology.fabric() == nullptr) {
      result.machine.push_back("ranks by " + topology::Topology::to_string(level));
    }
  }
  std::vector<const Algorithm*> applying = this->applying(problem);
  const size_t prescription = prescription_of(call);
  const bool is_prescribed = prescription < options_->prescriptions.size();
  if (is_prescribed && stray_message(options_->prescriptions[prescription].algorithm, problem).empty()) {
    applying.push_back(&options_->prescriptions[prescription].algorithm);
  }
  for (const Algorithm* algorithm : applying) {
    result.candidates.push_back(explain_candidate(*algorithm, call));
  }
  if (const std::optional<Candidate> composed = composed_beside(applying, result.candidates, call)) {
    result.candidates.push_back(composed->fidelity == Fidelity::closed_form ? explain_promise(*composed, problem) : explain_candidate(*composed->algorithm, call));
  }
  // Algorithms come by name, and a stable sort leaves equal prices so.
  std::stable_sort(result.candidates.begin(), result.candidates.end(), [](const auto& left, const auto& right) {
    return left.leaves_out_sharing != right.leaves_out_sharing ? right.leaves_out_sharing : left.bill.price_ns < right.bill.price_ns;
  });
  for (const Algorithm& algorithm : options_->algorithms) {
    if (std::find(applying.begin(), applying.end(), &algorithm) == applying.end()) {
      result.excluded.push_back({.algorithm = std::string(algorithm.name), .reason = why_not_applicable(algorithm, problem)});
    }
  }
  result.is_forced = is_forced(call);
  if (result.is_forced) {
    result.forced_by = is_prescribed ? options_->prescriptions[prescription].source : "TUTTI_ALGO";
    result.chosen = is_prescribed ? std::string(options_->prescriptions[prescription].algorithm.name)
                                  : options_->overrides.algorithm.at(call.problem.collective);
  } else if (options_->topology.fabric() != nullptr && options_->most_steps == kAnySteps && !applying.empty()) {
    result.chosen = result.candidates.front().algorithm;  // as choose() would find by the same prices
  } else if (!applying.empty()) {
    const Chosen chosen = choose(applying, call);
    result.chosen = chosen.ordinary.algorithm->name;
    if (const auto& shared = chosen.when_shared) {
      result.when_shared = {.algorithm = std::string(shared->algorithm->name), .price_ns = shared->price_ns};
    }
  }
  if (ranges == Ranges::find && call.problem.collective != schedule::Collective::barrier && !applying.empty()) {
    result.ranges = find_ranges(call);
  }
  return result;
}

std::string Planner::explain(const Call& call) const {
  const auto made = explanation(call);
  return made ? to_string(*made) : made.error().message() + "\n";
}

}  // namespace tutti::planner
