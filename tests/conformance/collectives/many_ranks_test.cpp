// SPDX-License-Identifier: Apache-2.0
// More ranks, as threads, than have links to each other from the beginning.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <vector>

#include "support/thread_world.hpp"

namespace tutti::tests {
namespace {

class ManyThreads : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(RankCounts, ManyThreads, testing::Values(33, 65));

// Whether this process may have as many descriptors as links of all ranks need; raises what it has to what it may have.
bool may_have_descriptors(rlim_t count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return false;
  }
  limit.rlim_cur = limit.rlim_max;
  return limit.rlim_max >= count && ::setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

TEST_P(ManyThreads, ReduceAndSendAcross) {
  constexpr rlim_t kDescriptorCount = 8192;
  if (!may_have_descriptors(kDescriptorCount)) {
    GTEST_SKIP() << "a process may have less than " << kDescriptorCount << " descriptors here";
  }
  const int rank_count = GetParam();
  ThreadWorld world({.rank_count = rank_count});
  ASSERT_EQ(world.failures(), "");
  world.run([&](int rank) -> std::string {
    const tuttiComm_t comm = world.comm(rank);
    std::vector<int64_t> values{rank, 1};
    if (tuttiAllReduce(values.data(), values.data(), 2, tuttiInt64, tuttiSum, comm, nullptr) != tuttiSuccess ||
        tuttiCommSynchronize(comm) != tuttiSuccess) {
      return tuttiGetLastError(comm);
    }
    if (values[0] != int64_t{rank_count} * (rank_count - 1) / 2 || values[1] != rank_count) {
      return "wrong sum";
    }
    // To a rank that is no neighbour.
    const int distance = 11;
    int64_t got = -1;
    int64_t own = rank;
    if (tuttiGroupStart() != tuttiSuccess || tuttiSend(&own, 1, tuttiInt64, (rank + distance) % rank_count, comm, nullptr) != tuttiSuccess ||
        tuttiRecv(&got, 1, tuttiInt64, (rank + rank_count - distance) % rank_count, comm, nullptr) != tuttiSuccess ||
        tuttiGroupEnd() != tuttiSuccess || tuttiCommSynchronize(comm) != tuttiSuccess) {
      return tuttiGetLastError(comm);
    }
    if (got != (rank + rank_count - distance) % rank_count) {
      return "wrong message";
    }
    return tuttiCommFinalize(comm) == tuttiSuccess ? "" : tuttiGetLastError(comm);
  });
  EXPECT_EQ(world.failures(), "");
}

}  // namespace
}  // namespace tutti::tests
