// SPDX-License-Identifier: Apache-2.0
// Waits for peers that never come end at the configured time, in words that name the peers and the operation.
#include <condition_variable>
#include <mutex>

#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

class Timeout : public testing::TestWithParam<const char*> {};

TEST_P(Timeout, APeerThatNeverCalls) {
  run_ranks({.rank_count = 2, .transports = GetParam(), .timeout_ms = 300, .name = "impatient"}, [](int rank, tuttiComm_t& comm) {
    int64_t sum = 0;
    if (rank == 0) {
      const std::vector<std::string> words{"allreduce #0", "\"impatient\"", "300 ms", "rank 0 waits for rank 1"};
      expect_error(all_reduce_once(comm, 1, &sum), tuttiTimeout, words);
      expect_error(all_reduce_once(comm, 1, &sum), tuttiTimeout, words);
      return;
    }
    tuttiResult_t state = tuttiSuccess;
    while (state == tuttiSuccess) {  // until rank 0 tells why it has failed
      ASSERT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    }
    EXPECT_EQ(state, tuttiTimeout);
    EXPECT_THAT(tuttiGetLastError(comm), HasSubstr("rank 0 waits for rank 1"));
  });
}

TEST_P(Timeout, AMessageThatIsNeverSent) {
  run_ranks({.rank_count = 2, .transports = GetParam(), .timeout_ms = 300}, [](int rank, tuttiComm_t& comm) {
    if (rank == 0) {
      float value = 0;
      ASSERT_EQ(tuttiRecv(&value, 1, tuttiFloat32, 1, comm, nullptr), tuttiSuccess);
      expect_error(outcome_of(tuttiCommSynchronize(comm)), tuttiTimeout, {"receive #0", "from rank 1", "300 ms"});
      return;
    }
    tuttiResult_t state = tuttiSuccess;
    while (state == tuttiSuccess) {
      ASSERT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    }
    EXPECT_EQ(state, tuttiTimeout);
  });
}

TEST_P(Timeout, RanksThatNeverStart) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  tuttiConfig_t config = default_config();
  config.timeoutMs = 300;
  config.transports = GetParam();
  run_threads(2, [&](int rank) {
    tuttiComm_t comm = nullptr;
    const Outcome outcome = outcome_of(tuttiCommInitRankConfig(&comm, 5, id, rank == 0 ? 0 : 3, &config));
    expect_error(outcome, tuttiTimeout, {"300 ms", "1, 2, 4"});
    EXPECT_EQ(comm, nullptr);
  });
}

INSTANTIATE_TEST_SUITE_P(, Timeout, testing::Values("shm", "tcp"),
                         [](const testing::TestParamInfo<const char*>& transports) { return std::string(transports.param); });

}  // namespace
}  // namespace tutti::robustness
