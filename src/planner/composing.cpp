// SPDX-License-Identifier: Apache-2.0
#include "planner/composing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/wave.hpp"
#include "planner/composition.hpp"
#include "planner/composition_structure.hpp"
#include "planner/planner.hpp"
#include "planner/pricing.hpp"
#include "topology/subset.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using schedule::Problem;

// How many portions are tried, each more steps in every schedule, and how short one may be; what more of them have to gain, in parts of what fewer take.
constexpr std::array<uint64_t, 3> kPortions = {1, 4, 16};
constexpr uint64_t kLeastPortionBytes = 256 * 1024;
constexpr uint64_t kLeastPortionGain = 50;
// Shorter vectors, for each rank, are a matter of latency, of which levels have more than one.
constexpr uint64_t kLeastBytesOfRank = 256;
constexpr uint64_t kFactorUnit = 1024;
// Machines of more ranks take seconds to price level by level.
constexpr uint32_t kMostRanks = 2048;
// Of more ranks at a level, algorithms whose rounds are worked out message by message are left out.
constexpr uint32_t kMostRanksInRounds = 256;

// The groups of one level, of which the first stands for all.
struct Stage {
  std::vector<uint32_t> members;
  topology::Topology topology;
  uint64_t busier = kFactorUnit;  // how much longer bytes take than in one group alone, in 1/kFactorUnit
};

using Stages = std::vector<Stage>;

// How much more the busiest link carries if all groups work at once: every rank sends as far ahead in its group as half of it.
uint64_t busier_than_alone(const topology::Topology& topology, const std::vector<std::vector<uint32_t>>& groups) {
  constexpr uint64_t kBytes = uint64_t{1} << 20;
  cost::Wave alone(*topology.fabric(), kBytes);
  cost::Wave all(*topology.fabric(), kBytes);
  for (const std::vector<uint32_t>& group : groups) {
    for (const size_t distance : {size_t{1}, group.size() / 2}) {
      for (size_t index = 0; index < group.size(); ++index) {
        const uint32_t target = group[(index + distance) % group.size()];
        all.add(group[index], target);
        if (&group == &groups.front()) {
          alone.add(group[index], target);
        }
      }
    }
  }
  return std::max(kFactorUnit, cost::multiply_divide(all.transfer_ns(), kFactorUnit, alone.transfer_ns()));
}

// Of the domains of `divisions`, which nest, and the whole; nothing if domains of a level differ in size.
std::optional<Stages> stages_of(const topology::Topology& topology, const std::vector<std::vector<uint32_t>>& divisions) {
  std::vector<uint32_t> place(topology.rank_count(), 0);  // in the rank's domain so far
  Stages stages;
  uint32_t stride = 1;
  for (size_t level = 0; level <= divisions.size(); ++level) {
    const auto domain_of = [&](uint32_t rank) { return level == divisions.size() ? 0 : divisions[level][rank]; };
    // Ranks of a domain with the same place in the domains below.
    std::vector<std::vector<uint32_t>> groups;
    std::vector<uint32_t> counts;  // by domain
    for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
      counts.resize(std::max<size_t>(counts.size(), domain_of(rank) + 1));
      ++counts[domain_of(rank)];
    }
    const uint32_t size = counts.front();
    if (size % stride != 0 || !std::ranges::all_of(counts, [&](uint32_t count) { return count == size; })) {
      return std::nullopt;
    }
    groups.resize(counts.size() * stride);
    for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
      std::vector<uint32_t>& group = groups[domain_of(rank) * stride + place[rank]];
      place[rank] += static_cast<uint32_t>(group.size()) * stride;
      group.push_back(rank);
    }
    if (!std::ranges::all_of(groups, [&](const auto& group) { return group.size() == size / stride; })) {
      return std::nullopt;
    }
    stages.push_back({.members = groups.front(),
                      .topology = topology::subset_of(topology, groups.front()),
                      .busier = groups.front().size() < 2 ? kFactorUnit : busier_than_alone(topology, groups)});
    stride = size;
  }
  const bool is_known = std::ranges::all_of(stages, [](const Stage& stage) { return stage.members.size() > 1 && stage.topology.fabric() != nullptr; });
  return is_known ? std::optional(std::move(stages)) : std::nullopt;
}

// Whether it can be priced quickly for so many ranks, and is no composition itself.
bool is_quick_to_price(const Algorithm& algorithm, size_t rank_count) {
  if (rank_count <= kMostPlayedRanks) {
    return true;
  }
  switch (algorithm.pattern) {
    case schedule::Pattern::one_shot:
    case schedule::Pattern::two_shot:
    case schedule::Pattern::ring:
      return true;
    case schedule::Pattern::far_first:  // for vectors shorter than those of compositions
      return false;
    case schedule::Pattern::other:
      return algorithm.outline == nullptr;
    default:
      return rank_count <= kMostRanksInRounds;
  }
}

// What an algorithm takes at a stage.
struct Share {
  const Algorithm* algorithm = nullptr;
  uint64_t latency_ns = 0;
  uint64_t busy_ns = 0;

  uint64_t ns() const { return cost::add(latency_ns, busy_ns); }
};

// Not thread-safe.
class Estimator {
 public:
  Estimator(const Stages& stages, Collective collective, uint64_t bytes)
      : stages_(stages), bytes_(bytes), whole_problem_{collective}, half_problems_{composed::half_of(collective, composed::Way::out), composed::half_of(collective, composed::Way::back)} {}

  // Prices the algorithms at each stage. False if some stage alone takes `most_ns`.
  bool price(std::span<const Algorithm> algorithms, uint64_t most_ns) {
    const auto straight = std::ranges::find(algorithms, composed::kStraight, &Algorithm::name);
    straight_ = straight == algorithms.end() ? nullptr : &*straight;
    uint64_t left = bytes_;
    for (const Stage& stage : stages_) {
      const bool is_last = &stage == &stages_.back();
      halves_.emplace_back();
      uint64_t least_ns = cost::kNever;
      for (const Algorithm& algorithm : algorithms) {
        if (!is_quick_to_price(algorithm, stage.members.size())) {
          continue;
        }
        const auto note = [&](std::span<const Collective> collectives, Shares& shares) {
          if (const std::optional<Share> share = price_share(algorithm, stage, collectives, left)) {
            shares.push_back(*share);
            least_ns = std::min(least_ns, share->busy_ns);
          }
        };
        if (!is_last || is_halved_at_last()) {
          note(half_problems_, halves_.back());
        }
        if (is_last) {
          note(whole_problem_, whole_);
        }
      }
      if (least_ns >= most_ns) {
        return false;
      }
      left = std::max<uint64_t>(1, left / stage.members.size());
    }
    return true;
  }

  // The algorithms are chosen as if bytes took as much less as there are more portions, and then priced for what a portion has.
  std::optional<Promise> promise(uint64_t portions) const {
    std::vector<std::string> words;
    uint64_t longest = 0;
    uint64_t left = bytes_ / portions;
    Promise promise;
    for (size_t index = 0; index < stages_.size(); ++index) {
      const Stage& stage = stages_[index];
      const bool is_last = index + 1 == stages_.size();
      std::optional<Share> share = is_last && portions == 1 ? std::nullopt : cheapest(halves_[index], portions);
      bool is_whole = false;
      if (const std::optional<Share> whole = is_last ? cheapest(whole_, portions) : std::nullopt; whole && (!share || whole->ns() < share->ns())) {
        share = whole;
        is_whole = true;
      }
      if (share && portions > 1) {
        share = price_share(*share->algorithm, stage, is_whole ? std::span<const Collective>(whole_problem_) : half_problems_, left);
      }
      if (!share) {
        return std::nullopt;
      }
      words.emplace_back(share->algorithm->name);
      promise.price_ns = cost::add(promise.price_ns, share->ns());
      promise.latency_ns = cost::add(promise.latency_ns, share->latency_ns);
      longest = std::max(longest, share->busy_ns);
      left = std::max<uint64_t>(1, left / stage.members.size());
    }
    if (portions > 1) {
      words.push_back(std::to_string(portions));
    }
    promise.name = fmt::format("{}", fmt::join(words, "/"));
    promise.price_ns = cost::add(promise.price_ns, cost::multiply(longest, portions - 1));
    return promise;
  }

 private:
  using Shares = std::vector<Share>;

  bool is_halved_at_last() const { return whole_problem_.front() == Collective::all_reduce; }

  // Of a rank's vector of `bytes`, for all of the collectives one after another.
  std::optional<Share> price_share(const Algorithm& of_level, const Stage& stage, std::span<const Collective> collectives, uint64_t bytes) const {
    Share share{.algorithm = &of_level};
    const auto rank_count = static_cast<uint32_t>(stage.members.size());
    for (const Collective collective : collectives) {
      const Problem problem{.collective = collective, .rank_count = rank_count};
      const bool is_straight = (collective == Collective::scatter || collective == Collective::gather) && straight_ != nullptr && !of_level.applies(problem, stage.topology);
      const Algorithm& algorithm = is_straight ? *straight_ : of_level;
      if (!algorithm.applies(problem, stage.topology)) {
        return std::nullopt;
      }
      const bool is_vector = schedule::is_cut_vector(collective);
      const uint64_t count = is_vector ? bytes : std::max<uint64_t>(1, bytes / rank_count);
      const uint64_t all = price_of(algorithm, problem, stage.topology, {.element_count = count}).price_ns;
      const uint64_t latency = std::min(all, price_of(algorithm, problem, stage.topology, {.element_count = is_vector ? rank_count : 1}).price_ns);
      share.latency_ns = cost::add(share.latency_ns, latency);
      share.busy_ns = cost::add(share.busy_ns, cost::multiply_divide(all - latency, stage.busier, kFactorUnit));
    }
    return share;
  }

  static std::optional<Share> cheapest(const Shares& shares, uint64_t portions) {
    std::optional<Share> best;
    for (Share share : shares) {
      share.busy_ns /= portions;
      if (!best || share.ns() < best->ns()) {
        best = share;
      }
    }
    return best;
  }

  const Stages& stages_;
  uint64_t bytes_;
  std::array<Collective, 1> whole_problem_;
  std::array<Collective, 2> half_problems_;
  const Algorithm* straight_ = nullptr;
  std::vector<Shares> halves_;  // by stage: of algorithms that solve both halves
  Shares whole_;                // of the last stage
};

}  // namespace

bool promises_compositions(Collective collective) {
  return collective == Collective::all_reduce || collective == Collective::reduce || collective == Collective::broadcast;
}

std::optional<Promise> most_promising(std::span<const Algorithm> algorithms, const Problem& problem, const topology::Topology& topology,
                                      const cost::Workload& workload, uint64_t most_ns) {
  const uint64_t bytes = cost::multiply(workload.element_count, workload.element_bytes);
  if (!promises_compositions(problem.collective) || topology.fabric() == nullptr || topology.messages != topology::Messages::routed ||
      problem.rank_count > kMostRanks || bytes / kLeastBytesOfRank < problem.rank_count) {
    return std::nullopt;
  }
  const std::vector<std::vector<uint32_t>> divisions = divisions_of(topology);
  std::optional<Promise> best;
  const auto consider = [&](const std::vector<std::vector<uint32_t>>& chosen) {
    const std::optional<Stages> stages = stages_of(topology, chosen);
    if (!stages) {
      return;
    }
    Estimator estimator(*stages, problem.collective, bytes);
    if (!estimator.price(algorithms, most_ns)) {
      return;
    }
    std::optional<Promise> own;
    for (const uint64_t portions : kPortions) {
      if (portions > 1 && bytes / portions < kLeastPortionBytes) {
        break;
      }
      std::optional<Promise> promise = estimator.promise(portions);
      if (promise && (!own || promise->price_ns < own->price_ns - own->price_ns / kLeastPortionGain)) {
        own = std::move(promise);
      }
    }
    if (own && (!best || own->price_ns < best->price_ns)) {
      best = std::move(own);
    }
  };
  if (!divisions.empty()) {
    consider({divisions.front()});
  }
  if (divisions.size() > 1) {
    consider(divisions);
  }
  return best;
}

}  // namespace tutti::planner
