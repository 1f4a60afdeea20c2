// SPDX-License-Identifier: Apache-2.0
// Closed forms are held to the prices of the schedules that they stand for.
#include "cost/closed_forms.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <memory>
#include <string>
#include <vector>

#include "planner/planner.hpp"
#include "registry/registry.hpp"
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
      if (algorithm.pattern != Pattern::other) {
        algorithms.push_back(algorithm);
      }
    }
  }
  return algorithms;
}

// Whose messages meet on links with those of other rounds, which forms do not follow.
bool falls_out_of_step(const Algorithm& algorithm, const Problem& problem) {
  switch (algorithm.pattern) {
    case Pattern::pairwise:
    case Pattern::rings:
    case Pattern::bruck:
    case Pattern::bruck_four:
    case Pattern::bruck_eight:
    case Pattern::circulant:
    case Pattern::parallel_trees:
    case Pattern::neighbour_exchange:
    case Pattern::circulant_pipeline:
      return true;
    case Pattern::two_shot:
      return schedule::is_rooted(problem.collective);
    case Pattern::recursive_doubling:
      return !std::has_single_bit(problem.rank_count);
    default:
      return false;
  }
}

class ClosedFormTest : public testing::TestWithParam<const char*> {
 protected:
  void compare(const Algorithm& algorithm, Collective collective) {
    const Problem problem{.collective = collective, .rank_count = topology_.rank_count(), .in_place = schedule::InPlace::no};
    if (!algorithm.applies(problem, topology_)) {
      return;
    }
    std::vector<schedule::Schedule> schedules;
    for (uint32_t rank = 0; rank < problem.rank_count; ++rank) {
      schedules.push_back(algorithm.build(problem, topology_, rank));
    }
    for (const uint64_t bytes : {uint64_t{4} << 10, uint64_t{1} << 20, uint64_t{64} << 20}) {
      const uint64_t all_bytes = collective == Collective::barrier ? 0 : bytes;
      const uint64_t count = schedule::is_cut_vector(collective) ? all_bytes : all_bytes / problem.rank_count;
      const cost::Workload workload{.element_count = count, .element_bytes = 1};
      const auto form = cost::closed_form_ns(algorithm.pattern, problem, topology_, workload);
      ASSERT_TRUE(form.has_value()) << algorithm.name << " " << schedule::name_of(collective);
      const uint64_t price = cost::price_ns(problem, schedules, topology_, workload);
      const double ratio = static_cast<double>(*form) / static_cast<double>(price);
      const double out_of_step = algorithm.pattern == Pattern::circulant_pipeline ? 0.5 : 0.4;
      const double within = falls_out_of_step(algorithm, problem) ? out_of_step : 0.1;
      ++compared_;
      EXPECT_TRUE(ratio > 1 - within && ratio < 1 + within) << fmt::format("{} by {}, {} bytes: form {} ns, priced {} ns, {:.3f}", schedule::name_of(collective),
                                                             algorithm.name, bytes, *form, price, ratio);
    }
  }

  topology::Topology topology_ = [] {
    const auto model = topology::load_model(GetParam(), TUTTI_SOURCE_DIR "/topologies");
    EXPECT_TRUE(model.has_value()) << model.error().message();
    return topology::Topology::of(*topology::make_fabric(*model));
  }();
  size_t compared_ = 0;
};

TEST_P(ClosedFormTest, IsWithinATenthOfThePriceIfRanksKeepInStep) {
  for (const Algorithm& algorithm : algorithms_with_forms()) {
    for (const Collective collective : kCollectives) {
      ASSERT_NO_FATAL_FAILURE(compare(algorithm, collective));
    }
  }
  EXPECT_GT(compared_, 50u);
}

// All pairs of 16x16 chips around a torus: in each of four directions a chip's link carries an eighth of a line's 16 chips from each of 256.
TEST(ClosedForm, OfAllPairsIsThatOfTheBusiestLink) {
  const auto model = topology::load_model("google-tpu-v5e:16x16", TUTTI_SOURCE_DIR "/topologies");
  ASSERT_TRUE(model.has_value()) << model.error().message();
  const topology::Topology topology = topology::Topology::of(*topology::make_fabric(*model));
  const Problem problem{.collective = Collective::all_to_all, .rank_count = 256};
  const uint64_t bytes = 1 << 20;
  const auto form = cost::closed_form_ns(Pattern::one_shot, problem, topology, {.element_count = bytes, .element_bytes = 1});
  ASSERT_TRUE(form.has_value());
  const double expected = 256.0 * 16 / 8 * static_cast<double>(bytes) / static_cast<double>(topology.fabric()->levels().front().bytes_per_s) * 1e9;
  EXPECT_GE(static_cast<double>(*form), expected);
  EXPECT_LE(static_cast<double>(*form), expected * 1.2);  // opposite chips choose among ways by what they see
}

TEST(ClosedForm, IsNothingWhereThereIsNone) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 8};
  const cost::Workload workload{.element_count = 8, .element_bytes = 1};
  EXPECT_FALSE(cost::closed_form_ns(Pattern::ring, problem, topology::Topology(8), workload).has_value());
  const topology::Topology modelled = *topology::load_topology("nvidia-dgx-h100", TUTTI_SOURCE_DIR "/topologies", 8);
  EXPECT_TRUE(cost::closed_form_ns(Pattern::ring, problem, modelled, workload).has_value());
  EXPECT_FALSE(cost::closed_form_ns(Pattern::other, problem, modelled, workload).has_value());
  EXPECT_FALSE(cost::closed_form_ns(Pattern::pairwise, {.collective = Collective::all_to_all, .rank_count = 8, .blocks = schedule::Blocks::variable},
                                    modelled, workload)
                   .has_value());
}

INSTANTIATE_TEST_SUITE_P(Models, ClosedFormTest,
                         testing::Values("nvidia-dgx-h100", "amd-mi300x", "nvidia-superpod-h100:2", "google-tpu-v5p:2x2x4", "google-tpu-v5e:4x4",
                                         "aws-trn2", "huawei-cloudmatrix384:8x1", "hpe-slingshot-frontier:4",
                                         "nvidia-gb200-nvl72:18x1", "tesla-dojo:5x5"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace_if(name.begin(), name.end(), [](unsigned char one) { return std::isalnum(one) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace tutti::planner
