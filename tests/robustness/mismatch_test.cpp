// SPDX-License-Identifier: Apache-2.0
// Ranks that disagree about a call: every one of them is told, in words that name two of them, and nobody is told of success that is none.
#include <mutex>

#include "robustness/disagreements.hpp"
#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

struct Case {
  Disagreement disagreement;
  int rank_count;
  std::string transports;
};

void PrintTo(const Case& one, std::ostream* out) {
  *out << one.disagreement.name << ", " << one.rank_count << " ranks, " << one.transports;
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const Disagreement& disagreement : disagreements()) {
    for (const int rank_count : {2, 3, 4, 5}) {
      for (const char* const transports : {"shm", "tcp"}) {
        cases.push_back({disagreement, rank_count, transports});
      }
    }
  }
  return cases;
}

class Mismatch : public testing::TestWithParam<Case> {};

TEST_P(Mismatch, IsToldToEveryRank) {
  const Case& one = GetParam();
  std::mutex mutex;
  std::vector<std::string> messages;
  // Two calls that agree come first, so that the disagreement does not sit at the beginning of everything.
  run_ranks({.rank_count = one.rank_count, .transports = one.transports}, [&](int rank, tuttiComm_t& comm) {
    int64_t sum = 0;
    for (int call = 0; call < 2; ++call) {
      const Outcome before = all_reduce_once(comm, rank, &sum);
      ASSERT_EQ(before.code, tuttiSuccess) << before;
    }
    Buffers buffers;
    const Verdict verdict = disagree(one.disagreement, rank, one.rank_count, comm, buffers);
    EXPECT_EQ(verdict.code, tuttiMismatch) << "after " << verdict.calls_before << " calls: " << tuttiGetLastError(comm);
    EXPECT_EQ(tuttiAllReduce(&sum, &sum, 1, tuttiInt64, tuttiSum, comm, nullptr), tuttiMismatch) << "and stays so";
    tuttiResult_t state = tuttiSuccess;
    EXPECT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    EXPECT_EQ(state, tuttiMismatch);
    const std::lock_guard lock(mutex);
    messages.emplace_back(tuttiGetLastError(comm));
  });
  for (const std::string& message : messages) {
    EXPECT_THAT(message, HasSubstr(std::string(one.disagreement.word)));
    EXPECT_THAT(message, testing::ContainsRegex("rank [0-9].*rank [0-9]"));
  }
}

INSTANTIATE_TEST_SUITE_P(, Mismatch, testing::ValuesIn(all_cases()), [](const testing::TestParamInfo<Case>& one) {
  return std::string(one.param.disagreement.name) + "_" + std::to_string(one.param.rank_count) + "_" + one.param.transports;
});

}  // namespace
}  // namespace tutti::robustness
