// SPDX-License-Identifier: Apache-2.0
// Closed forms are held to the prices of the schedules that they stand for.
#include "cost/closed_forms.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "planner/planner.hpp"
#include "planner/pricing.hpp"
#include "registry/registry.hpp"
#include "support/test_size.hpp"
#include "topology/fitting.hpp"
#include "topology/model_files.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using schedule::Pattern;
using schedule::Problem;

constexpr Collective kCollectives[] = {Collective::all_reduce,     Collective::reduce,     Collective::broadcast, Collective::all_gather,
                                       Collective::reduce_scatter, Collective::all_to_all, Collective::gather,    Collective::scatter,
                                       Collective::barrier};

std::vector<Algorithm> algorithms_with_forms() {
  std::vector<Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    for (const Algorithm& algorithm : family()) {
      if (algorithm.pattern != Pattern::other || algorithm.outline != nullptr) {
        algorithms.push_back(algorithm);
      }
    }
  }
  return algorithms;
}

// What the form is made from alone, without schedules to play.
cost::Messages told_by(const Algorithm& algorithm, const Problem& problem, const topology::Topology& topology) {
  cost::Messages messages = messages_of(algorithm, problem, topology);
  messages.schedules = nullptr;
  return messages;
}

std::vector<schedule::Schedule> schedules_of(const Algorithm& algorithm, const Problem& problem, const topology::Topology& topology) {
  std::vector<schedule::Schedule> schedules;
  for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
    schedules.push_back(algorithm.build(problem, topology, rank));
  }
  return schedules;
}

topology::Topology machine(const char* reference) {
  const auto model = topology::load_model(reference, TUTTI_SOURCE_DIR "/topologies");
  EXPECT_TRUE(model.has_value()) << model.error().message();
  return topology::Topology::of(*topology::make_fabric(*model));
}

const Algorithm& algorithm_called(std::string_view name) {
  static const std::vector<Algorithm> all = algorithms_with_forms();
  return *std::ranges::find(all, name, &Algorithm::name);
}

// By how much a form alone may differ from the price; what differs by more than a tenth, and why, is in docs/design/cost.md.
struct Allowed {
  double least = 0.9;
  double most = 1.1;
};

Allowed allowed_of(const Algorithm& algorithm, const Problem& problem) {
  const std::string_view name = algorithm.name;
  const bool has_root = schedule::is_rooted(problem.collective);
  if (name.ends_with("rail_halves")) {
    return {.most = 1.3};  // chunks whose second half begins before others' first has ended
  }
  if (name.ends_with("rails") && problem.collective == Collective::broadcast) {
    return {.least = 0.6, .most = 1.15};  // a root that serves several stages at once
  }
  if (name.ends_with("rails") && (problem.collective == Collective::gather || problem.collective == Collective::scatter)) {
    return {.least = 0.8, .most = 1.25};  // blocks of the root's domain, which pass while others are on their way
  }
  switch (algorithm.pattern) {
    case Pattern::far_first: return {.least = 0.85, .most = 1.3};  // each rank has a few messages under way, and some links wait
    case Pattern::two_shot: return has_root ? Allowed{0.55, 1.3} : Allowed{};  // chunks that are spread while others still come
    case Pattern::rings: return has_root ? Allowed{.least = 0.75} : Allowed{};  // rings that share links at some hops
    case Pattern::bruck:
    case Pattern::circulant:
    case Pattern::recursive_doubling: return {.least = 0.6, .most = 1.2};  // messages of a round that do not begin together
    case Pattern::axis_exchange: return {.least = 0.85};  // chips in the middle of a line, which are on the next axis first
    default: return {};
  }
}

class ClosedFormTest : public testing::TestWithParam<const char*> {
 protected:
  void compare(const Algorithm& algorithm, Collective collective) {
    const Problem problem{.collective = collective, .rank_count = topology_.rank_count(), .in_place = schedule::InPlace::no};
    if (!algorithm.applies(problem, topology_)) {
      return;
    }
    const std::vector<schedule::Schedule> schedules = schedules_of(algorithm, problem, topology_);
    for (const uint64_t bytes : {uint64_t{4} << 10, uint64_t{1} << 20, uint64_t{64} << 20}) {
      const uint64_t all_bytes = collective == Collective::barrier ? 0 : bytes;
      const uint64_t count = schedule::is_cut_vector(collective) ? all_bytes : all_bytes / problem.rank_count;
      const cost::Workload workload{.element_count = count, .element_bytes = 1};
      const auto form = cost::closed_form_ns(told_by(algorithm, problem, topology_), problem, topology_, workload);
      ASSERT_TRUE(form.has_value()) << algorithm.name << " " << schedule::name_of(collective);
      const uint64_t price = cost::price_ns(problem, schedules, topology_, workload);
      const double ratio = static_cast<double>(*form) / static_cast<double>(price);
      const Allowed allowed = allowed_of(algorithm, problem);
      ++compared_;
      EXPECT_TRUE(ratio > allowed.least && ratio < allowed.most) << fmt::format("{} by {}, {} bytes: form {} ns, priced {} ns, {:.3f}", schedule::name_of(collective),
                                                             algorithm.name, bytes, *form, price, ratio);
    }
  }

  topology::Topology topology_ = machine(GetParam());
  size_t compared_ = 0;
};

TEST_P(ClosedFormTest, IsWithinATenthOfThePrice) {
  // Of many ranks those that have an outline, whose schedules have few steps.
  const bool are_many = topology_.rank_count() > kMostPlayedRanks;
  for (const Algorithm& algorithm : algorithms_with_forms()) {
    if (are_many && algorithm.outline == nullptr) {
      continue;
    }
    for (const Collective collective : kCollectives) {
      ASSERT_NO_FATAL_FAILURE(compare(algorithm, collective));
    }
  }
  EXPECT_GT(compared_, are_many ? 20u : 50u);
}

// Rounds of many ranks even out.
TEST(ClosedForm, OfAThousandChipsIsThePriceOfTheSchedules) {
  const topology::Topology topology = machine(tests::test_size() == tests::Size::small ? "nvidia-superpod-h100:16" : "nvidia-superpod-h100:128");
  const Problem problem{.collective = Collective::all_reduce, .rank_count = topology.rank_count()};
  const cost::Workload workload{.element_count = 1 << 20, .element_bytes = 1};
  for (const char* name : {"rails", "recursive_doubling", "recursive_halving", "circulant"}) {
    const Algorithm& algorithm = algorithm_called(name);
    ASSERT_TRUE(algorithm.applies(problem, topology)) << name;
    const auto form = cost::closed_form_ns(told_by(algorithm, problem, topology), problem, topology, workload);
    ASSERT_TRUE(form.has_value()) << name;
    const auto price = static_cast<double>(cost::price_ns(problem, schedules_of(algorithm, problem, topology), topology, workload));
    EXPECT_NEAR(static_cast<double>(*form), price, price / 20) << name;
  }
}

struct Case {
  const char* machine;
  const char* algorithm;
  Collective collective = Collective::all_reduce;
};

// In sanitizer builds the first.
std::span<const Case> of_this_size(std::span<const Case> cases) { return tests::test_size() == tests::Size::small ? cases.first(1) : cases; }

// Of messages that are too many to play those that are stand for the rest.
TEST(ClosedForm, OfWhatRepeatsIsThePriceOfAllOfIt) {
  constexpr uint64_t kPlayed = 8'192;
  const Case cases[] = {{"google-tpu-v5e:8x16", "neighbour_exchange", Collective::all_gather},
                        {"google-tpu-v5p:4x4x8", "rings", Collective::all_gather},
                        {"google-tpu-v5p:4x4x8", "torus", Collective::all_gather},
                        {"nvidia-superpod-h100:16", "pairwise", Collective::all_to_all},
                        {"google-tpu-v5e:8x16", "pairwise", Collective::all_to_all},
                        {"nvidia-superpod-h100:16", "parallel_trees", Collective::all_gather},
                        {"google-tpu-v5e:8x16", "parallel_trees", Collective::reduce_scatter},
                        {"nvidia-superpod-h100:16", "neighbour_exchange", Collective::all_gather},
                        {"nvidia-superpod-h100:16", "circulant_pipeline", Collective::broadcast}};
  for (const Case& one : of_this_size(cases)) {
    const topology::Topology topology = machine(one.machine);
    const Problem problem{.collective = one.collective, .rank_count = topology.rank_count(), .in_place = schedule::InPlace::no};
    const Algorithm& algorithm = algorithm_called(one.algorithm);
    const cost::Workload workload{.element_count = (1 << 20) / problem.rank_count, .element_bytes = 1};
    const auto form = cost::closed_form_ns(told_by(algorithm, problem, topology), problem, topology, workload, kPlayed);
    ASSERT_TRUE(form.has_value());
    const auto price = static_cast<double>(cost::price_ns(problem, schedules_of(algorithm, problem, topology), topology, workload));
    EXPECT_NEAR(static_cast<double>(*form), price, price / 10) << one.algorithm << " on " << one.machine;
  }
}

// Whoever meets whom: axes of different lengths, or that do not wrap, chunks that overtake others, a root that serves several stages at once.
TEST(ClosedForm, OfFewStepsIsThatOfTheSchedules) {
  const Case cases[] = {{"google-tpu-v5p:4x4x8", "swing"},
                        {"google-tpu-v5p:4x4x8", "swing_whole"},
                        {"google-tpu-v5p:4x4x8", "torus"},
                        {"google-tpu-v5e:8x16", "axis_exchange"},
                        {"google-tpu-v5e:8x16", "pairwise", Collective::all_to_all},
                        {"meta-h100-24k:16", "rail_halves"},
                        {"meta-h100-24k:16", "outer_rails", Collective::broadcast}};
  for (const Case& one : of_this_size(cases)) {
    const topology::Topology topology = machine(one.machine);
    const Problem problem{.collective = one.collective, .rank_count = topology.rank_count(), .in_place = schedule::InPlace::no};
    const Algorithm& algorithm = algorithm_called(one.algorithm);
    const cost::Workload workload{.element_count = 1 << 16, .element_bytes = 1};
    EXPECT_EQ(price_of(algorithm, problem, topology, workload).price_ns, cost::price_ns(problem, schedules_of(algorithm, problem, topology), topology, workload))
        << one.algorithm << " on " << one.machine;
  }
}

// How many messages go from each rank to each other.
using MessageCounts = std::map<std::pair<uint32_t, uint32_t>, uint64_t>;

class CountingOutline final : public schedule::Outline {
 public:
  void begin_stage(uint32_t part_count, Follows) override { EXPECT_GT(part_count, 0u); }
  void add(const Message& message) override {
    EXPECT_EQ(message.weight, kOne);  // there are few enough
    counts_[{message.source, message.target}] += message.count;
  }
  const MessageCounts& counts() const { return counts_; }

 private:
  MessageCounts counts_;
};

TEST(Outline, TellsTheMessagesOfTheSchedules) {
  size_t compared = 0;
  for (const char* machine : {"nvidia-superpod-h100:3", "hpe-slingshot-frontier:3", "meta-h100-24k:6", "nvidia-gb200-nvl72:5x3"}) {
    const auto model = topology::load_model(machine, TUTTI_SOURCE_DIR "/topologies");
    ASSERT_TRUE(model.has_value()) << model.error().message();
    const topology::Topology topology = topology::Topology::of(*topology::make_fabric(*model));
    for (const Algorithm& algorithm : algorithms_with_forms()) {
      for (const Collective collective : kCollectives) {
        const Problem problem{.collective = collective, .rank_count = topology.rank_count(), .root = schedule::is_rooted(collective) ? 5u : 0u};
        if (algorithm.outline == nullptr || !algorithm.applies(problem, topology)) {
          continue;
        }
        CountingOutline told;
        algorithm.outline(problem, topology, told);
        MessageCounts counts;
        for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
          for (const schedule::Step& step : algorithm.build(problem, topology, rank).steps) {
            if (step.kind == schedule::StepKind::send) {
              ++counts[{rank, step.peer}];
            }
          }
        }
        EXPECT_EQ(told.counts(), counts) << algorithm.name << ", " << to_string(problem) << ", " << machine;
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 40u);
}

// All pairs of 16x16 chips around a torus: in each of four directions a chip's link carries an eighth of a line's 16 chips from each of 256.
TEST(ClosedForm, OfAllPairsIsThatOfTheBusiestLink) {
  const auto model = topology::load_model("google-tpu-v5e:16x16", TUTTI_SOURCE_DIR "/topologies");
  ASSERT_TRUE(model.has_value()) << model.error().message();
  const topology::Topology topology = topology::Topology::of(*topology::make_fabric(*model));
  const Problem problem{.collective = Collective::all_to_all, .rank_count = 256};
  const uint64_t bytes = 1 << 20;
  const auto form = cost::closed_form_ns({.pattern = Pattern::one_shot}, problem, topology, {.element_count = bytes, .element_bytes = 1});
  ASSERT_TRUE(form.has_value());
  const double expected = 256.0 * 16 / 8 * static_cast<double>(bytes) / static_cast<double>(topology.fabric()->levels().front().bytes_per_s) * 1e9;
  EXPECT_GE(static_cast<double>(*form), expected);
  EXPECT_LE(static_cast<double>(*form), expected * 1.2);  // opposite chips choose among ways by what they see
}

TEST(ClosedForm, IsNothingWhereThereIsNone) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 8};
  const cost::Workload workload{.element_count = 8, .element_bytes = 1};
  EXPECT_FALSE(cost::closed_form_ns({.pattern = Pattern::ring}, problem, topology::Topology(8), workload).has_value());
  const topology::Topology modelled = *topology::load_topology("nvidia-dgx-h100", TUTTI_SOURCE_DIR "/topologies", 8);
  EXPECT_TRUE(cost::closed_form_ns({.pattern = Pattern::ring}, problem, modelled, workload).has_value());
  EXPECT_FALSE(cost::closed_form_ns({}, problem, modelled, workload).has_value());
  EXPECT_FALSE(cost::closed_form_ns({.pattern = Pattern::pairwise}, {.collective = Collective::all_to_all, .rank_count = 8, .blocks = schedule::Blocks::variable},
                                    modelled, workload)
                   .has_value());
}

// In sanitizer builds small ones.
std::vector<const char*> machines() {
  std::vector<const char*> names = {"nvidia-dgx-h100", "amd-mi300x", "nvidia-superpod-h100:2",    "google-tpu-v5p:2x2x4",
                                    "google-tpu-v5e:4x4", "aws-trn2", "huawei-cloudmatrix384:8x1", "nvidia-gb200-nvl72:18x1",
                                    "tesla-dojo:5x5"};
  if (tests::test_size() == tests::Size::full) {
    names.insert(names.end(), {"nvidia-superpod-h100:8", "hpe-slingshot-frontier:8", "nvidia-gb200-nvl72:18x2", "xai-colossus-h100:16", "meta-h100-24k:16",
                               "hpe-slingshot-aurora:16"});
  }
  return names;
}

INSTANTIATE_TEST_SUITE_P(Models, ClosedFormTest,
                         testing::ValuesIn(machines()),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(name.begin(), name.end(), [](unsigned char one) { return std::isalnum(one) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace tutti::planner
