// SPDX-License-Identifier: Apache-2.0
// What the planner says about its choices on machine models, and what it does where messages pass between linked chips only.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "planner/planner.hpp"
#include "registry/registry.hpp"
#include "schedule/verifier.hpp"
#include "topology/fitting.hpp"
#include "topology/model_files.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using ::testing::HasSubstr;

std::vector<Algorithm> registered() {
  std::vector<Algorithm> algorithms;
  for (const auto family : registry::algorithm_families()) {
    algorithms.insert(algorithms.end(), family().begin(), family().end());
  }
  return algorithms;
}

topology::Topology laid(const std::string& model, uint32_t rank_count, topology::Messages messages = topology::Messages::routed) {
  auto topology = topology::load_topology(TUTTI_SOURCE_DIR "/topologies/" + model, "", rank_count);
  EXPECT_TRUE(topology) << topology.error().message();
  topology->messages = messages;
  return std::move(*topology);
}

Planner planner_of(topology::Topology topology, const std::string& algorithms = "") {
  auto overrides = Overrides::parse(algorithms, registered());
  return Planner({.topology = std::move(topology), .rank = 0, .algorithms = registered(), .overrides = std::move(*overrides), .on_plan = {}});
}

Call all_reduce(uint32_t rank_count, uint64_t bytes) {
  return call_of_all_bytes({.collective = Collective::all_reduce, .rank_count = rank_count}, bytes);
}

// What AWS says of its own choice: a mesh of all with all below 1 MiB, halving and doubling between, two disjoint rings from 56 MiB on. On this torus partners that
// halve stay neighbours in Swing. The order is the same here; rings win from 32 MiB on.
TEST(PublishedOrders, OfTrainium2AreAMeshThenHalvingThenRings) {
  const Planner planner = planner_of(laid("aws-trn2.toml", 16));
  const auto best_of = [&](uint64_t bytes) {
    const auto explanation = planner.explanation(all_reduce(16, bytes));
    EXPECT_TRUE(explanation);
    const auto price = [&](std::string_view name) { return explanation->find(name)->bill.price_ns; };
    const uint64_t mesh = std::min(price("one_shot"), price("two_shot"));
    const uint64_t halving = std::min({price("swing"), price("swing_whole"), price("recursive_halving")});
    const uint64_t rings = price("rings");
    return mesh < std::min(halving, rings) ? "mesh" : halving < rings ? "halving" : "rings";
  };
  EXPECT_STREQ(best_of(uint64_t{512} << 10), "mesh");
  EXPECT_STREQ(best_of(uint64_t{2} << 20), "halving");
  EXPECT_STREQ(best_of(uint64_t{8} << 20), "halving");
  EXPECT_STREQ(best_of(uint64_t{64} << 20), "rings");
}

TEST(Explanations, AreOfThePlanAndAddUp) {
  Planner planner = planner_of(laid("nvidia-superpod-h100.toml", 16));
  for (const uint64_t bytes : {uint64_t{64}, uint64_t{1} << 20, uint64_t{256} << 20}) {
    const Call call = all_reduce(16, bytes);
    const auto plan = planner.plan(call);
    const auto explanation = planner.explanation(call);
    ASSERT_TRUE(plan && explanation);
    EXPECT_EQ(explanation->chosen, (*plan)->algorithm);
    EXPECT_EQ(explanation->candidates.front().bill.price_ns, (*plan)->price_ns);
    uint64_t before = 0;
    for (const Explanation::Candidate& candidate : explanation->candidates) {
      const cost::Bill& bill = candidate.bill;
      EXPECT_GE(bill.price_ns, before);
      EXPECT_EQ(bill.start_ns + bill.latency_ns + bill.reduction_ns + bill.transfer_ns, bill.price_ns) << candidate.algorithm;
      EXPECT_GT(bill.latency_ns, 0u) << candidate.algorithm;
      EXPECT_GT(bill.step_count, 0u) << candidate.algorithm;
      EXPECT_NE(bill.bottleneck, "") << candidate.algorithm;
      EXPECT_LE(bill.bottleneck_ns, bill.price_ns) << candidate.algorithm;
      before = bill.price_ns;
    }
  }
}

// Of more ranks than are played, too: a ring's are the links that all its steps pass.
TEST(Explanations, OfClosedFormsNameTheBottleneck) {
  Planner planner = planner_of(laid("nvidia-superpod-h100.toml", 72));
  const uint64_t bytes = uint64_t{64} << 20;
  const Call call = all_reduce(72, bytes);
  const auto explanation = planner.explanation(call);
  ASSERT_TRUE(explanation);
  EXPECT_EQ(explanation->chosen, (*planner.plan(call))->algorithm);
  size_t form_count = 0;
  for (const Explanation::Candidate& candidate : explanation->candidates) {
    const cost::Bill& bill = candidate.bill;
    form_count += candidate.is_estimate ? 1 : 0;
    EXPECT_FALSE(candidate.leaves_out_sharing) << candidate.algorithm;
    EXPECT_EQ(bill.start_ns + bill.latency_ns + bill.reduction_ns + bill.transfer_ns, bill.price_ns) << candidate.algorithm;
    EXPECT_NE(bill.bottleneck, "") << candidate.algorithm;
    EXPECT_LE(bill.bottleneck_ns, bill.price_ns) << candidate.algorithm;
  }
  EXPECT_GE(form_count, 8u);
  const Explanation::Candidate* const ring = explanation->find("ring");
  ASSERT_NE(ring, nullptr);
  EXPECT_THAT(ring->bill.bottleneck, HasSubstr("InfiniBand"));
  EXPECT_GE(ring->bill.bottleneck_bytes, 2 * 71 * (bytes / 72));
  EXPECT_LE(ring->bill.bottleneck_bytes, 2 * 71 * (bytes / 72) * 11 / 10);  // what protocols add
}

TEST(Compositions, AreTakenWhereTheyAreCheapest) {
  Planner planner = planner_of(laid("xai-colossus-h100.toml:4", 32));
  Planner follower(planner, 5);
  const Call call = all_reduce(32, uint64_t{1} << 30);
  const auto plan = planner.plan(call);
  ASSERT_TRUE(plan);
  EXPECT_THAT(std::string((*plan)->algorithm), HasSubstr("/"));
  const auto explanation = planner.explanation(call);
  ASSERT_TRUE(explanation);
  EXPECT_EQ(explanation->chosen, (*plan)->algorithm);
  EXPECT_EQ(explanation->candidates.front().bill.price_ns, (*plan)->price_ns);
  EXPECT_LT(explanation->candidates.front().bill.price_ns, explanation->candidates[1].bill.price_ns);
  const auto followed = follower.plan(call);
  ASSERT_TRUE(followed);
  EXPECT_EQ((*followed)->algorithm, (*plan)->algorithm);
  EXPECT_EQ((*followed)->schedule->rank, 5u);
  EXPECT_EQ(planner.find((*plan)->algorithm)->build(call.problem, planner.topology(), 5), *(*followed)->schedule);
}

TEST(Compositions, AreForcedAndExplainedLikeAnyOther) {
  Planner planner = planner_of(laid("nvidia-superpod-h100.toml:2", 16), "allreduce:one_shot/ring/4;alltoall:pairwise/one_shot");
  const Call call = all_reduce(16, 1 << 20);
  EXPECT_EQ((*planner.plan(call))->algorithm, "one_shot/ring/4");
  const auto explanation = planner.explanation(call);
  ASSERT_TRUE(explanation);
  EXPECT_TRUE(explanation->is_forced);
  ASSERT_NE(explanation->find("one_shot/ring/4"), nullptr);
  EXPECT_EQ(explanation->find("one_shot/ring/4")->bill.price_ns, (*planner.plan(call))->price_ns);
  // Where all GPUs are in one node there are no two levels.
  Planner of_node = planner_of(laid("nvidia-superpod-h100.toml", 8), "allreduce:one_shot/ring");
  const auto none = of_node.plan(all_reduce(8, 1 << 20));
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("one_shot/ring, which does not apply"));
}

TEST(Explanations, TellWhichSizesHaveWhichPlan) {
  Planner planner = planner_of(laid("google-tpu-v5p.toml:2x2x4", 16));
  const auto explanation = planner.explanation(all_reduce(16, 1 << 20), Ranges::find);
  ASSERT_TRUE(explanation);
  ASSERT_FALSE(explanation->ranges.empty());
  EXPECT_EQ(explanation->ranges.front().first_bytes, 8u);
  EXPECT_EQ(explanation->ranges.back().last_bytes, (uint64_t{2} << 30) - 1);
  uint64_t next = 8;
  for (const Explanation::Range& range : explanation->ranges) {
    EXPECT_EQ(range.first_bytes, next);
    for (const uint64_t bytes : {range.first_bytes, range.last_bytes}) {
      EXPECT_EQ((*planner.plan(all_reduce(16, bytes)))->algorithm, range.algorithm) << bytes;
    }
    next = range.last_bytes + 1;
  }
  EXPECT_THAT(to_string(*explanation), HasSubstr("  by size, in the same terms:\n  from       8 B  "));
}

TEST(Explanations, SayWhyNot) {
  Planner planner = planner_of(laid("google-tpu-v5p.toml:2x2x4", 16));
  const auto explanation = planner.explanation(all_reduce(16, 64 << 20));
  ASSERT_TRUE(explanation);
  EXPECT_THAT(*why_not(*explanation, explanation->candidates[1].algorithm), HasSubstr(explanation->candidates[1].algorithm + " costs "));
  EXPECT_THAT(*why_not(*explanation, explanation->chosen), HasSubstr("is what is chosen"));
  EXPECT_EQ(*why_not(*explanation, "bruck"), "bruck does not apply: it does not solve allreduce\n");
  EXPECT_EQ(*why_not(*explanation, "shared_memory"), "shared_memory does not apply: it needs ranks that reach each other's memory\n");
  const auto unknown = why_not(*explanation, "no-such");
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("\"no-such\" is no algorithm"));
}

TEST(Explanations, AreGivenOnceForEachPlan) {
  std::vector<std::string> texts;
  Planner planner({.topology = laid("aws-trn2.toml", 16),
                   .rank = 0,
                   .algorithms = registered(),
                   .overrides = {},
                   .on_plan = [&](const std::string& text) { texts.push_back(text); }});
  for (const uint64_t bytes : {1024u, 1025u, 4096u, 1024u}) {
    ASSERT_TRUE(planner.plan(all_reduce(16, bytes)));
  }
  ASSERT_EQ(texts.size(), 2u);
  EXPECT_THAT(texts[0], HasSubstr("allreduce, 16 ranks, 1 KiB:"));
  EXPECT_THAT(texts[1], HasSubstr("allreduce, 16 ranks, 4 KiB:"));
}

TEST(LinkedChips, PlansNeedNoOtherMessages) {
  for (const std::string model :
       {"google-tpu-v5p.toml:2x2x4", "google-tpu-v5p.toml:4x4x4", "aws-trn2.toml", "tesla-dojo.toml:5x4", "nvidia-dgx-h100.toml"}) {
    auto shaped = topology::load_model(TUTTI_SOURCE_DIR "/topologies/" + model, "");
    ASSERT_TRUE(shaped) << shaped.error().message();
    const auto rank_count = static_cast<uint32_t>(shaped->chip_count());
    const topology::Topology topology = laid(model, rank_count, topology::Messages::adjacent);
    for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_gather,
                                        Collective::reduce_scatter}) {
      SCOPED_TRACE(fmt::format("{} on {}", schedule::name_of(collective), model));
      const Call call = call_of_all_bytes({.collective = collective, .rank_count = rank_count, .root = rank_count / 2}, 1 << 20);
      Planner planner({.topology = topology, .rank = 0, .algorithms = registered(), .overrides = {}, .on_plan = {}});
      const auto plan = planner.plan(call);
      ASSERT_TRUE(plan) << plan.error().message();
      const std::vector<Algorithm> algorithms = registered();
      const auto chosen = std::ranges::find(algorithms, (*plan)->algorithm, &Algorithm::name);
      ASSERT_NE(chosen, algorithms.end());
      if (rank_count <= 20) {
        std::vector<schedule::Schedule> schedules;
        for (uint32_t rank = 0; rank < rank_count; ++rank) {
          schedules.push_back(chosen->build(call.problem, topology, rank));
        }
        EXPECT_EQ(schedules.front(), *(*plan)->schedule);
        const auto linked = [&](uint32_t source, uint32_t target) { return topology.fabric()->is_adjacent(source, target); };
        const Status status = schedule::verify(call.problem, schedules, {.has_link = linked});
        EXPECT_TRUE(status.ok()) << status.message();
      }
    }
  }
}

TEST(LinkedChips, AForcedAlgorithmThatNeedsAnotherMessageIsRefusedByName) {
  Planner planner = planner_of(laid("google-tpu-v5p.toml:2x2x4", 16, topology::Messages::adjacent), "allreduce:recursive_doubling");
  const auto plan = planner.plan(all_reduce(16, 1024));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), tuttiUnsupported);
  EXPECT_EQ(plan.error().message(),
            "TUTTI_ALGO forces recursive_doubling, which for allreduce, 16 ranks sends from rank 0 to rank 8, where the machine has no link");
  const auto explanation = planner.explanation(all_reduce(16, 1024));
  ASSERT_TRUE(explanation);
  EXPECT_THAT(*why_not(*explanation, "recursive_doubling"),
              HasSubstr("recursive_doubling does not apply: it sends from rank 0 to rank 8, where the machine has no link"));
}

TEST(LinkedChips, DecideAPlanAndSoTheHash) {
  const uint64_t routed = planner_of(laid("google-tpu-v5p.toml:2x2x4", 16)).hash();
  EXPECT_NE(planner_of(laid("google-tpu-v5p.toml:2x2x4", 16, topology::Messages::adjacent)).hash(), routed);
  EXPECT_NE(planner_of(laid("google-tpu-v5p.toml:4x4x1", 16)).hash(), routed);
}

}  // namespace
}  // namespace tutti::planner
