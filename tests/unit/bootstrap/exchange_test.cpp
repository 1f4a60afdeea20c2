// SPDX-License-Identifier: Apache-2.0
// Rounds, and how they end when a rank dies, leaves, gives up or disagrees.
#include "tests/unit/bootstrap/harness.hpp"

namespace tutti::bootstrap {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Rounds : public ::testing::TestWithParam<uint32_t> {};
INSTANTIATE_TEST_SUITE_P(RankCounts, Rounds, ::testing::Range(1u, 10u));

TEST_P(Rounds, EveryRankGetsEveryContribution) {
  Job job;
  auto ranks = job.join_all(GetParam());
  for (uint32_t round = 0; round < 4; ++round) {
    job.expect_whole_round(ranks, round);
  }
  ranks.clear();
  EXPECT_TRUE(job.turn_until([&] { return job.service().finished(); }));
  EXPECT_TRUE(job.service().job_failure().ok());
}

TEST_P(Rounds, InMemoryToo) {
  const uint32_t rank_count = GetParam();
  const auto ranks = in_memory_exchanges(rank_count, 7);
  ASSERT_EQ(ranks.size(), rank_count);
  for (uint32_t round = 0; round < 3; ++round) {
    for (const auto& rank : ranks) {
      ASSERT_TRUE(rank->begin_all_gather(contribution_of(rank->rank(), round)).ok());
    }
    for (const auto& rank : ranks) {
      EXPECT_EQ(Job::poll(*rank).contributions, contributions_of_all(rank_count, round));
    }
  }
}

TEST(Exchange, TheLargestContributionsPass) {
  Job job;
  const auto ranks = job.join_all(3);
  const Bytes largest(kMaxContributionBytes, std::byte{7});
  for (const auto& rank : ranks) {
    ASSERT_TRUE(rank->begin_all_gather(largest).ok());
  }
  for (const Answer& answer : job.answers(ranks)) {
    EXPECT_EQ(answer.contributions, std::vector<Bytes>(3, largest));
  }
}

TEST(Exchange, ALargerContributionIsRefused) {
  Job job;
  const auto rank = job.join(0, 1);
  const Status status = rank->begin_all_gather(Bytes(kMaxContributionBytes + 1));
  EXPECT_EQ(status.code(), tuttiInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("65537"));
}

TEST(Exchange, OneRoundAtATime) {
  Job job;
  const auto rank = job.join(0, 1);
  EXPECT_EQ(rank->poll().error().code(), tuttiInvalidUsage);
  ASSERT_TRUE(rank->begin_all_gather({}).ok());
  EXPECT_EQ(rank->begin_all_gather({}).code(), tuttiInvalidUsage);
}

TEST(Exchange, RanksShareSecretAndJobIdAndTheSecretIsNotTheIds) {
  Job job;
  const auto ranks = job.join_all(2);
  EXPECT_EQ(ranks[0]->secret(), ranks[1]->secret());
  EXPECT_EQ(ranks[0]->job_id(), ranks[1]->job_id());
  EXPECT_NE(ranks[0]->secret(), job.secret());
}

TEST(Exchange, AWaitNamesTheMissingRanks) {
  Job job;
  const auto first = job.join(0, 4);
  const auto third = job.join(2, 4);
  EXPECT_EQ(first->waiting_for(), fmt::format("the root at {}", job.address().to_string()));
  ASSERT_TRUE(first->begin_all_gather({}).ok());
  ASSERT_TRUE(third->begin_all_gather({}).ok());
  job.expect_joined(*first);
  job.expect_joined(*third);
  job.clock().advance_ms(1100);
  EXPECT_TRUE(job.turn_until([&] { return !Job::poll(*first).arrived() && first->waiting_for() == "ranks 1, 3"; }));
  const auto second = job.join(1, 4);
  ASSERT_TRUE(second->begin_all_gather({}).ok());
  job.expect_joined(*second);
  job.clock().advance_ms(1100);
  EXPECT_TRUE(job.turn_until([&] { return !Job::poll(*first).arrived() && first->waiting_for() == "rank 3"; }));
}

TEST(Exchange, ARankThatDiesIsNamedToAllOthers) {
  Job job;
  std::vector<std::unique_ptr<SocketExchange>> survivors;
  for (uint32_t rank = 0; rank < 3; ++rank) {
    survivors.push_back(job.join(rank, 4));
  }
  // A process that is killed says no goodbye, so a bare connection stands for it.
  auto victim = std::make_unique<Insider>(job, 3, 4);
  Job::begin(survivors, 0);
  for (const auto& survivor : survivors) {
    job.expect_joined(*survivor);
  }
  victim.reset();
  for (const Answer& answer : job.answers(survivors)) {
    EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
    EXPECT_THAT(answer.failure.message(), HasSubstr("rank 3 died"));
  }
  // It stays failed.
  EXPECT_EQ(survivors[0]->poll().error().code(), tuttiRemoteError);
  EXPECT_EQ(survivors[0]->begin_all_gather({}).code(), tuttiRemoteError);
}

TEST(Exchange, ARankThatLeavesEarlyIsNamed) {
  Job job;
  auto ranks = job.join_all(3);
  job.expect_whole_round(ranks, 0);
  ranks.pop_back();
  Job::begin(ranks, 1);
  for (const Answer& answer : job.answers(ranks)) {
    EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
    EXPECT_THAT(answer.failure.message(), HasSubstr("rank 2 left"));
  }
}

TEST(Exchange, GivingUpReachesTheOthersWithItsReasonMadeHarmless) {
  Job job;
  const auto ranks = job.join_all(3);
  Job::begin(ranks, 0);
  job.expect_joined(*ranks[0]);
  ranks[0]->abandon(internal_error("disk \x1b[31m on fire{}", std::string(4000, '!')));
  const std::vector<Answer> others = job.answers(std::span(ranks).subspan(1));
  for (const Answer& answer : others) {
    EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
    EXPECT_THAT(answer.failure.message(), HasSubstr("rank 0 gave up: disk ?[31m on fire!!"));
    EXPECT_LT(answer.failure.message().size(), 2 * kMaxTextBytes);
  }
  EXPECT_EQ(ranks[0]->poll().error().code(), tuttiAborted);
}

TEST(Exchange, ALateRankLearnsWhyTheJobFailed) {
  Job job;
  const auto first = job.join(0, 2);
  ASSERT_TRUE(first->begin_all_gather({}).ok());
  job.expect_joined(*first);
  first->abandon(internal_error("no memory"));
  ASSERT_TRUE(job.turn_until([&] { return !job.service().job_failure().ok(); }));
  const auto late = job.join(1, 2);
  ASSERT_TRUE(late->begin_all_gather({}).ok());
  EXPECT_THAT(job.answers(std::span(&late, 1)).front().failure.message(), HasSubstr("no memory"));
}

TEST(Exchange, ASecondCallerWithTheSameRankIsRefusedAndTheFirstGoesOn) {
  Job job;
  auto ranks = job.join_all(2);
  Job::begin(std::span(ranks).first(1), 0);
  job.expect_joined(*ranks[0]);
  const auto twin = job.join(0, 2);
  ASSERT_TRUE(twin->begin_all_gather({}).ok());
  const Answer refusal = job.answers(std::span(&twin, 1)).front();
  EXPECT_EQ(refusal.failure.code(), tuttiInvalidUsage);
  EXPECT_THAT(refusal.failure.message(), HasSubstr("rank 0 has already joined"));
  Job::begin(std::span(ranks).subspan(1), 0);
  for (const Answer& answer : job.answers(ranks)) {
    EXPECT_EQ(answer.contributions, contributions_of_all(2, 0));
  }
}

TEST(Exchange, RanksThatDisagreeAboutTheirNumberAllLearnIt) {
  Job job;
  std::vector<std::unique_ptr<SocketExchange>> ranks;
  ranks.push_back(job.join(0, 3));
  ranks.push_back(job.join(1, 3));
  Job::begin(ranks, 0);
  job.expect_joined(*ranks[0]);
  ranks.push_back(job.join(2, 4));
  Job::begin(std::span(ranks).subspan(2), 0);
  for (const Answer& answer : job.answers(ranks)) {
    EXPECT_EQ(answer.failure.code(), tuttiMismatch);
    EXPECT_THAT(answer.failure.message(), AllOf(HasSubstr("rank 2"), HasSubstr("4 ranks"), HasSubstr("one of 3")));
  }
}

TEST(Exchange, AServiceWithoutProgressTimesOutNamingTheMissing) {
  Job job(2000);
  const auto ranks = job.join_all(3);
  Job::begin(std::span(ranks).first(2), 0);
  job.expect_joined(*ranks[0]);
  job.expect_joined(*ranks[1]);
  job.clock().advance_ms(1100);  // the report of who is missing shows that the service has both contributions
  ASSERT_TRUE(job.turn_until([&] { return !Job::poll(*ranks[0]).arrived() && ranks[0]->waiting_for() == "rank 2"; }));
  ASSERT_TRUE(job.turn_until([&] { return !Job::poll(*ranks[1]).arrived() && ranks[1]->waiting_for() == "rank 2"; }));
  job.clock().advance_ms(2001);
  for (const Answer& answer : job.answers(std::span(ranks).first(2))) {
    EXPECT_EQ(answer.failure.code(), tuttiTimeout);
    EXPECT_THAT(answer.failure.message(), HasSubstr("rank 2"));
  }
  EXPECT_TRUE(job.service().finished());
}

TEST(Exchange, ANobodysServiceEndsAfterItsTimeout) {
  Job job(2000);
  job.service().turn(-1, 0);
  EXPECT_FALSE(job.service().finished());
  job.clock().advance_ms(2001);
  job.service().turn(-1, 0);
  EXPECT_TRUE(job.service().finished());
}

TEST(Exchange, TheEndOfTheServiceIsTheRootsDeath) {
  auto job = std::make_unique<Job>();
  const auto rank = std::make_unique<SocketExchange>(job->ticket(), Place{0, 2}, monotonic_clock());
  ASSERT_TRUE(rank->begin_all_gather({}).ok());
  job->expect_joined(*rank);
  const std::string address = job->address().to_string();
  job.reset();
  Answer answer;
  for (int i = 0; i < Job::kMostTurns && !answer.arrived(); ++i) {
    answer = Job::poll(*rank);
  }
  EXPECT_EQ(answer.failure.code(), tuttiRemoteError);
  EXPECT_THAT(answer.failure.message(), HasSubstr(address));
}

TEST(Exchange, ARefusedConnectionIsTriedAgainAfterAPause) {
  Job job;
  // A port nobody listens on comes first.
  Result<Descriptor> closed = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 1);
  ASSERT_TRUE(closed.has_value());
  const SocketAddress dead = *local_address(*closed);
  closed->reset();
  SocketExchange lonely({.addresses = {dead}, .port_count = 1, .secret = job.secret()}, {0, 1}, job.clock());
  ASSERT_TRUE(lonely.begin_all_gather({}).ok());
  ASSERT_TRUE(job.turn_until([&] { return !Job::poll(lonely).arrived() && lonely.waiting_for().ends_with("ECONNREFUSED))"); }))
      << lonely.waiting_for();
  EXPECT_THAT(lonely.waiting_for(), HasSubstr(dead.to_string()));

  std::vector<std::unique_ptr<SocketExchange>> rank;
  rank.push_back(std::make_unique<SocketExchange>(Ticket{.addresses = {dead, job.address()}, .port_count = 1, .secret = job.secret()},
                                                  Place{0, 1}, job.clock()));
  job.expect_whole_round(rank, 0);
}

TEST(Exchange, AnAddressThatStaysSilentIsPassedBy) {
  Job job;
  const auto silent = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 8);  // nobody accepts, but the kernel connects
  ASSERT_TRUE(silent.has_value());
  std::vector<std::unique_ptr<SocketExchange>> rank;
  rank.push_back(std::make_unique<SocketExchange>(
      Ticket{.addresses = {*local_address(*silent), job.address()}, .port_count = 1, .secret = job.secret()},
      Place{0, 1}, job.clock()));
  Job::begin(rank, 0);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(Job::poll(*rank[0]).arrived());
    job.service().turn(-1, 0);
  }
  EXPECT_EQ(job.service().guest_count(), 0u);
  job.clock().advance_ms(1001);
  EXPECT_EQ(job.answers(rank).front().contributions, contributions_of_all(1, 0));
}

TEST(InMemoryExchange, LeavingAndGivingUpReachTheOthers) {
  auto ranks = in_memory_exchanges(3, 1);
  ASSERT_TRUE(ranks[0]->begin_all_gather({}).ok());
  EXPECT_FALSE(Job::poll(*ranks[0]).arrived());
  EXPECT_EQ(ranks[0]->waiting_for(), "ranks 1, 2");
  ranks.pop_back();
  EXPECT_THAT(Job::poll(*ranks[0]).failure.message(), HasSubstr("rank 2 left"));

  const auto others = in_memory_exchanges(2, 1);
  ASSERT_TRUE(others[0]->begin_all_gather({}).ok());
  others[1]->abandon(internal_error("no memory"));
  EXPECT_THAT(Job::poll(*others[0]).failure.message(), HasSubstr("rank 1 gave up: no memory"));
}

TEST(InMemoryExchange, TheSeedDecidesSecretAndJobId) {
  const auto a = in_memory_exchanges(2, 5);
  const auto b = in_memory_exchanges(2, 5);
  const auto c = in_memory_exchanges(2, 6);
  EXPECT_EQ(a[0]->secret(), b[1]->secret());
  EXPECT_EQ(a[0]->job_id(), b[1]->job_id());
  EXPECT_NE(a[0]->secret(), c[0]->secret());
  EXPECT_NE(a[0]->job_id(), c[0]->job_id());
}

}  // namespace
}  // namespace tutti::bootstrap
