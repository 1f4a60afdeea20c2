// SPDX-License-Identifier: Apache-2.0
// Handles that are NULL, garbage, freed or freed twice; calls after finalisation; wrong configurations.
#include <array>
#include <thread>

#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

int64_t input = 1;
int64_t output = 0;

Outcome use(tuttiComm_t comm) { return outcome_of(tuttiAllReduce(&input, &output, 1, tuttiInt64, tuttiSum, comm, nullptr)); }

// Every function that takes a communicator refuses this one.
void expect_refused_everywhere(tuttiComm_t comm, const std::vector<std::string>& words) {
  int number = 0;
  void* handle = nullptr;
  tuttiWindow_t window = nullptr;
  float scalar = 1;
  tuttiRedOp_t op = tuttiSum;
  tuttiComm_t child = nullptr;
  tuttiResult_t state = tuttiSuccess;
  const size_t count = 1;
  const auto refused = [&](tuttiResult_t code) { expect_error(outcome_of(code), tuttiInvalidArgument, words); };
  refused(tuttiCommCount(comm, &number));
  refused(tuttiCommUserRank(comm, &number));
  refused(tuttiCommSynchronize(comm));
  refused(tuttiCommGetAsyncError(comm, &state));
  refused(tuttiCommFinalize(comm));
  refused(tuttiCommSplit(comm, 0, 0, &child, nullptr));
  refused(tuttiCommRegister(comm, &input, sizeof input, &handle));
  refused(tuttiCommDeregister(comm, &input));
  refused(tuttiCommWindowRegister(comm, &input, sizeof input, &window, TUTTI_WIN_DEFAULT));
  refused(tuttiCommWindowDeregister(comm, window));
  refused(tuttiRedOpCreate(&op, [](const void*, void*, size_t, tuttiDataType_t, void*) {}, nullptr, comm));
  refused(tuttiRedOpCreatePreMulSum(&op, &scalar, tuttiFloat32, tuttiScalarHostImmediate, comm));
  refused(tuttiRedOpDestroy(op, comm));
  refused(tuttiAllReduce(&input, &output, 1, tuttiInt64, tuttiSum, comm, nullptr));
  refused(tuttiReduce(&input, &output, 1, tuttiInt64, tuttiSum, 0, comm, nullptr));
  refused(tuttiBroadcast(&input, &output, 1, tuttiInt64, 0, comm, nullptr));
  refused(tuttiAllGather(&input, &output, 1, tuttiInt64, comm, nullptr));
  refused(tuttiReduceScatter(&input, &output, 1, tuttiInt64, tuttiSum, comm, nullptr));
  refused(tuttiAlltoAll(&input, &output, 1, tuttiInt64, comm, nullptr));
  refused(tuttiGather(&input, &output, 1, tuttiInt64, 0, comm, nullptr));
  refused(tuttiScatter(&input, &output, 1, tuttiInt64, 0, comm, nullptr));
  refused(tuttiBarrier(comm, nullptr));
  refused(tuttiAllGatherV(&input, 1, &output, &count, &count, tuttiInt64, comm, nullptr));
  refused(tuttiReduceScatterV(&input, &output, &count, tuttiInt64, tuttiSum, comm, nullptr));
  refused(tuttiAlltoAllV(&input, &count, &count, &output, &count, &count, tuttiInt64, comm, nullptr));
  refused(tuttiGatherV(&input, 1, &output, &count, &count, tuttiInt64, 0, comm, nullptr));
  refused(tuttiScatterV(&input, &count, &count, &output, 1, tuttiInt64, 0, comm, nullptr));
  refused(tuttiSend(&input, 1, tuttiInt64, 0, comm, nullptr));
  refused(tuttiRecv(&output, 1, tuttiInt64, 0, comm, nullptr));
}

void destroy_both(tuttiComm_t a, tuttiComm_t b) {
  std::thread other([b] { EXPECT_EQ(tuttiCommDestroy(b), tuttiSuccess); });
  EXPECT_EQ(tuttiCommDestroy(a), tuttiSuccess);
  other.join();
}

TEST(WrongHandles, NullCommunicator) {
  expect_refused_everywhere(nullptr, {"comm is NULL"});
  EXPECT_EQ(tuttiCommDestroy(nullptr), tuttiSuccess);
  EXPECT_EQ(tuttiCommAbort(nullptr), tuttiSuccess);
}

TEST(WrongHandles, GarbageCommunicator) {
  for (const uintptr_t bits : {uintptr_t{1}, uintptr_t{0xdeadbeef}, UINTPTR_MAX, reinterpret_cast<uintptr_t>(&input)}) {
    const auto comm = reinterpret_cast<tuttiComm_t>(bits);
    expect_refused_everywhere(comm, {"comm is 0x"});
    expect_error(outcome_of(tuttiCommDestroy(comm)), tuttiInvalidArgument, {"comm is 0x"});
    expect_error(outcome_of(tuttiCommAbort(comm)), tuttiInvalidArgument, {"comm is 0x"});
    EXPECT_THAT(tuttiGetLastError(comm), HasSubstr("never made or has been destroyed"));
  }
}

TEST(WrongHandles, DestroyedCommunicatorAlsoOnceItsPlaceIsTakenAgain) {
  LocalRanks ranks(2);
  const tuttiComm_t a = ranks.take(0);
  destroy_both(a, ranks.take(1));
  expect_refused_everywhere(a, {"has been destroyed"});
  expect_error(outcome_of(tuttiCommDestroy(a)), tuttiInvalidArgument, {"tuttiCommDestroy", "has been destroyed"});
  expect_error(outcome_of(tuttiCommAbort(a)), tuttiInvalidArgument, {"tuttiCommAbort", "has been destroyed"});
  LocalRanks successors(2);
  EXPECT_NE(successors[0], a);
  EXPECT_NE(successors[1], a);
  expect_refused_everywhere(a, {"has been destroyed"});
  successors.expect_works();
}

TEST(WrongHandles, AbortedCommunicator) {
  LocalRanks ranks(2);
  const tuttiComm_t a = ranks.take(0);
  ASSERT_EQ(tuttiCommAbort(a), tuttiSuccess);
  expect_refused_everywhere(a, {"has been destroyed"});
  expect_error(outcome_of(tuttiCommDestroy(a)), tuttiInvalidArgument, {"has been destroyed"});
}

TEST(WrongHandles, NullResults) {
  LocalRanks ranks(2);
  void* handle = nullptr;
  tuttiWindow_t window = nullptr;
  const auto refused = [](tuttiResult_t code, const std::string& words) { expect_error(outcome_of(code), tuttiInvalidArgument, {words}); };
  tuttiUniqueId id{};
  tuttiComm_t comm = nullptr;
  refused(tuttiGetVersion(nullptr), "version is NULL");
  refused(tuttiGetUniqueId(nullptr), "uniqueId is NULL");
  refused(tuttiCommInitRank(nullptr, 1, id, 0), "comm is NULL");
  refused(tuttiCommInitRankConfig(nullptr, 1, id, 0, nullptr), "comm is NULL");
  refused(tuttiCommInitRankScalable(nullptr, 1, 0, 1, &id, nullptr), "comm is NULL");
  refused(tuttiCommInitRankScalable(&comm, 1, 0, 1, nullptr, nullptr), "commIds is NULL");
  refused(tuttiCommInitRankScalable(&comm, 1, 0, 0, &id, nullptr), "nId is 0");
  refused(tuttiCommInitRankScalable(&comm, 1, 0, 2, &id, nullptr), "nId is 2");
  refused(tuttiCommInitAll(nullptr, 1, nullptr), "comms is NULL");
  refused(tuttiCommInitFromEnv(nullptr, nullptr), "comm is NULL");
  refused(tuttiCommSplit(ranks[0], 0, 0, nullptr, nullptr), "newcomm is NULL");
  refused(tuttiCommCount(ranks[0], nullptr), "count is NULL");
  refused(tuttiCommUserRank(ranks[0], nullptr), "rank is NULL");
  refused(tuttiCommGetAsyncError(ranks[0], nullptr), "asyncError is NULL");
  refused(tuttiMemAlloc(nullptr, 1), "ptr is NULL");
  refused(tuttiCommRegister(ranks[0], &input, sizeof input, nullptr), "handle is NULL");
  refused(tuttiCommRegister(ranks[0], nullptr, sizeof input, &handle), "buff is NULL");
  refused(tuttiCommRegister(ranks[0], &input, 0, &handle), "size is 0");
  refused(tuttiCommDeregister(ranks[0], nullptr), "handle is");
  refused(tuttiCommWindowRegister(ranks[0], &input, sizeof input, nullptr, TUTTI_WIN_DEFAULT), "win is NULL");
  refused(tuttiCommWindowRegister(ranks[0], nullptr, sizeof input, &window, TUTTI_WIN_DEFAULT), "buff is NULL");
  refused(tuttiCommWindowRegister(ranks[0], &input, 0, &window, TUTTI_WIN_DEFAULT), "size is 0");
  refused(tuttiCommWindowRegister(ranks[0], &input, sizeof input, &window, 2), "winFlags is 2");
  refused(tuttiCommWindowRegister(ranks[0], &input, sizeof input, &window, -1), "winFlags is -1");
  refused(tuttiCommWindowDeregister(ranks[0], nullptr), "win is");
  refused(tuttiStreamCreate(nullptr), "stream is NULL");
  refused(tuttiEventCreate(nullptr), "event is NULL");
  ranks.expect_works();
}

TEST(WrongHandles, Memory) {
  void* memory = &input;
  expect_error(outcome_of(tuttiMemAlloc(&memory, 0)), tuttiInvalidArgument, {"size is 0"});
  EXPECT_EQ(memory, nullptr);
  expect_error(outcome_of(tuttiMemAlloc(&memory, SIZE_MAX / 2)), tuttiSystemError, {std::to_string(SIZE_MAX / 2)});
  EXPECT_EQ(tuttiMemFree(nullptr), tuttiSuccess);
  expect_error(outcome_of(tuttiMemFree(&input)), tuttiInvalidArgument, {"ptr is 0x"});
  ASSERT_EQ(tuttiMemAlloc(&memory, 100), tuttiSuccess);
  expect_error(outcome_of(tuttiMemFree(static_cast<char*>(memory) + 8)), tuttiInvalidArgument, {"ptr is 0x"});
  EXPECT_EQ(tuttiMemFree(memory), tuttiSuccess);
  expect_error(outcome_of(tuttiMemFree(memory)), tuttiInvalidArgument, {"ptr is 0x"});
}

TEST(WrongHandles, Registrations) {
  LocalRanks ranks(2);
  void* handle = nullptr;
  ASSERT_EQ(tuttiCommRegister(ranks[0], &input, sizeof input, &handle), tuttiSuccess);
  EXPECT_EQ(tuttiCommDeregister(ranks[0], handle), tuttiSuccess);
  expect_error(outcome_of(tuttiCommDeregister(ranks[0], handle)), tuttiInvalidArgument, {"handle is 0x"});
  expect_error(outcome_of(tuttiCommDeregister(ranks[0], &input)), tuttiInvalidArgument, {"handle is 0x"});
  ranks.expect_works();
}

TEST(WrongHandles, Windows) {
  LocalRanks ranks(2);
  void* memory = nullptr;
  ASSERT_EQ(tuttiMemAlloc(&memory, 5'000'000), tuttiSuccess);
  void* handle = nullptr;
  ASSERT_EQ(tuttiCommRegister(ranks[0], &input, sizeof input, &handle), tuttiSuccess);
  for (const int flags : {TUTTI_WIN_DEFAULT, TUTTI_WIN_COLL_SYMMETRIC}) {
    for (void* const buffer : {memory, static_cast<void*>(&input)}) {
      tuttiWindow_t window = nullptr;
      ASSERT_EQ(tuttiCommWindowRegister(ranks[0], buffer, sizeof input, &window, flags), tuttiSuccess);
      ASSERT_NE(window, nullptr);
      EXPECT_EQ(tuttiCommWindowDeregister(ranks[0], window), tuttiSuccess);
      expect_error(outcome_of(tuttiCommWindowDeregister(ranks[0], window)), tuttiInvalidArgument, {"win is 0x"});
    }
  }
  expect_error(outcome_of(tuttiCommWindowDeregister(ranks[0], reinterpret_cast<tuttiWindow_t>(&input))), tuttiInvalidArgument, {"win is 0x"});
  EXPECT_EQ(tuttiCommDeregister(ranks[0], handle), tuttiSuccess);  // handles of the two kinds do not meet
  EXPECT_EQ(tuttiMemFree(memory), tuttiSuccess);
  ranks.expect_works();
}

TEST(WrongHandles, StreamsAndEvents) {
  tuttiStream_t stream = nullptr;
  tuttiEvent_t event = nullptr;
  ASSERT_EQ(tuttiStreamCreate(&stream), tuttiSuccess);
  ASSERT_EQ(tuttiEventCreate(&event), tuttiSuccess);
  const auto refused = [](tuttiResult_t code, const std::string& words) { expect_error(outcome_of(code), tuttiInvalidArgument, {words}); };
  const auto function = [](void*) {};
  const auto check = [&](tuttiStream_t bad_stream, const std::string& stream_words, tuttiEvent_t bad_event, const std::string& event_words) {
    refused(tuttiStreamSynchronize(bad_stream), "tuttiStreamSynchronize: stream " + stream_words);
    refused(tuttiStreamQuery(bad_stream), "tuttiStreamQuery: stream " + stream_words);
    refused(tuttiStreamDestroy(bad_stream), "tuttiStreamDestroy: stream " + stream_words);
    refused(tuttiStreamLaunchHostFunc(bad_stream, function, nullptr), "tuttiStreamLaunchHostFunc: stream " + stream_words);
    refused(tuttiStreamWaitEvent(bad_stream, event), "tuttiStreamWaitEvent: stream " + stream_words);
    refused(tuttiEventRecord(event, bad_stream), "tuttiEventRecord: stream " + stream_words);
    refused(tuttiStreamWaitEvent(stream, bad_event), "tuttiStreamWaitEvent: event " + event_words);
    refused(tuttiEventRecord(bad_event, stream), "tuttiEventRecord: event " + event_words);
    refused(tuttiEventSynchronize(bad_event), "tuttiEventSynchronize: event " + event_words);
    refused(tuttiEventQuery(bad_event), "tuttiEventQuery: event " + event_words);
    refused(tuttiEventDestroy(bad_event), "tuttiEventDestroy: event " + event_words);
  };
  check(nullptr, "is NULL", nullptr, "is NULL");
  check(reinterpret_cast<tuttiStream_t>(&input), "is 0x", reinterpret_cast<tuttiEvent_t>(&input), "is 0x");
  refused(tuttiStreamLaunchHostFunc(stream, nullptr, nullptr), "function is NULL");

  tuttiStream_t freed_stream = nullptr;
  tuttiEvent_t freed_event = nullptr;
  ASSERT_EQ(tuttiStreamCreate(&freed_stream), tuttiSuccess);
  ASSERT_EQ(tuttiEventCreate(&freed_event), tuttiSuccess);
  ASSERT_EQ(tuttiStreamDestroy(freed_stream), tuttiSuccess);
  ASSERT_EQ(tuttiEventDestroy(freed_event), tuttiSuccess);
  check(freed_stream, "is 0x", freed_event, "is 0x");

  EXPECT_EQ(tuttiEventSynchronize(event), tuttiSuccess) << "never recorded";
  EXPECT_EQ(tuttiEventQuery(event), tuttiSuccess);
  EXPECT_EQ(tuttiEventDestroy(event), tuttiSuccess);
  EXPECT_EQ(tuttiStreamDestroy(stream), tuttiSuccess);
}

TEST(WrongHandles, AnEventOutlivesItsStream) {
  tuttiStream_t stream = nullptr;
  tuttiStream_t other = nullptr;
  tuttiEvent_t event = nullptr;
  ASSERT_EQ(tuttiStreamCreate(&stream), tuttiSuccess);
  ASSERT_EQ(tuttiStreamCreate(&other), tuttiSuccess);
  ASSERT_EQ(tuttiEventCreate(&event), tuttiSuccess);
  ASSERT_EQ(tuttiStreamLaunchHostFunc(stream, [](void*) {}, nullptr), tuttiSuccess);
  ASSERT_EQ(tuttiEventRecord(event, stream), tuttiSuccess);
  ASSERT_EQ(tuttiStreamDestroy(stream), tuttiSuccess);
  EXPECT_EQ(tuttiEventQuery(event), tuttiSuccess);
  EXPECT_EQ(tuttiStreamWaitEvent(other, event), tuttiSuccess);
  EXPECT_EQ(tuttiStreamSynchronize(other), tuttiSuccess);
  EXPECT_EQ(tuttiEventDestroy(event), tuttiSuccess);
  EXPECT_EQ(tuttiStreamDestroy(other), tuttiSuccess);
}

TEST(WrongStates, AfterFinalisationOnlyQueriesAndTheEnd) {
  run_ranks({.rank_count = 2}, [](int rank, tuttiComm_t& comm) {
    ASSERT_EQ(tuttiCommFinalize(comm), tuttiSuccess) << tuttiGetLastError(nullptr);
    expect_error(use(comm), tuttiInvalidUsage, {"tuttiAllReduce", "finalised"});
    expect_error(outcome_of(tuttiBarrier(comm, nullptr)), tuttiInvalidUsage, {"finalised"});
    expect_error(outcome_of(tuttiCommFinalize(comm)), tuttiInvalidUsage, {"finalised"});
    expect_error(outcome_of(tuttiCommSynchronize(comm)), tuttiInvalidUsage, {"finalised"});
    int number = -1;
    EXPECT_EQ(tuttiCommUserRank(comm, &number), tuttiSuccess);
    EXPECT_EQ(number, rank);
    tuttiResult_t state = tuttiInternalError;
    EXPECT_EQ(tuttiCommGetAsyncError(comm, &state), tuttiSuccess);
    EXPECT_EQ(state, tuttiSuccess);
    EXPECT_EQ(rank == 0 ? tuttiCommDestroy(comm) : tuttiCommAbort(comm), tuttiSuccess) << tuttiGetLastError(nullptr);
    comm = nullptr;
  });
}

TEST(WrongGroups, EndWithoutStart) {
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidUsage, {"tuttiGroupEnd", "no group is open"});
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess);
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidUsage, {"no group is open"});
  LocalRanks(2).expect_works();
}

TEST(WrongGroups, LifecycleInsideAGroup) {
  LocalRanks ranks(2);
  const tuttiComm_t comm = ranks[0];
  tuttiComm_t child = nullptr;
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  const std::vector<std::string> words{"between tuttiGroupStart and tuttiGroupEnd"};
  expect_error(outcome_of(tuttiCommDestroy(comm)), tuttiInvalidUsage, words);
  expect_error(outcome_of(tuttiCommFinalize(comm)), tuttiInvalidUsage, words);
  expect_error(outcome_of(tuttiCommSplit(comm, 0, 0, &child, nullptr)), tuttiInvalidUsage, words);
  expect_error(outcome_of(tuttiCommInitAll(&child, 1, nullptr)), tuttiInvalidUsage, words);
  expect_error(outcome_of(tuttiCommInitFromEnv(&child, nullptr)), tuttiInvalidUsage, words);
  EXPECT_EQ(tuttiGroupEnd(), tuttiSuccess);
  ranks.expect_works();
}

// An abort is allowed in any state, so also where its thread has a group open.
TEST(WrongGroups, AbortInsideAGroupFailsTheGroup) {
  LocalRanks ranks(2);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  EXPECT_EQ(tuttiBarrier(ranks[0], nullptr), tuttiSuccess);
  EXPECT_EQ(tuttiCommAbort(ranks.take(0)), tuttiSuccess);
  expect_error(outcome_of(tuttiGroupEnd()), tuttiAborted, {"aborted by rank 0"});
}

TEST(WrongGroups, AnErrorOfANestedGroupIsToldByTheOutermostEnd) {
  LocalRanks ranks(2);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  EXPECT_EQ(tuttiBarrier(ranks[0], nullptr), tuttiSuccess);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  EXPECT_EQ(tuttiBroadcast(&input, &output, 1, tuttiInt64, 9, ranks[0], nullptr), tuttiInvalidArgument);
  EXPECT_EQ(tuttiGroupEnd(), tuttiSuccess) << "only the outermost end acts";
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidArgument, {"root is 9"});
  ranks.expect_works();
}

TEST(WrongGroups, AnOperatorDestroyedWithinTheGroupStillServesTheCallsBefore) {
  LocalRanks ranks(2);
  const std::array<int64_t, 2> inputs{10, 20};
  std::array<int64_t, 2> outputs{};
  int64_t scalar = 3;
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  for (int rank = 0; rank < 2; ++rank) {
    const auto index = static_cast<size_t>(rank);
    tuttiRedOp_t op = tuttiSum;
    ASSERT_EQ(tuttiRedOpCreatePreMulSum(&op, &scalar, tuttiInt64, tuttiScalarHostImmediate, ranks[rank]), tuttiSuccess);
    EXPECT_EQ(tuttiAllReduce(&inputs[index], &outputs[index], 1, tuttiInt64, op, ranks[rank], nullptr), tuttiSuccess);
    EXPECT_EQ(tuttiRedOpDestroy(op, ranks[rank]), tuttiSuccess);
  }
  ASSERT_EQ(tuttiGroupEnd(), tuttiSuccess) << tuttiGetLastError(nullptr);
  for (int rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(tuttiCommSynchronize(ranks[rank]), tuttiSuccess);
    EXPECT_EQ(outputs[static_cast<size_t>(rank)], 90);
  }
  ranks.expect_works();
}

TEST(WrongGroups, TooManyCalls) {
  LocalRanks ranks(1);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  for (int call = 0; call < 5'000; ++call) {
    ASSERT_EQ(tuttiBarrier(ranks[0], nullptr), tuttiSuccess);
  }
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidUsage, {"4096"});
  ranks.expect_works();
}

// Another thread's open group neither keeps a communicator alive nor its end waiting.
TEST(WrongGroups, DestroyedWhileAnotherThreadsGroupIsOpen) {
  LocalRanks ranks(2);
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  EXPECT_EQ(tuttiBarrier(ranks[0], nullptr), tuttiSuccess);
  std::thread([&] { destroy_both(ranks.take(0), ranks.take(1)); }).join();
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidUsage, {"tuttiBarrier"});
}

class WrongConfigurations : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(tuttiGetUniqueId(&id_), tuttiSuccess); }
  void expect_refused(const tuttiConfig_t& config, const std::vector<std::string>& words, tuttiResult_t code = tuttiInvalidArgument) {
    tuttiComm_t comm = reinterpret_cast<tuttiComm_t>(&input);
    expect_error(outcome_of(tuttiCommInitRankConfig(&comm, 1, id_, 0, &config)), code, words);
    EXPECT_EQ(comm, nullptr);
  }
  tuttiUniqueId id_{};
  tuttiConfig_t config_ = default_config();
};

TEST_F(WrongConfigurations, Header) {
  config_.magic = 0x12345678;
  expect_refused(config_, {"magic is 0x12345678"});
  config_ = default_config();
  config_.size = 3;
  expect_refused(config_, {"size is 3"});
  config_ = {};
  expect_refused(config_, {"magic is 0"});
}

TEST_F(WrongConfigurations, Numbers) {
  config_.timeoutMs = -5;
  expect_refused(config_, {"timeoutMs is -5"});
  config_ = default_config();
  config_.blocking = 2;
  expect_refused(config_, {"blocking is 2"});
}

TEST_F(WrongConfigurations, Words) {
  for (const char* const transports : {"warp", "shm,warp", "warp,"}) {
    config_.transports = transports;
    expect_refused(config_, {"warp"});
  }
  config_.transports = "^shm,tcp";
  expect_refused(config_, {"^shm,tcp"});
  config_ = default_config();
  for (const char* const algorithms : {"allreduce:warp", "allwarp:ring", "allreduce", "allreduce:ring;broadcast:warp"}) {
    config_.algorithms = algorithms;
    expect_refused(config_, {"TUTTI_ALGO"});
  }
  config_ = default_config();
  const std::string endless(100'000, 'x');
  config_.commName = endless.c_str();
  expect_refused(config_, {"commName"});
}

TEST_F(WrongConfigurations, Environment) {
  const auto refused = [&](const char* variable, const char* value) {
    const ScopedVariable scoped(variable, value);
    expect_refused(default_config(), {variable, value});
  };
  {
    const ScopedVariable scoped("TUTTI_ALGO", "allreduce:warp");
    expect_refused(default_config(), {"TUTTI_ALGO", "\"warp\""});
  }
  refused("TUTTI_TRANSPORTS", "warp");
  refused("TUTTI_TIMEOUT_MS", "-1");
  refused("TUTTI_TIMEOUT_MS", "soon");
  refused("TUTTI_SLICE_BYTES", "1k");
  refused("TUTTI_DEBUG", "LOUD");
  LocalRanks(2).expect_works();
}

TEST(WrongPlaces, RanksAndIds) {
  tuttiUniqueId id;
  ASSERT_EQ(tuttiGetUniqueId(&id), tuttiSuccess);
  tuttiComm_t comm = nullptr;
  const auto refused = [&](int rank_count, int rank, const std::vector<std::string>& words) {
    expect_error(outcome_of(tuttiCommInitRank(&comm, rank_count, id, rank)), tuttiInvalidArgument, words);
    EXPECT_EQ(comm, nullptr);
  };
  refused(0, 0, {"nranks is 0"});
  refused(-3, 0, {"nranks is -3"});
  refused(2, 2, {"rank is 2", "0..1"});
  refused(2, -1, {"rank is -1"});
  refused(INT_MAX, 0, {std::to_string(INT_MAX)});
  expect_error(outcome_of(tuttiCommInitAll(&comm, 0, nullptr)), tuttiInvalidArgument, {"ndev is 0"});
  expect_error(outcome_of(tuttiCommInitAll(&comm, -1, nullptr)), tuttiInvalidArgument, {"ndev is -1"});

  const tuttiUniqueId zeros{};
  expect_error(outcome_of(tuttiCommInitRank(&comm, 1, zeros, 0)), tuttiInvalidArgument, {"commId"});
  tuttiUniqueId garbage;
  std::mt19937_64 random(seed());
  for (int round = 0; round < 100; ++round) {
    for (char& byte : garbage.internal) {
      byte = static_cast<char>(random());
    }
    expect_error(outcome_of(tuttiCommInitRank(&comm, 1, garbage, 0)), tuttiInvalidArgument, {"commId"});
  }
}

TEST(WrongPlaces, NoLauncher) {
  const ScopedVariable rank("RANK", "");
  tuttiComm_t comm = nullptr;
  const Outcome outcome = outcome_of(tuttiCommInitFromEnv(&comm, nullptr));
  expect_error(outcome, tuttiInvalidUsage, {"PMIX_RANK", "RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"});
}

TEST(WrongSplits, ColoursAndUse) {
  LocalRanks ranks(2);
  tuttiComm_t child = nullptr;
  expect_error(outcome_of(tuttiCommSplit(ranks[0], -7, 0, &child, nullptr)), tuttiInvalidArgument, {"color is -7"});
  tuttiConfig_t config = default_config();
  config.magic = 1;
  expect_error(outcome_of(tuttiCommSplit(ranks[0], 0, 0, &child, &config)), tuttiInvalidArgument, {"magic is 0x1"});
  ranks.expect_works();
}

TEST(UnknownCodes, HaveWordsToo) {
  for (const int code : {-1, static_cast<int>(tuttiNumResults), INT_MAX, INT_MIN}) {
    EXPECT_STREQ(tuttiGetErrorString(static_cast<tuttiResult_t>(code)), "unknown result code");
  }
}

}  // namespace
}  // namespace tutti::robustness
