// SPDX-License-Identifier: Apache-2.0
// Ranks that die, run away, leave early or fork, each in a process of its own; and disagreements between processes.
#include <iostream>
#include <memory>

#include "robustness/rank_process.hpp"
#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

struct Setting {
  int rank_count;
  std::string transports;
  std::string ucx_tls = {};
};

class Death : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    ASSERT_EQ(tuttiGetUniqueId(&id_), tuttiSuccess) << tuttiGetLastError(nullptr);
    victim_ = static_cast<int>(random_() % static_cast<uint64_t>(rank_count()));
    std::cout << "seed " << seed() << ", rank " << victim_ << " of " << rank_count() << " over " << GetParam().transports << "\n";
  }
  int rank_count() const { return GetParam().rank_count; }

  void start(int rank, const std::string& scenario, const std::vector<std::string>& arguments = {}) {
    ranks_.resize(static_cast<size_t>(rank_count()));
    ranks_[static_cast<size_t>(rank)] =
        std::make_unique<RankProcess>(RankProcess::Options{.rank = rank,
                                                           .rank_count = rank_count(),
                                                           .scenario = scenario,
                                                           .arguments = arguments,
                                                           .environment = environment_},
                                      id_);
  }
  RankProcess& process(int rank) { return *ranks_[static_cast<size_t>(rank)]; }
  RankProcess& victim() { return process(victim_); }

  void for_each_survivor(const std::function<void(RankProcess&, int)>& body) {
    for (int rank = 0; rank < rank_count(); ++rank) {
      if (rank != victim_) {
        SCOPED_TRACE(testing::Message() << "rank " << rank);
        body(process(rank), rank);
      }
    }
  }
  std::string remote_error_of_victim() const { return std::to_string(tuttiRemoteError) + ".*rank " + std::to_string(victim_) + "[^0-9]"; }

  // The pending call and a later one, on every survivor, name the victim; then they leave.
  void expect_survivors_to_tell() {
    const double begin_ms = now_ms();
    for_each_survivor([&](RankProcess& survivor, int) {
      EXPECT_THAT(survivor.expect_line("failed "), testing::ContainsRegex(remote_error_of_victim()));
    });
    std::cout << "all survivors told after " << now_ms() - begin_ms << " ms\n";
    for_each_survivor([&](RankProcess& survivor, int) {
      EXPECT_THAT(survivor.expect_line("later "), testing::ContainsRegex(remote_error_of_victim()));
      survivor.expect_line("destroyed ");
      EXPECT_EQ(survivor.wait(), 0);
    });
  }

  std::mt19937_64 random_{seed() + static_cast<uint64_t>(GetParam().rank_count)};
  tuttiUniqueId id_{};
  int victim_ = 0;
  std::map<std::string, std::string> environment_{{"TUTTI_TRANSPORTS", GetParam().transports}, {"UCX_TLS", GetParam().ucx_tls}};
  std::vector<std::unique_ptr<RankProcess>> ranks_;
};

TEST_P(Death, WithinCollectives) {
  for (const char* const elements : {"2", "1000000"}) {
    ASSERT_EQ(tuttiGetUniqueId(&id_), tuttiSuccess);
    for (int rank = 0; rank < rank_count(); ++rank) {
      start(rank, "loop", {elements, rank == victim_ ? std::to_string(2 + random_() % 20) : "0"});
    }
    EXPECT_EQ(victim().wait(), 128 + SIGKILL);
    expect_survivors_to_tell();
  }
}

TEST_P(Death, WhileAPeerLoopsAndFromOutside) {
  for (int rank = 0; rank < rank_count(); ++rank) {
    start(rank, "loop", {"1000"});
  }
  for_each_survivor([](RankProcess& survivor, int) { EXPECT_EQ(survivor.expect_line("first "), "0 "); });
  victim().kill_now();
  expect_survivors_to_tell();
}

TEST_P(Death, BeforeTheNextCollective) {
  for (int rank = 0; rank < rank_count(); ++rank) {
    start(rank, "idle");
  }
  for (int rank = 0; rank < rank_count(); ++rank) {
    process(rank).expect_line("idle");
  }
  victim().kill_now();
  EXPECT_EQ(victim().wait(), 128 + SIGKILL);
  for_each_survivor([](RankProcess& survivor, int) { survivor.write_line("go on"); });
  expect_survivors_to_tell();
}

TEST_P(Death, WithoutDestroying) {
  for (int rank = 0; rank < rank_count(); ++rank) {
    start(rank, rank == victim_ ? "run_away" : "loop", {"16"});
  }
  EXPECT_EQ(victim().wait(), 0);
  expect_survivors_to_tell();
}

TEST_P(Death, DuringInitialisation) {
  // A victim that nobody has met when it dies is one that has not started yet: waited for until the timeout, then named as missing.
  environment_["TUTTI_TIMEOUT_MS"] = "1500";
  for (const uint64_t polls : {1 + random_() % 300, 1 + random_() % 3'000}) {
    ASSERT_EQ(tuttiGetUniqueId(&id_), tuttiSuccess);
    for (int rank = 0; rank < rank_count(); ++rank) {
      start(rank, "come_up", {rank == victim_ ? std::to_string(polls) : "0"});
    }
    EXPECT_EQ(victim().wait(), 128 + SIGKILL);
    const double begin_ms = now_ms();
    for_each_survivor([&](RankProcess& survivor, int) {
      const std::string outcome = survivor.expect_line("failed ");
      EXPECT_TRUE(outcome.starts_with(std::to_string(tuttiRemoteError)) || outcome.starts_with(std::to_string(tuttiTimeout))) << outcome;
      EXPECT_THAT(outcome, testing::ContainsRegex("ranks? ([0-9]+, )*" + std::to_string(victim_)));
      survivor.expect_line("destroyed ");
      EXPECT_EQ(survivor.wait(), 0);
    });
    std::cout << "killed at poll " << polls << ", all told after " << now_ms() - begin_ms << " ms\n";
  }
}

TEST_P(Death, ARankThatDestroysEarlyWaitsOrIsTold) {
  for (int rank = 0; rank < rank_count(); ++rank) {
    start(rank, rank == victim_ ? "destroy" : "loop", {"16"});
  }
  // It calls the end, the others an allreduce: a disagreement, told to all.
  EXPECT_THAT(victim().expect_line("destroyed "), testing::StartsWith(std::to_string(tuttiMismatch)));
  for_each_survivor([](RankProcess& survivor, int) {
    EXPECT_THAT(survivor.expect_line("failed "), testing::StartsWith(std::to_string(tuttiMismatch)));
    survivor.expect_line("destroyed ");
    EXPECT_EQ(survivor.wait(), 0);
  });
}

TEST_P(Death, ForkedChildrenAreRefusedAndDisturbNobody) {
  for (int rank = 0; rank < rank_count(); ++rank) {
    start(rank, "fork");
  }
  for (int rank = 0; rank < rank_count(); ++rank) {
    for (int call = 0; call < 8; ++call) {
      const std::string outcome = process(rank).expect_line("child ");
      EXPECT_THAT(outcome, testing::StartsWith(std::to_string(tuttiInvalidUsage)));
      EXPECT_THAT(outcome, HasSubstr("forked"));
    }
    EXPECT_EQ(process(rank).expect_line("child ended "), "0");
    EXPECT_EQ(process(rank).expect_line("parent "), "0 ");
  }
  for (int rank = 0; rank < rank_count(); ++rank) {
    EXPECT_EQ(process(rank).expect_line("destroyed "), "0 ");
    EXPECT_EQ(process(rank).wait(), 0);
  }
}

TEST_P(Death, DisagreementsBetweenProcesses) {
  for (const char* const name : {"count_by_one", "gather_root_elsewhere", "collective", "message_count"}) {
    SCOPED_TRACE(name);
    ASSERT_EQ(tuttiGetUniqueId(&id_), tuttiSuccess);
    for (int rank = 0; rank < rank_count(); ++rank) {
      start(rank, "disagree", {name});
    }
    for (int rank = 0; rank < rank_count(); ++rank) {
      EXPECT_THAT(process(rank).expect_line("failed "), testing::StartsWith(std::to_string(tuttiMismatch)));
      process(rank).expect_line("destroyed ");
      EXPECT_EQ(process(rank).wait(), 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, Death,
                         testing::Values(Setting{2, "shm"}, Setting{3, "shm"}, Setting{5, "shm"}, Setting{2, "tcp"}, Setting{3, "tcp"},
                                         Setting{4, "tcp"}, Setting{5, "tcp"}),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return std::to_string(setting.param.rank_count) + "_" + setting.param.transports;
                         });

#ifdef TUTTI_HAS_UCX
INSTANTIATE_TEST_SUITE_P(Plugin, Death, testing::Values(Setting{2, "ucx", "tcp"}, Setting{2, "ucx", "posix"}),
                         [](const testing::TestParamInfo<Setting>& setting) {
                           return setting.param.transports + "_" + setting.param.ucx_tls;
                         });
#endif

}  // namespace
}  // namespace tutti::robustness
