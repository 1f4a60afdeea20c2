// SPDX-License-Identifier: Apache-2.0
#include "planner/planner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <thread>

#include "example_algorithms.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;
using schedule::InPlace;
using schedule::Problem;
using ::testing::HasSubstr;
using ::testing::Not;

topology::Topology machine(uint32_t rank_count) {
  return topology::Topology::uniform(rank_count, {.latency_ns = 10'000, .bandwidth_bytes_per_s = 1'000'000'000, .source = "test"});
}

Planner::Options options(uint32_t rank_count, std::vector<Algorithm> algorithms = {example::kFlat, example::kChain, example::kTrust}) {
  return {.topology = machine(rank_count), .rank = 0, .algorithms = std::move(algorithms), .overrides = {}};
}

Problem broadcast(uint32_t rank_count, uint32_t root = 0) {
  return {.collective = Collective::broadcast, .rank_count = rank_count, .root = root};
}

Call call(const Problem& problem, uint64_t bytes) { return {.problem = problem, .element_count = bytes, .element_bytes = 1}; }

const Plan& expect_plan(Planner& planner, const Call& call) {
  const Result<const Plan*> plan = planner.plan(call);
  if (!plan) {
    ADD_FAILURE() << plan.error().message();
    static const Plan none;
    return none;
  }
  return **plan;
}

TEST(Planner, ChoosesTheCheapest) {
  Planner planner(options(8));
  // Small: seven sends of 2 us overhead beat seven hops of 10 us. Large: one transfer and seven slices beat seven transfers.
  EXPECT_EQ(expect_plan(planner, call(broadcast(8), 1)).algorithm, "flat");
  EXPECT_EQ(expect_plan(planner, call(broadcast(8), 64 << 20)).algorithm, "chain");
}

TEST(Planner, AFollowerChoosesAsItsLeaderForItsOwnRank) {
  Planner leader(options(4));
  Planner follower(leader, 3);
  const Plan& plan = expect_plan(follower, call(broadcast(4), 1024));
  EXPECT_EQ(plan.algorithm, expect_plan(leader, call(broadcast(4), 1024)).algorithm);
  EXPECT_EQ(plan.price_ns, expect_plan(leader, call(broadcast(4), 1024)).price_ns);
  Planner::Options third = options(4);
  third.rank = 3;
  Planner alone(third);
  EXPECT_EQ(*plan.schedule, *expect_plan(alone, call(broadcast(4), 1024)).schedule);
  EXPECT_EQ(follower.hash(), leader.hash());
  EXPECT_FALSE(follower.plan(call(broadcast(5), 1024)).has_value());
}

TEST(Planner, GivesThisRanksScheduleAndItsPrice) {
  Planner::Options third = options(4, {example::kFlat});
  third.rank = 3;
  Planner planner(third);
  const Plan& plan = expect_plan(planner, call(broadcast(4), 1024));
  ASSERT_NE(plan.schedule, nullptr);
  EXPECT_EQ(*plan.schedule, example::build_flat(broadcast(4), planner.topology(), 3));
  // Three sends of 2 us and 1.024 us, then 6 us of wire and 2 us of receiving.
  EXPECT_EQ(plan.price_ns, 3u * 3'024 + 8'000);
}

TEST(Planner, BreaksTiesByName) {
  for (const std::vector<Algorithm>& order : {std::vector{example::kFlat, example::kCopyOfFlat}, {example::kCopyOfFlat, example::kFlat}}) {
    Planner planner(options(4, order));
    EXPECT_EQ(expect_plan(planner, call(broadcast(4), 8)).algorithm, "also_flat");
  }
}

TEST(Planner, AnswersTheSameCallWithTheSamePlanWithoutBuildingAgain) {
  Planner planner(options(8));
  const Plan& first = expect_plan(planner, call(broadcast(8), 1000));
  const int built = example::build_count;
  EXPECT_EQ(&expect_plan(planner, call(broadcast(8), 1000)), &first);
  EXPECT_EQ(example::build_count, built);
}

TEST(Planner, SharesAPlanBetweenTwoPowersOfTwo) {
  Planner planner(options(8));
  const Plan& first = expect_plan(planner, call(broadcast(8), 1500));
  EXPECT_EQ(&expect_plan(planner, call(broadcast(8), 1024)), &first);
  EXPECT_EQ(&expect_plan(planner, call(broadcast(8), 2047)), &first);
  EXPECT_EQ(&expect_plan(planner, {.problem = broadcast(8), .element_count = 300, .element_bytes = 4}), &first);
  EXPECT_NE(&expect_plan(planner, call(broadcast(8), 1023)), &first);
  EXPECT_NE(&expect_plan(planner, call(broadcast(8), 2048)), &first);
}

TEST(Planner, PricesAClassAlikeWhicheverCallComesFirst) {
  Planner small_first(options(8));
  Planner large_first(options(8));
  const uint64_t price = expect_plan(small_first, call(broadcast(8), 4096)).price_ns;
  EXPECT_EQ(expect_plan(large_first, {.problem = broadcast(8), .element_count = 1023, .element_bytes = 8}).price_ns, price);
}

TEST(Planner, SharesSchedulesBetweenSizes) {
  Planner planner(options(8, {example::kFlat}));
  const Plan& small = expect_plan(planner, call(broadcast(8), 8));
  const Plan& large = expect_plan(planner, call(broadcast(8), 8 << 20));
  EXPECT_NE(&small, &large);
  EXPECT_EQ(small.schedule, large.schedule);
}

TEST(Planner, KeepsRootsAndPlacesApart) {
  Planner planner(options(4));
  std::set<const Plan*> plans;
  for (uint32_t root = 0; root < 4; ++root) {
    for (InPlace in_place : {InPlace::no, InPlace::yes}) {
      Problem problem = broadcast(4, root);
      problem.in_place = in_place;
      plans.insert(&expect_plan(planner, call(problem, 8)));
    }
  }
  EXPECT_EQ(plans.size(), 8u);
}

TEST(Planner, GivesABarrierOneClassAndNoRoot) {
  Planner planner(options(4));
  Call barrier{.problem = {.collective = Collective::barrier, .rank_count = 4}};
  const Plan& plan = expect_plan(planner, barrier);
  EXPECT_EQ(plan.algorithm, "trust");
  barrier.element_count = 12'345;
  barrier.problem.root = 3;
  EXPECT_EQ(&expect_plan(planner, barrier), &plan);
}

TEST(Planner, TakesVariableBlocksOfUnknownSizeForMiddlingOnes) {
  Planner planner(options(4));
  Problem problem = broadcast(4);
  problem.blocks = schedule::Blocks::variable;
  const Plan& unknown = expect_plan(planner, call(problem, 0));
  EXPECT_EQ(&expect_plan(planner, call(problem, kUnknownBlockBytes)), &unknown);
  EXPECT_NE(&expect_plan(planner, call(problem, 1)), &unknown);
}

TEST(Planner, AnswersSizesThatDoNotFit) {
  Planner planner(options(4));
  const Plan& plan = expect_plan(planner, {.problem = broadcast(4), .element_count = UINT64_MAX, .element_bytes = 8});
  EXPECT_EQ(plan.algorithm, "chain");
}

TEST(Planner, RemembersManyPlans) {
  Planner planner(options(64, {example::kChain}));
  std::vector<const Plan*> plans;
  for (uint32_t root = 0; root < 64; ++root) {
    for (uint32_t shift = 0; shift < 4; ++shift) {
      plans.push_back(&expect_plan(planner, call(broadcast(64, root), uint64_t{1} << shift)));
    }
  }
  EXPECT_EQ(std::set<const Plan*>(plans.begin(), plans.end()).size(), 256u);
  const int built = example::build_count;
  for (uint32_t index = 0; index < 256; ++index) {
    EXPECT_EQ(&expect_plan(planner, call(broadcast(64, index / 4), uint64_t{1} << index % 4)), plans[index]);
  }
  EXPECT_EQ(example::build_count, built);
}

TEST(Planner, PricesAFewRanksOfSchedulesTooLargeToPlay) {
  const uint32_t rank_count = 1'500;  // of some 2,000 steps each
  Planner planner(options(rank_count, {example::kLongChain}));
  const int built = example::build_count;
  const Plan& plan = expect_plan(planner, call(broadcast(rank_count), 1'000'000));
  EXPECT_LT(example::build_count - built, 20);
  EXPECT_GT(plan.price_ns, 1'000'000u) << "the bytes alone take so long";
  EXPECT_THAT(planner.explain(call(broadcast(rank_count), 1'000'000)), HasSubstr(" about "));
}

TEST(Planner, PlaysAllRanksWhereOnlyTheRootsScheduleIsLong) {
  const uint32_t rank_count = 1'500;  // rank 0 alone sends 1,499 messages, which for all ranks would be too many
  Planner planner(options(rank_count, {example::kFlat}));
  EXPECT_EQ(expect_plan(planner, call(broadcast(rank_count), 1024)).price_ns, 1'499u * 3'024 + 8'000);  // until the last message has left, and is there
  EXPECT_THAT(planner.explain(call(broadcast(rank_count), 1024)), Not(HasSubstr("about")));
}

TEST(Planner, ObeysAnOverride) {
  Planner::Options forced = options(8);
  forced.overrides.algorithm[Collective::broadcast] = "chain";
  Planner planner(forced);
  EXPECT_EQ(expect_plan(planner, call(broadcast(8), 1)).algorithm, "chain");
}

TEST(Planner, RefusesAnOverrideThatDoesNotApplyNamingBoth) {
  Planner::Options forced = options(5);
  forced.overrides.algorithm[Collective::barrier] = "trust";
  Planner planner(forced);
  const Call barrier{.problem = {.collective = Collective::barrier, .rank_count = 5}};
  for (int attempt = 0; attempt < 2; ++attempt) {
    const Result<const Plan*> plan = planner.plan(barrier);
    ASSERT_FALSE(plan);
    EXPECT_EQ(plan.error().code(), tuttiUnsupported);
    EXPECT_EQ(plan.error().message(), "TUTTI_ALGO forces trust, which does not apply to barrier, 5 ranks");
  }
  EXPECT_THAT(planner.explain(barrier), HasSubstr("TUTTI_ALGO forces trust, which does not apply"));
}

TEST(Planner, SaysWhenNoAlgorithmApplies) {
  Planner planner(options(3));
  const Call gather{.problem = {.collective = Collective::gather, .rank_count = 3, .root = 2}};
  const Result<const Plan*> plan = planner.plan(gather);
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code(), tuttiUnsupported);
  EXPECT_EQ(plan.error().message(), "no algorithm applies to gather, 3 ranks, root 2");
  EXPECT_THAT(planner.explain(gather), HasSubstr("no algorithm applies"));
}

TEST(Planner, RefusesProblemsOfOtherMachines) {
  Planner planner(options(3));
  expect_plan(planner, call(broadcast(3), 8));
  const Result<const Plan*> larger = planner.plan(call(broadcast(4), 8));
  ASSERT_FALSE(larger);
  EXPECT_EQ(larger.error().code(), tuttiInvalidArgument);
  EXPECT_EQ(larger.error().message(), "planner: broadcast has 4 ranks, the topology 3");
  const Result<const Plan*> root = planner.plan(call(broadcast(3, 3), 8));
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().code(), tuttiInvalidArgument);
  EXPECT_EQ(root.error().message(), "planner: root 3 of broadcast is not below the rank count 3");
}

TEST(Planner, ExplainsItsChoice) {
  Planner planner(options(4));
  EXPECT_EQ(planner.explain(call(broadcast(4), 1024)),
            "broadcast, 4 ranks, root 0, 1 KiB:\n"
            "  flat       17.07 us  chosen      3 steps, 3 KiB over host 0's adapter, outwards; the root sends to each rank\n"
            "  chain      33.07 us              2 steps, 1 KiB over host 0's adapter, outwards; the vector travels from rank to rank\n"
            "  flat: 14.00 us of latency and software, 3.07 us for bytes on their way (host 0's adapter, outwards takes 3.07 us for 3 KiB)\n"
            "  chain costs 16.00 us more: 16.00 us more of latency and software\n"
            "  not trust: it does not solve broadcast\n");
  EXPECT_THAT(planner.explain(call(broadcast(4), 1500)), HasSubstr("root 0, 1500 B, priced as 1 KiB:"));
}

TEST(Planner, ExplainsWhatIsForced) {
  Planner::Options forced = options(4);
  forced.overrides.algorithm[Collective::broadcast] = "chain";
  EXPECT_THAT(Planner(forced).explain(call(broadcast(4), 1024)), HasSubstr("33.07 us  forced  "));
}

TEST(PlannerHash, CoversTopologyAlgorithmsAndOverridesButNotTheRank) {
  const uint64_t original = Planner(options(4)).hash();
  EXPECT_EQ(Planner(options(4)).hash(), original);
  EXPECT_EQ(Planner(options(4, {example::kTrust, example::kChain, example::kFlat})).hash(), original);
  Planner::Options other_rank = options(4);
  other_rank.rank = 2;
  EXPECT_EQ(Planner(other_rank).hash(), original);

  EXPECT_NE(Planner(options(5)).hash(), original);
  EXPECT_NE(Planner(options(4, {example::kFlat, example::kChain})).hash(), original);
  Planner::Options forced = options(4);
  forced.overrides.algorithm[Collective::broadcast] = "flat";
  const uint64_t forced_hash = Planner(forced).hash();
  EXPECT_NE(forced_hash, original);
  forced.overrides.algorithm[Collective::broadcast] = "chain";
  EXPECT_NE(Planner(forced).hash(), forced_hash);
}

TEST(PlannerThreads, AskingAtOnceGetTheSamePlans) {
  constexpr size_t kThreads = 4;
  constexpr uint32_t kRanks = 6;
  constexpr uint32_t kClasses = 20;
  Planner planner(options(kRanks));
  using Answers = std::vector<const Plan*>;
  std::array<Answers, kThreads> answers;
  std::vector<std::thread> threads;
  for (size_t index = 0; index < kThreads; ++index) {
    threads.emplace_back([&planner, &answers, index] {
      for (int round = 0; round < 3; ++round) {
        answers[index].clear();
        for (uint32_t request = 0; request < kRanks * kClasses; ++request) {
          const Result<const Plan*> plan = planner.plan(call(broadcast(kRanks, request % kRanks), uint64_t{1} << request / kRanks));
          answers[index].push_back(plan ? *plan : nullptr);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (const Answers& of_thread : answers) {
    EXPECT_EQ(of_thread, answers.front());
  }
  const std::set<const Plan*> different(answers.front().begin(), answers.front().end());
  EXPECT_EQ(different.size(), size_t{kRanks} * kClasses);
  EXPECT_FALSE(different.contains(nullptr));
}

}  // namespace
}  // namespace tutti::planner
