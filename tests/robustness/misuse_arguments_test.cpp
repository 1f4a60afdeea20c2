// SPDX-License-Identifier: Apache-2.0
// Wrong arguments of collectives and messages: the code, the words, and a communicator that works on.
#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "robustness/support.hpp"

namespace tutti::robustness {
namespace {

constexpr size_t kHuge = std::numeric_limits<size_t>::max() / 2;
constexpr int kRanks = 3;
constexpr size_t kCount = 8;

alignas(64) std::array<int32_t, 256> input;
alignas(64) std::array<int32_t, 256> output;

// Every argument that a call may get wrong, with values that are right.
struct Arguments {
  const void* send = input.data();
  void* receive = output.data();
  size_t count = kCount;
  tuttiDataType_t datatype = tuttiInt32;
  tuttiRedOp_t op = tuttiSum;
  int root = 0;  // or peer
  tuttiComm_t comm = nullptr;
  tuttiStream_t stream = nullptr;
};

enum Has : unsigned { kSend = 1, kReceive = 2, kOperator = 4, kRoot = 8, kPeer = 16, kInPlaceBlocks = 32 };

struct Function {
  const char* name;
  unsigned has;
  tuttiResult_t (*call)(const Arguments&);
};

constexpr Function kFunctions[] = {
    {"tuttiAllReduce", kSend | kReceive | kOperator,
     [](const Arguments& a) { return tuttiAllReduce(a.send, a.receive, a.count, a.datatype, a.op, a.comm, a.stream); }},
    {"tuttiReduce", kSend | kReceive | kOperator | kRoot,
     [](const Arguments& a) { return tuttiReduce(a.send, a.receive, a.count, a.datatype, a.op, a.root, a.comm, a.stream); }},
    {"tuttiBroadcast", kSend | kReceive | kRoot,
     [](const Arguments& a) { return tuttiBroadcast(a.send, a.receive, a.count, a.datatype, a.root, a.comm, a.stream); }},
    {"tuttiBroadcast", kReceive | kRoot,
     [](const Arguments& a) { return tuttiBcast(a.receive, a.count, a.datatype, a.root, a.comm, a.stream); }},
    {"tuttiAllGather", kSend | kReceive | kInPlaceBlocks,
     [](const Arguments& a) { return tuttiAllGather(a.send, a.receive, a.count, a.datatype, a.comm, a.stream); }},
    {"tuttiReduceScatter", kSend | kReceive | kOperator | kInPlaceBlocks,
     [](const Arguments& a) { return tuttiReduceScatter(a.send, a.receive, a.count, a.datatype, a.op, a.comm, a.stream); }},
    {"tuttiAlltoAll", kSend | kReceive,
     [](const Arguments& a) { return tuttiAlltoAll(a.send, a.receive, a.count, a.datatype, a.comm, a.stream); }},
    {"tuttiGather", kSend | kReceive | kRoot | kInPlaceBlocks,
     [](const Arguments& a) { return tuttiGather(a.send, a.receive, a.count, a.datatype, a.root, a.comm, a.stream); }},
    {"tuttiScatter", kSend | kReceive | kRoot | kInPlaceBlocks,
     [](const Arguments& a) { return tuttiScatter(a.send, a.receive, a.count, a.datatype, a.root, a.comm, a.stream); }},
    {"tuttiSend", kSend | kPeer,
     [](const Arguments& a) { return tuttiSend(a.send, a.count, a.datatype, a.root, a.comm, a.stream); }},
    {"tuttiRecv", kReceive | kPeer,
     [](const Arguments& a) { return tuttiRecv(a.receive, a.count, a.datatype, a.root, a.comm, a.stream); }},
};

class WrongArguments : public testing::TestWithParam<Function> {
 protected:
  Arguments right() const { return {.comm = ranks_[0]}; }
  bool has(unsigned what) const { return (GetParam().has & what) != 0; }

  // The call fails so, on rank 0; then an allreduce works.
  void expect_refused(const Arguments& arguments, std::vector<std::string> words) const {
    words.emplace_back(GetParam().name);
    const Outcome outcome = outcome_of(GetParam().call(arguments));
    expect_error(outcome, tuttiInvalidArgument, words);
    if (arguments.comm == ranks_[0] && arguments.stream == nullptr) {
      EXPECT_EQ(tuttiGetLastError(ranks_[0]), outcome.message) << "the communicator tells it too";
    }
    ranks_.expect_works();
  }

  LocalRanks ranks_{kRanks};
};

// Functions that have what goes wrong.
class WrongOperatorArguments : public WrongArguments {};
class WrongRootArguments : public WrongArguments {};
class WrongOverlapArguments : public WrongArguments {};

TEST_P(WrongArguments, NullBuffers) {
  if (has(kSend)) {
    Arguments arguments = right();
    arguments.send = nullptr;
    expect_refused(arguments, {"sendbuff is NULL"});
  }
  if (has(kReceive)) {
    Arguments arguments = right();
    arguments.receive = nullptr;
    const bool in_place_form = !has(kSend);
    expect_refused(arguments, {in_place_form && !has(kPeer) ? "buff is NULL" : "recvbuff is NULL"});
  }
}

TEST_P(WrongArguments, Communicators) {
  Arguments arguments = right();
  arguments.comm = nullptr;
  expect_refused(arguments, {"comm is NULL"});
  int on_stack = 0;
  for (void* const garbage : {static_cast<void*>(&on_stack), reinterpret_cast<void*>(uintptr_t{1}), reinterpret_cast<void*>(UINTPTR_MAX),
                              static_cast<void*>(output.data())}) {
    arguments.comm = static_cast<tuttiComm_t>(garbage);
    expect_refused(arguments, {"comm is 0x", "never made or has been destroyed"});
  }
}

TEST_P(WrongArguments, Streams) {
  tuttiStream_t stream = nullptr;
  ASSERT_EQ(tuttiStreamCreate(&stream), tuttiSuccess);
  ASSERT_EQ(tuttiStreamDestroy(stream), tuttiSuccess);
  Arguments arguments = right();
  arguments.stream = stream;
  expect_refused(arguments, {"stream is 0x", "never made or has been destroyed"});
  arguments.stream = reinterpret_cast<tuttiStream_t>(input.data());
  expect_refused(arguments, {"stream is 0x"});
}

TEST_P(WrongArguments, Datatypes) {
  for (const int datatype : {-1, static_cast<int>(tuttiNumTypes), INT_MAX, INT_MIN}) {
    Arguments arguments = right();
    arguments.datatype = static_cast<tuttiDataType_t>(datatype);
    expect_refused(arguments, {"datatype is " + std::to_string(datatype)});
  }
}

TEST_P(WrongOperatorArguments, AreRefused) {
  for (const int op : {-1, static_cast<int>(tuttiNumOps), 4711, INT_MAX, INT_MIN}) {
    Arguments arguments = right();
    arguments.op = static_cast<tuttiRedOp_t>(op);
    expect_refused(arguments, {"op is " + std::to_string(op)});
  }
  for (const tuttiDataType_t datatype : {tuttiFloat16, tuttiBfloat16, tuttiFloat32, tuttiFloat64, tuttiFloat8e4m3, tuttiFloat8e5m2}) {
    for (const tuttiRedOp_t op : {tuttiBand, tuttiBor, tuttiBxor}) {
      Arguments arguments = right();
      arguments.datatype = datatype;
      arguments.op = op;
      expect_refused(arguments, {"op is ", "float"});
    }
  }
}

TEST_P(WrongRootArguments, AreRefused) {
  for (const int root : {-1, kRanks, INT_MAX, INT_MIN}) {
    Arguments arguments = right();
    arguments.root = root;
    expect_refused(arguments, {(has(kPeer) ? "peer is " : "root is ") + std::to_string(root), "0.." + std::to_string(kRanks - 1)});
  }
}

TEST_P(WrongArguments, CountsWhoseBytesOverflow) {
  for (const size_t count : {std::numeric_limits<size_t>::max(), kHuge, kHuge / 4 + 1, std::numeric_limits<size_t>::max() / 4 + 1}) {
    Arguments arguments = right();
    arguments.count = count;
    expect_refused(arguments, {"count is " + std::to_string(count), "overflow"});
  }
}

TEST_P(WrongArguments, MisalignedBuffers) {
  const auto misalign = [](auto* pointer) { return reinterpret_cast<char*>(const_cast<int32_t*>(pointer)) + 2; };
  if (has(kSend)) {
    Arguments arguments = right();
    arguments.send = misalign(input.data());
    expect_refused(arguments, {"sendbuff is 0x", "not aligned", "int32"});
  }
  if (has(kReceive)) {
    Arguments arguments = right();
    arguments.receive = misalign(output.data());
    expect_refused(arguments, {"buff is 0x", "not aligned", "int32"});
  }
}

TEST_P(WrongOverlapArguments, AreRefused) {
  Arguments arguments = right();
  arguments.receive = input.data() + 3;
  expect_refused(arguments, {"overlap", "sendbuff", "recvbuff"});
  if (has(kInPlaceBlocks)) {  // in place for another rank is an overlap for this one
    const bool spreads = std::string(GetParam().name) == "tuttiScatter" || std::string(GetParam().name) == "tuttiReduceScatter";
    arguments.send = input.data() + (spreads ? 0 : kCount);
    arguments.receive = input.data() + (spreads ? kCount : 0);
    expect_refused(arguments, {"overlap", "sendbuff", "recvbuff"});
  }
}

TEST_P(WrongArguments, InAGroupNothingIsEnqueued) {
  // A right call, a wrong one and another right one: had the right ones been enqueued, the allreduce that follows would not match.
  Arguments wrong = right();
  wrong.datatype = tuttiNumTypes;
  ASSERT_EQ(tuttiGroupStart(), tuttiSuccess);
  EXPECT_EQ(tuttiBarrier(ranks_[0], nullptr), tuttiSuccess);
  EXPECT_EQ(GetParam().call(wrong), tuttiInvalidArgument);
  EXPECT_EQ(tuttiBarrier(ranks_[0], nullptr), tuttiSuccess);
  expect_error(outcome_of(tuttiGroupEnd()), tuttiInvalidArgument, {GetParam().name, "datatype is 12"});
  ranks_.expect_works();
}

std::vector<Function> functions_with(std::initializer_list<unsigned> wanted) {
  std::vector<Function> functions;
  std::ranges::copy_if(kFunctions, std::back_inserter(functions), [&](const Function& function) {
    return std::ranges::all_of(wanted, [&](unsigned any_of) { return (function.has & any_of) != 0; });
  });
  return functions;
}

std::string name_of(const testing::TestParamInfo<Function>& function) {
  return std::string(function.param.name) + std::to_string(function.index);
}

INSTANTIATE_TEST_SUITE_P(, WrongArguments, testing::ValuesIn(kFunctions), name_of);
INSTANTIATE_TEST_SUITE_P(, WrongOperatorArguments, testing::ValuesIn(functions_with({kOperator})), name_of);
INSTANTIATE_TEST_SUITE_P(, WrongRootArguments, testing::ValuesIn(functions_with({kRoot | kPeer})), name_of);
INSTANTIATE_TEST_SUITE_P(, WrongOverlapArguments, testing::ValuesIn(functions_with({kSend, kReceive})), name_of);

// The V forms: tables of counts and displacements.

class WrongTables : public testing::Test {
 protected:
  void expect_refused(tuttiResult_t code, const std::vector<std::string>& words) const {
    expect_error(outcome_of(code), tuttiInvalidArgument, words);
    ranks_.expect_works();
  }

  LocalRanks ranks_{kRanks};
  const tuttiComm_t comm_ = ranks_[0];
  std::array<size_t, kRanks> counts_{1, 2, 3};
  std::array<size_t, kRanks> displacements_{0, 1, 3};
};

TEST_F(WrongTables, NullCounts) {
  expect_refused(tuttiAllGatherV(input.data(), 1, output.data(), nullptr, displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"tuttiAllGatherV", "recvcounts is NULL"});
  expect_refused(tuttiReduceScatterV(input.data(), output.data(), nullptr, tuttiInt32, tuttiSum, comm_, nullptr),
                 {"tuttiReduceScatterV", "recvcounts is NULL"});
  expect_refused(tuttiAlltoAllV(input.data(), nullptr, displacements_.data(), output.data(), counts_.data(), displacements_.data(),
                                tuttiInt32, comm_, nullptr),
                 {"tuttiAlltoAllV", "sendcounts is NULL"});
  expect_refused(tuttiAlltoAllV(input.data(), counts_.data(), displacements_.data(), output.data(), nullptr, displacements_.data(),
                                tuttiInt32, comm_, nullptr),
                 {"tuttiAlltoAllV", "recvcounts is NULL"});
  expect_refused(tuttiGatherV(input.data(), 1, output.data(), nullptr, displacements_.data(), tuttiInt32, 0, comm_, nullptr),
                 {"tuttiGatherV", "recvcounts is NULL"});
  expect_refused(tuttiScatterV(input.data(), nullptr, displacements_.data(), output.data(), 1, tuttiInt32, 0, comm_, nullptr),
                 {"tuttiScatterV", "sendcounts is NULL"});
}

TEST_F(WrongTables, NullBuffers) {
  expect_refused(tuttiAllGatherV(nullptr, 1, output.data(), counts_.data(), displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"sendbuff is NULL"});
  expect_refused(tuttiReduceScatterV(input.data(), nullptr, counts_.data(), tuttiInt32, tuttiSum, comm_, nullptr), {"recvbuff is NULL"});
  expect_refused(tuttiAlltoAllV(nullptr, counts_.data(), displacements_.data(), output.data(), counts_.data(), displacements_.data(),
                                tuttiInt32, comm_, nullptr),
                 {"sendbuff is NULL"});
  expect_refused(tuttiGatherV(input.data(), 1, nullptr, counts_.data(), displacements_.data(), tuttiInt32, 0, comm_, nullptr),
                 {"recvbuff is NULL"});
  expect_refused(tuttiScatterV(nullptr, counts_.data(), displacements_.data(), output.data(), 1, tuttiInt32, 0, comm_, nullptr),
                 {"sendbuff is NULL"});
}

TEST_F(WrongTables, OwnBlocksThatDisagree) {
  expect_refused(tuttiAllGatherV(input.data(), 7, output.data(), counts_.data(), displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"sendcount is 7", "recvcounts[0] is 1"});
  expect_refused(tuttiGatherV(input.data(), 7, output.data(), counts_.data(), displacements_.data(), tuttiInt32, 0, comm_, nullptr),
                 {"sendcount is 7", "recvcounts[0] is 1"});
  expect_refused(tuttiScatterV(input.data(), counts_.data(), displacements_.data(), output.data(), 7, tuttiInt32, 0, comm_, nullptr),
                 {"recvcount is 7", "sendcounts[0] is 1"});
  const std::array<size_t, kRanks> other{5, 2, 3};
  expect_refused(tuttiAlltoAllV(input.data(), other.data(), displacements_.data(), output.data(), counts_.data(), displacements_.data(),
                                tuttiInt32, comm_, nullptr),
                 {"sendcounts[0] is 5", "recvcounts[0] is 1"});
}

TEST_F(WrongTables, BlocksThatOverlapOrOverflow) {
  displacements_ = {0, 1, 2};
  expect_refused(tuttiAllGatherV(input.data(), 1, output.data(), counts_.data(), displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"rdispls[2] is 2", "ends at 3"});
  displacements_ = {0, kHuge, 3};
  expect_refused(tuttiAllGatherV(input.data(), 1, output.data(), counts_.data(), displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"recvcounts[1] is 2", "overflow"});
  counts_ = {1, kHuge, kHuge};
  expect_refused(tuttiReduceScatterV(input.data(), output.data(), counts_.data(), tuttiInt32, tuttiSum, comm_, nullptr),
                 {"recvcounts[1] is " + std::to_string(kHuge), "overflow"});
}

TEST_F(WrongTables, BuffersThatOverlap) {
  expect_refused(tuttiAllGatherV(input.data() + 1, 1, input.data(), counts_.data(), displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"overlap"});
  expect_refused(tuttiReduceScatterV(input.data(), input.data() + 1, counts_.data(), tuttiInt32, tuttiSum, comm_, nullptr), {"overlap"});
  expect_refused(tuttiAlltoAllV(input.data(), counts_.data(), displacements_.data(), input.data() + 1, counts_.data(),
                                displacements_.data(), tuttiInt32, comm_, nullptr),
                 {"overlap"});
}

// Operators made at run time.

TEST(WrongOperators, OfAnotherTypeOrDestroyedOrOfAnotherCommunicator) {
  LocalRanks ranks(2);
  LocalRanks others(2);
  float scalar = 2;
  tuttiRedOp_t op = tuttiSum;
  ASSERT_EQ(tuttiRedOpCreatePreMulSum(&op, &scalar, tuttiFloat32, tuttiScalarHostImmediate, ranks[0]), tuttiSuccess);
  const auto use = [&](tuttiDataType_t datatype, tuttiComm_t comm) {
    return outcome_of(tuttiAllReduce(input.data(), output.data(), 4, datatype, op, comm, nullptr));
  };
  expect_error(use(tuttiInt32, ranks[0]), tuttiInvalidArgument, {"op was made for datatype float32", "int32"});
  ranks.expect_works();
  expect_error(use(tuttiFloat32, others[0]), tuttiInvalidArgument, {"op is " + std::to_string(op)});
  others.expect_works();
  expect_error(outcome_of(tuttiRedOpDestroy(op, others[0])), tuttiInvalidArgument, {"op is " + std::to_string(op)});
  ASSERT_EQ(tuttiRedOpDestroy(op, ranks[0]), tuttiSuccess);
  expect_error(use(tuttiFloat32, ranks[0]), tuttiInvalidArgument, {"op is " + std::to_string(op)});
  expect_error(outcome_of(tuttiRedOpDestroy(op, ranks[0])), tuttiInvalidArgument, {"op is " + std::to_string(op)});
  for (const tuttiRedOp_t built_in : {tuttiSum, tuttiBxor}) {
    expect_error(outcome_of(tuttiRedOpDestroy(built_in, ranks[0])), tuttiInvalidArgument, {"built-in"});
  }
  ranks.expect_works();
}

TEST(WrongOperators, MadeFromNothing) {
  LocalRanks ranks(2);
  const tuttiComm_t comm = ranks[0];
  float scalar = 2;
  tuttiRedOp_t op = tuttiSum;
  const auto function = [](const void*, void*, size_t, tuttiDataType_t, void*) {};
  expect_error(outcome_of(tuttiRedOpCreate(nullptr, function, nullptr, comm)), tuttiInvalidArgument, {"op is NULL"});
  expect_error(outcome_of(tuttiRedOpCreate(&op, nullptr, nullptr, comm)), tuttiInvalidArgument, {"function is NULL"});
  expect_error(outcome_of(tuttiRedOpCreate(&op, function, nullptr, nullptr)), tuttiInvalidArgument, {"comm is NULL"});
  expect_error(outcome_of(tuttiRedOpCreatePreMulSum(nullptr, &scalar, tuttiFloat32, tuttiScalarHostImmediate, comm)), tuttiInvalidArgument,
               {"op is NULL"});
  expect_error(outcome_of(tuttiRedOpCreatePreMulSum(&op, nullptr, tuttiFloat32, tuttiScalarHostImmediate, comm)), tuttiInvalidArgument,
               {"scalar is NULL"});
  expect_error(outcome_of(tuttiRedOpCreatePreMulSum(&op, &scalar, tuttiNumTypes, tuttiScalarHostImmediate, comm)), tuttiInvalidArgument,
               {"datatype is 12"});
  expect_error(outcome_of(tuttiRedOpCreatePreMulSum(&op, &scalar, tuttiFloat32, tuttiScalarDevice, comm)), tuttiInvalidArgument,
               {"residence is 0"});
  ranks.expect_works();
}

}  // namespace
}  // namespace tutti::robustness
