// SPDX-License-Identifier: Apache-2.0
#include "comm/call.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace tutti::comm {
namespace {

using schedule::Blocks;
using schedule::Collective;
using schedule::InPlace;
using testing::HasSubstr;

constexpr Position kPosition{.rank = 1, .rank_count = 3};
constexpr size_t kCount = 4;

// Room for three blocks on each side, which do not touch.
class CallTest : public testing::Test {
 protected:
  Call call(Collective collective) {
    return {.function = "tuttiTest",
            .collective = collective,
            .send = input_.data(),
            .receive = output_.data(),
            .count = kCount,
            .datatype = tuttiInt32,
            .op = tuttiSum,
            .root = 1};
  }
  void expect_refused(const Call& call, std::string_view text, const Position& position = kPosition) {
    const Status status = check(call, position);
    EXPECT_EQ(status.code(), tuttiInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr("tuttiTest: " + std::string(text)));
  }
  static void expect_accepted(const Call& call, const Position& position = kPosition) {
    const Status status = check(call, position);
    EXPECT_TRUE(status.ok()) << schedule::name_of(call.collective) << ": " << status.message();
  }

  std::array<int32_t, 3 * kCount> input_{};
  std::array<int32_t, 3 * kCount> output_{};
};

constexpr Collective kCollectives[] = {Collective::all_reduce, Collective::reduce,     Collective::broadcast,
                                       Collective::all_gather, Collective::reduce_scatter, Collective::all_to_all,
                                       Collective::gather,     Collective::scatter};

TEST_F(CallTest, AcceptsEveryCollective) {
  for (const Collective collective : kCollectives) {
    expect_accepted(call(collective));
    EXPECT_EQ(is_in_place(call(collective), kPosition), InPlace::no);
  }
  expect_accepted(call(Collective::send));
  expect_accepted(call(Collective::receive));
  expect_accepted(barrier_call("tuttiTest"));
}

TEST_F(CallTest, NullIsRefusedWhereDataIs) {
  for (const Collective collective : kCollectives) {
    Call wrong = call(collective);
    wrong.send = nullptr;
    expect_refused(wrong, "sendbuff is NULL");
    wrong = call(collective);
    wrong.receive = nullptr;
    expect_refused(wrong, "recvbuff is NULL");
    wrong.send = nullptr;
    wrong.count = 0;
    expect_accepted(wrong);
  }
  Call message = call(Collective::send);
  message.send = nullptr;
  expect_refused(message, "sendbuff is NULL");
  message = call(Collective::receive);
  message.receive = nullptr;
  expect_refused(message, "recvbuff is NULL");
}

TEST_F(CallTest, NullIsAcceptedWhereARankHasNoData) {
  for (const Collective collective : {Collective::reduce, Collective::gather}) {
    Call away = call(collective);
    away.root = 0;
    away.receive = nullptr;
    expect_accepted(away);
  }
  for (const Collective collective : {Collective::broadcast, Collective::scatter}) {
    Call away = call(collective);
    away.root = 0;
    away.send = nullptr;
    expect_accepted(away);
  }
}

TEST_F(CallTest, MisalignedBuffersAreRefused) {
  Call wrong = call(Collective::all_reduce);
  wrong.send = reinterpret_cast<const std::byte*>(input_.data()) + 1;
  expect_refused(wrong, "sendbuff is 0x");
  wrong = call(Collective::all_reduce);
  wrong.receive = reinterpret_cast<std::byte*>(output_.data()) + 2;
  expect_refused(wrong, "recvbuff is 0x");
}

TEST_F(CallTest, SizesThatOverflowAreRefused) {
  for (const Collective collective : kCollectives) {
    for (const size_t count : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 4, SIZE_MAX / 12 + 1}) {
      Call wrong = call(collective);
      wrong.count = count;
      expect_refused(wrong, "count is " + std::to_string(count));
    }
  }
  Call wrong = call(Collective::send);
  wrong.count = SIZE_MAX / 4 + 1;
  expect_refused(wrong, "count is ");
}

TEST_F(CallTest, ABufferDoesNotWrapAroundTheAddressSpace) {
  Call wrong = call(Collective::all_reduce);
  wrong.send = reinterpret_cast<const void*>(UINTPTR_MAX - 7);  // room for one element and a half
  expect_refused(wrong, "sendbuff at 0x");
}

TEST_F(CallTest, WordsOutsideTheirEnumerationsAreRefused) {
  for (const int datatype : {-1, int{tuttiNumTypes}, 1000}) {
    Call wrong = call(Collective::broadcast);
    wrong.datatype = static_cast<tuttiDataType_t>(datatype);
    expect_refused(wrong, "datatype is " + std::to_string(datatype));
  }
  for (const int root : {-1, 3, INT_MAX, INT_MIN}) {
    Call wrong = call(Collective::reduce);
    wrong.root = root;
    expect_refused(wrong, "root is " + std::to_string(root) + ", not in 0..2");
    wrong = call(Collective::send);
    wrong.root = root;
    expect_refused(wrong, "peer is " + std::to_string(root) + ", not in 0..2");
    wrong = call(Collective::all_reduce);  // has no root
    wrong.root = root;
    expect_accepted(wrong);
  }
  Call wrong = call(Collective::all_reduce);
  wrong.op = tuttiBxor;
  expect_accepted(wrong);
  wrong.datatype = tuttiFloat32;
  expect_refused(wrong, "op is bxor, which datatype float32 does not have");
  wrong.collective = Collective::broadcast;
  expect_accepted(wrong);
}

TEST_F(CallTest, KnowsTheInPlaceForms) {
  const auto expect_in_place = [&](Collective collective, void* send, void* receive) {
    Call one = call(collective);
    one.send = send;
    one.receive = receive;
    expect_accepted(one);
    EXPECT_EQ(is_in_place(one, kPosition), InPlace::yes) << schedule::name_of(collective);
  };
  int32_t* const base = output_.data();
  for (const Collective collective : {Collective::all_reduce, Collective::reduce, Collective::broadcast, Collective::all_to_all}) {
    expect_in_place(collective, base, base);
  }
  for (const Collective collective : {Collective::all_gather, Collective::gather}) {
    expect_in_place(collective, base + kCount, base);
  }
  for (const Collective collective : {Collective::reduce_scatter, Collective::scatter}) {
    expect_in_place(collective, base, base + kCount);
  }
}

TEST_F(CallTest, OnlyTheRootIsInPlaceInARootedCollective) {
  for (const Collective collective : {Collective::reduce, Collective::broadcast, Collective::gather, Collective::scatter}) {
    Call away = call(collective);
    away.root = 0;
    away.send = output_.data();
    away.receive = output_.data();
    expect_accepted(away);
    EXPECT_EQ(is_in_place(away, kPosition), InPlace::no) << schedule::name_of(collective);
  }
}

TEST_F(CallTest, OtherOverlapsAreRefused) {
  const auto expect_overlap = [&](Collective collective, const int32_t* send, int32_t* receive) {
    Call wrong = call(collective);
    wrong.send = send;
    wrong.receive = receive;
    expect_refused(wrong, "sendbuff 0x");
    EXPECT_THAT(check(wrong, kPosition).message(), HasSubstr("overlap"));
  };
  int32_t* const base = output_.data();
  for (const Collective collective : kCollectives) {
    expect_overlap(collective, base + 1, base);
    expect_overlap(collective, base, base + 1);
  }
  expect_overlap(Collective::all_gather, base, base);  // rank 1's place is block 1
  expect_overlap(Collective::reduce_scatter, base, base);
  Call touching = call(Collective::all_reduce);  // side by side
  touching.send = base;
  touching.receive = base + kCount;
  expect_accepted(touching);
}

class VariableCallTest : public CallTest {
 protected:
  Call call(Collective collective) {
    Call made = CallTest::call(collective);
    made.blocks = Blocks::variable;
    made.send_counts = counts_.data();
    made.send_displacements = displacements_.data();
    made.receive_counts = counts_.data();
    made.receive_displacements = displacements_.data();
    made.count = counts_[kPosition.rank];
    return made;
  }

  std::array<size_t, 3> counts_{2, 4, 3};
  std::array<size_t, 3> displacements_{9, 1, 6};  // out of order, and not from 0
};

constexpr Collective kVariable[] = {Collective::all_gather, Collective::all_to_all, Collective::gather, Collective::scatter};

TEST_F(VariableCallTest, AcceptsTablesInAnyOrder) {
  for (const Collective collective : kVariable) {
    expect_accepted(call(collective));
  }
  expect_accepted(call(Collective::reduce_scatter));
}

TEST_F(VariableCallTest, WithoutDisplacementsBlocksFollowOneAnother) {
  for (const Collective collective : kVariable) {
    Call dense = call(collective);
    dense.send_displacements = nullptr;
    dense.receive_displacements = nullptr;
    expect_accepted(dense);
  }
}

TEST_F(VariableCallTest, TheOwnBlockHasOneLength) {
  for (const Collective collective : {Collective::all_gather, Collective::gather}) {
    Call wrong = call(collective);
    wrong.count = 3;
    expect_refused(wrong, "sendcount is 3, but recvcounts[1] is 4");
  }
  Call wrong = call(Collective::scatter);
  wrong.count = 3;
  expect_refused(wrong, "recvcount is 3, but sendcounts[1] is 4");
}

TEST_F(VariableCallTest, MissingCountsAreRefused) {
  for (const Collective collective : {Collective::all_gather, Collective::all_to_all, Collective::gather, Collective::reduce_scatter}) {
    Call wrong = call(collective);
    wrong.receive_counts = nullptr;
    expect_refused(wrong, "recvcounts is NULL");
  }
  Call wrong = call(Collective::all_to_all);
  wrong.send_counts = nullptr;
  expect_refused(wrong, "sendcounts is NULL");
  for (const Collective collective : {Collective::gather, Collective::scatter}) {
    Call away = call(collective);
    away.root = 2;
    away.send_counts = nullptr;
    away.receive_counts = nullptr;
    expect_accepted(away);
  }
}

TEST_F(VariableCallTest, ReceiveBlocksMustNotOverlap) {
  displacements_ = {9, 1, 4};  // block 1 is [1, 5), block 2 begins at 4
  for (const Collective collective : {Collective::all_gather, Collective::all_to_all, Collective::gather}) {
    expect_refused(call(collective), "rdispls[2] is 4, inside block 1, which ends at 5");
  }
  expect_accepted(call(Collective::scatter));  // what is only read may be read twice
  counts_[2] = 0;  // an empty block lies nowhere
  expect_accepted(call(Collective::all_gather));
}

TEST_F(VariableCallTest, BlocksWhoseEndOverflowsAreRefused) {
  for (const Collective collective : kVariable) {
    const std::string table = collective == Collective::scatter ? "sendcounts" : "recvcounts";
    displacements_ = {9, 1, SIZE_MAX - 1};
    expect_refused(call(collective), table + "[2] is 3: the block's end overflows");
    displacements_ = {9, 1, SIZE_MAX / 4};
    expect_refused(call(collective), table + "[2] is 3: the block's end overflows");
    displacements_ = {9, 1, 6};
    counts_[2] = SIZE_MAX;
    expect_refused(call(collective), table + "[2] is " + std::to_string(SIZE_MAX));
    counts_[2] = 3;
  }
  counts_ = {SIZE_MAX / 12, SIZE_MAX / 12, SIZE_MAX / 12};  // each fits, the sum does not
  Call wrong = call(Collective::all_gather);
  wrong.receive_displacements = nullptr;
  expect_refused(wrong, "recvcounts[1]");
}

TEST_F(VariableCallTest, KnowsTheInPlaceForms) {
  int32_t* const base = output_.data();
  for (const Collective collective : {Collective::all_gather, Collective::gather}) {
    Call one = call(collective);
    one.send = base + displacements_[1];
    expect_accepted(one);
    EXPECT_EQ(is_in_place(one, kPosition), InPlace::yes);
    one.receive_displacements = nullptr;
    one.send = base + counts_[0];
    expect_accepted(one);
    EXPECT_EQ(is_in_place(one, kPosition), InPlace::yes);
  }
  Call scatter = call(Collective::scatter);
  scatter.send = base;
  scatter.receive = base + displacements_[1];
  expect_accepted(scatter);
  EXPECT_EQ(is_in_place(scatter, kPosition), InPlace::yes);
  Call reduce_scatter = call(Collective::reduce_scatter);
  reduce_scatter.send = base;
  reduce_scatter.receive = base + counts_[0];
  reduce_scatter.receive_displacements = nullptr;
  expect_accepted(reduce_scatter);
  EXPECT_EQ(is_in_place(reduce_scatter, kPosition), InPlace::yes);
}

TEST_F(VariableCallTest, AnAllToAllInPlaceHasEqualTables) {
  Call one = call(Collective::all_to_all);
  one.send = output_.data();
  expect_accepted(one);
  EXPECT_EQ(is_in_place(one, kPosition), InPlace::yes);
  one.send_displacements = nullptr;
  one.receive_displacements = nullptr;
  expect_accepted(one);
  EXPECT_EQ(is_in_place(one, kPosition), InPlace::yes);
  const std::array<size_t, 3> other{2, 4, 2};
  one.send_counts = other.data();
  expect_refused(one, "sendbuff 0x");
}

}  // namespace
}  // namespace tutti::comm
