// SPDX-License-Identifier: Apache-2.0
#include "engine/interpreter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "engine/loopback.hpp"
#include "schedule/builder.hpp"
#include "support/test_size.hpp"
#include "tests/unit/engine/fake_fabric.hpp"

namespace tutti::engine {
namespace {

using schedule::Blocks;
using schedule::Buffer;
using schedule::Builder;
using schedule::Collective;
using schedule::Schedule;
using schedule::WaitMode;

constexpr std::byte kFiller{0xee};

schedule::Span input(uint32_t slot) { return {Buffer::input, slot}; }
schedule::Span output(uint32_t slot) { return {Buffer::output, slot}; }
schedule::Span scratch(uint32_t slot) { return {Buffer::scratch, slot}; }

std::vector<std::byte> pattern(size_t byte_count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::byte> bytes(byte_count);
  std::ranges::generate(bytes, [&] { return static_cast<std::byte>(random()); });
  return bytes;
}

// One rank's part in one operation, with the memory it uses.
struct Rank {
  Operation operation;
  std::vector<std::byte> input;
  std::vector<std::byte> output;
  std::vector<std::byte> scratch;
};

struct Shape {
  schedule::Problem problem;
  uint64_t element_count = 0;
  tuttiDataType_t datatype = tuttiUint8;
  uint32_t element_bytes = 1;
  tuttiRedOp_t op = tuttiSum;
  std::vector<uint64_t> receive_counts = {};
  std::optional<Program::InputScale> input_scale = std::nullopt;
  std::shared_ptr<const Schedule> when_shared = nullptr;
};

// Sets up `rank` to run `schedule`; its buffers are the test's business.
void set_up(Rank& rank, Schedule schedule, const Shape& shape) {
  Operation& operation = rank.operation;
  operation.frame_word = 0x1234;
  const uint32_t own_rank = schedule.rank;
  const schedule::LayoutRequest layout{.problem = shape.problem,
                                       .rank = own_rank,
                                       .chunk_count = schedule.chunk_count,
                                       .parts = schedule.parts,
                                       .element_count = shape.element_count,
                                       .variable = {},
                                       .element_bytes = shape.element_bytes};
  auto program = std::make_shared<const Program>(Program::Parts{
      .signature = {.collective = shape.problem.collective, .blocks = shape.problem.blocks, .datatype = shape.datatype},
      .schedule = std::make_shared<const Schedule>(std::move(schedule)),
      .layout = layout,
      .tables = {std::vector<uint64_t>{}, {}, shape.receive_counts, {}},
      .op = {.op = shape.op, .rank_count = shape.problem.rank_count},
      .input_scale = shape.input_scale,
      .input_bytes = rank.input.size(),
      .output_bytes = rank.output.size(),
      .when_shared = shape.when_shared});
  rank.scratch.resize(program->scratch_bytes(), kFiller);
  operation.request = {.program = program.get(), .owner = program, .input = rank.input.data(), .output = rank.output.data()};
  operation.scratch = rank.scratch.data();
  prepare(operation);
}

// All ranks over one fabric, advanced in random order.
class World {
 public:
  explicit World(const FabricOptions& options) : fabric(options), ranks(options.rank_count), random_(options.seed) {
    for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
      tables_.emplace_back(fabric.links_of(rank));
    }
  }

  Advance advance(uint32_t rank) { return engine::advance(ranks[rank].operation, tables_[rank], &trouble); }
  // Whether all ranks completed, within a generous number of rounds.
  bool run() {
    std::vector<uint32_t> pending(ranks.size());
    std::iota(pending.begin(), pending.end(), 0u);
    for (uint32_t round = 0; round < 200'000 && !pending.empty(); ++round) {
      const uint32_t rank = pending[random_() % pending.size()];
      const Advance advanced = advance(rank);
      if (advanced == Advance::troubled) {
        return false;
      }
      if (advanced == Advance::complete) {
        std::erase(pending, rank);
      }
    }
    return pending.empty();
  }

  FakeFabric fabric;
  std::vector<Rank> ranks;
  Trouble trouble;

 private:
  std::vector<LinkTable> tables_;
  std::mt19937 random_;
};

FabricOptions awkward(uint32_t rank_count, uint32_t seed) {
  return {.rank_count = rank_count,
          .max_frame_bytes = 64 + 64 * (seed % 3),
          .seed = seed,
          .refusals_per_thousand = 300,
          .releases_per_thousand = 200,
          .landings_per_thousand = 500};
}

Shape broadcast_of(uint32_t rank_count, uint64_t byte_count) {
  return {.problem = {.collective = Collective::broadcast, .rank_count = rank_count}, .element_count = byte_count};
}

Schedule sender(uint32_t rank, uint32_t peer) {
  Builder builder({.rank = rank});
  builder.send(builder.add_lane(), peer, {}, input(0));
  return std::move(builder).build();
}

Schedule receiver(uint32_t rank, uint32_t peer) {
  Builder builder({.rank = rank});
  builder.receive(builder.add_lane(), peer, {}, output(0));
  return std::move(builder).build();
}

// Rank 0 -> 1 -> 2, where the middle passes on what has arrived.
TEST(Interpreter, PassesOnNoByteBeforeItHasArrived) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const size_t byte_count = 1 + 97 * seed;
    World world(awkward(3, seed));
    world.ranks[0].input = pattern(byte_count, seed);
    set_up(world.ranks[0], sender(0, 1), broadcast_of(3, byte_count));
    Builder middle({.rank = 1});
    const auto received = middle.receive(middle.add_lane(), 0, {}, output(0));
    middle.send(middle.add_lane(), 2, {}, output(0), {.waits = {{received, WaitMode::streaming}}});
    world.ranks[1].output.assign(byte_count, kFiller);
    set_up(world.ranks[1], std::move(middle).build(), broadcast_of(3, byte_count));
    world.ranks[2].output.assign(byte_count, kFiller);
    set_up(world.ranks[2], receiver(2, 1), broadcast_of(3, byte_count));
    ASSERT_TRUE(world.run());
    ASSERT_EQ(world.ranks[1].output, world.ranks[0].input);
    ASSERT_EQ(world.ranks[2].output, world.ranks[0].input);
    EXPECT_EQ(world.fabric.spoiled_payloads(), 0u);
  }
}

// Two ranks swap one buffer each: what arrives goes where what leaves still lies.
TEST(Interpreter, OverwritesNoByteBeforeItHasBeenSent) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const size_t byte_count = 1 + 97 * seed;
    World world(awkward(2, seed));
    for (uint32_t rank = 0; rank < 2; ++rank) {
      Builder builder({.rank = rank});
      const auto sent = builder.send(builder.add_lane(), 1 - rank, {}, output(0));
      builder.receive(builder.add_lane(), 1 - rank, {}, output(0), {.waits = {{sent, WaitMode::streaming}}});
      world.ranks[rank].output = pattern(byte_count, rank);
      set_up(world.ranks[rank], std::move(builder).build(), broadcast_of(2, byte_count));
    }
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.ranks[0].output, pattern(byte_count, 1));
    EXPECT_EQ(world.ranks[1].output, pattern(byte_count, 0));
    EXPECT_EQ(world.fabric.spoiled_payloads(), 0u);
  }
}

// A step that waits for another's completion starts only then.
TEST(Interpreter, ACompleteWaitHoldsBackEveryByte) {
  World world({.rank_count = 2, .max_frame_bytes = 64});
  Builder builder({.rank = 0});
  const auto received = builder.receive(builder.add_lane(), 1, {}, output(0));
  builder.send(builder.add_lane(), 1, {}, output(0), {.waits = {{received, WaitMode::complete}}});
  world.ranks[0].output.assign(128, kFiller);
  set_up(world.ranks[0], std::move(builder).build(), broadcast_of(2, 128));
  const std::vector<std::byte> half(64, std::byte{1});
  transport::Link& peer = world.fabric.link(1, 0);
  const uint32_t channel = transport::kFirstCollectiveChannel;
  ASSERT_EQ(peer.try_send(channel, {0x1234, 128}, half), transport::Outcome::done);
  EXPECT_EQ(world.advance(0), Advance::worked);
  EXPECT_EQ(world.fabric.frames_taken(), 1u) << "the half that has arrived was sent on";
  ASSERT_EQ(peer.try_send(channel, {0x1234, 128}, half), transport::Outcome::done);
  (void)world.advance(0);
  (void)world.advance(0);
  EXPECT_EQ(world.fabric.frames_taken(), 4u);
}

TEST(Interpreter, CutsMessagesAsFinelyAsTheScheduleAsks) {
  for (const auto& [least_slices, frames] : {std::pair(1u, 1u), std::pair(2u, 2u), std::pair(4u, 4u), std::pair(100u, 4u)}) {
    World world({.rank_count = 2, .max_frame_bytes = 64 * 1024});
    world.ranks[0].input = pattern(64 * 1024, 3);
    world.ranks[1].output.assign(64 * 1024, kFiller);
    Schedule sends = sender(0, 1);
    sends.least_slices = least_slices;
    set_up(world.ranks[0], std::move(sends), broadcast_of(2, 64 * 1024));
    set_up(world.ranks[1], receiver(1, 0), broadcast_of(2, 64 * 1024));
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.fabric.frames_taken(), frames) << least_slices;
    EXPECT_EQ(world.ranks[1].output, world.ranks[0].input);
  }
}

Schedule exchange_and_reduce(uint32_t rank) {
  Builder builder({.rank = rank});
  builder.send(builder.add_lane(), 1 - rank, {}, input(0));
  builder.receive_reduce(builder.add_lane(), 1 - rank, {}, {.source = input(0), .target = output(0)},
                         {.operands = rank == 0 ? schedule::Operands::local_first : schedule::Operands::received_first,
                          .final = schedule::Final::yes,
                          .waits = {}});
  return std::move(builder).build();
}

template <typename T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

TEST(Interpreter, ReducesWhatItReceives) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    constexpr size_t kCount = 333;
    World world(awkward(2, seed));
    std::vector<int32_t> mean(kCount);
    for (uint32_t rank = 0; rank < 2; ++rank) {
      std::vector<int32_t> values(kCount);
      for (size_t index = 0; index < kCount; ++index) {
        values[index] = static_cast<int32_t>(index * (rank == 0 ? 2 : 6));
        mean[index] += values[index] / 2;
      }
      world.ranks[rank].input = bytes_of(values);
      world.ranks[rank].output.assign(kCount * sizeof(int32_t), kFiller);
      set_up(world.ranks[rank], exchange_and_reduce(rank),
             {.problem = {.collective = Collective::all_reduce, .rank_count = 2}, .element_count = kCount, .datatype = tuttiInt32, .element_bytes = 4, .op = tuttiAvg});
    }
    ASSERT_TRUE(world.run());
    EXPECT_EQ(world.ranks[0].output, bytes_of(mean));
    EXPECT_EQ(world.ranks[1].output, bytes_of(mean));
    EXPECT_EQ(world.fabric.spoiled_payloads(), 0u);
  }
}

// Elements from one scratch slot to the next.
uint64_t scratch_stride(const Rank& rank, uint32_t slot_count) { return rank.scratch.size() / rank.operation.program().element_bytes() / slot_count; }

struct WideReduction {
  uint32_t source_count;
  uint32_t target;  // slot
};

class InterpreterWide : public testing::TestWithParam<WideReduction> {};

// More sources than a kernel takes, more bytes than a piece; the target may be any of the sources.
TEST_P(InterpreterWide, ReducesAllSourcesOnce) {
  constexpr uint64_t kCount = 9'001;
  const auto [source_count, target] = GetParam();
  World world({.rank_count = 1});
  Builder builder({.rank = 0});
  const uint32_t first = builder.add_scratch(source_count + 1);
  std::vector<schedule::Span> sources;
  for (uint32_t source = 0; source < source_count; ++source) {
    sources.push_back(scratch(first + source));
  }
  builder.reduce(builder.add_lane(), {}, sources, scratch(first + target), {.operands = {}, .final = schedule::Final::yes, .waits = {}});
  Rank& rank = world.ranks[0];
  set_up(rank, std::move(builder).build(),
         {.problem = {.collective = Collective::all_reduce, .rank_count = source_count}, .element_count = kCount, .datatype = tuttiInt64, .element_bytes = 8, .op = tuttiAvg});
  std::vector<int64_t> sum(kCount);
  const uint64_t stride = scratch_stride(rank, source_count + 1);
  for (uint32_t source = 0; source < source_count; ++source) {
    for (uint64_t index = 0; index < kCount; ++index) {
      const auto value = static_cast<int64_t>((index + 1) * (source + 1) % 1009);
      std::memcpy(&rank.scratch[(source * stride + index) * 8], &value, 8);
      sum[index] += value;
    }
  }
  for (int64_t& value : sum) {
    value /= source_count;
  }
  ASSERT_TRUE(world.run());
  std::vector<int64_t> result(kCount);
  std::memcpy(result.data(), &rank.scratch[target * stride * 8], kCount * 8);
  EXPECT_EQ(result, sum);
}

INSTANTIATE_TEST_SUITE_P(Interpreter, InterpreterWide,
                         testing::Values(WideReduction{1, 1}, WideReduction{1, 0}, WideReduction{64, 64}, WideReduction{65, 65},
                                         WideReduction{65, 0}, WideReduction{65, 64}, WideReduction{127, 126}, WideReduction{130, 3},
                                         WideReduction{130, 70}, WideReduction{200, 199}),
                         [](const auto& info) {
                           return std::to_string(info.param.source_count) + "_sources_into_" + std::to_string(info.param.target);
                         });

TEST(Interpreter, SkipsEmptyMessagesOfEqualBlocks) {
  World world({.rank_count = 2});
  set_up(world.ranks[0], sender(0, 1), broadcast_of(2, 0));
  set_up(world.ranks[1], receiver(1, 0), broadcast_of(2, 0));
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.fabric.frames_taken(), 0u);
}

TEST(Interpreter, SendsEmptyMessagesOfPointToPoint) {
  World world({.rank_count = 2});
  set_up(world.ranks[0], sender(0, 1), {.problem = {.collective = Collective::send, .rank_count = 2}});
  set_up(world.ranks[1], receiver(1, 0), {.problem = {.collective = Collective::receive, .rank_count = 2}});
  EXPECT_EQ(world.advance(1), Advance::idle) << "an empty message has to arrive, too";
  ASSERT_TRUE(world.run());
  EXPECT_EQ(world.fabric.frames_taken(), 1u);
}

// Blocks of 0 and 5 elements: the empty one is a message too, since its receiver might have expected another length.
TEST(Interpreter, SendsEmptyMessagesOfVariableBlocks) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    World world(awkward(2, seed));
    for (uint32_t rank = 0; rank < 2; ++rank) {
      Builder builder({.rank = rank, .chunk_count = 2});
      builder.send(builder.add_lane(), 1 - rank, {rank}, input(0));
      builder.receive(builder.add_lane(), 1 - rank, {1 - rank}, output(1 - rank));
      builder.copy(builder.add_lane(), {rank}, {.source = input(0), .target = output(rank)});
      Rank& own = world.ranks[rank];
      own.input = pattern(rank == 0 ? 0 : 5, 9);
      own.output.assign(5, kFiller);
      set_up(own, std::move(builder).build(),
             {.problem = {.collective = Collective::all_gather, .rank_count = 2, .blocks = Blocks::variable}, .element_count = own.input.size(), .receive_counts = {0, 5}});
    }
    ASSERT_TRUE(world.run()) << "seed " << seed;
    EXPECT_EQ(world.fabric.frames_taken(), 2u);
    EXPECT_EQ(world.ranks[0].output, world.ranks[1].input);
    EXPECT_EQ(world.ranks[1].output, world.ranks[1].input);
  }
}

class InterpreterTrouble : public testing::Test {
 protected:
  InterpreterTrouble() : world({.rank_count = 2}) {
    world.ranks[1].output.assign(32, kFiller);
    set_up(world.ranks[1], receiver(1, 0),
           {.problem = {.collective = Collective::broadcast, .rank_count = 2}, .element_count = 8, .datatype = tuttiFloat32, .element_bytes = 4});
  }
  void send(const transport::FrameHeader& header, size_t byte_count) {
    payload.resize(byte_count);
    ASSERT_EQ(world.fabric.link(0, 1).try_send(transport::kFirstCollectiveChannel, header, payload), transport::Outcome::done);
  }
  void expect_untouched() const { EXPECT_EQ(world.ranks[1].output, std::vector<std::byte>(32, kFiller)); }

  World world;
  std::vector<std::byte> payload;
};

TEST_F(InterpreterTrouble, ReportsAFrameOfAnotherCall) {
  send({0x5678, 32}, 32);
  for (int look = 0; look < 2; ++look) {  // the frame stays where it is
    ASSERT_EQ(world.advance(1), Advance::troubled);
    EXPECT_EQ(world.trouble.kind, Trouble::Kind::foreign_frame);
    EXPECT_EQ(world.trouble.peer, 0u);
    EXPECT_EQ(world.trouble.received_word, 0x5678u);
  }
  expect_untouched();
}

TEST_F(InterpreterTrouble, ReportsAnotherLength) {
  send({0x1234, 64}, 32);
  ASSERT_EQ(world.advance(1), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::wrong_length);
  EXPECT_EQ(world.trouble.peer, 0u);
  EXPECT_EQ(world.trouble.expected_bytes, 32u);
  EXPECT_EQ(world.trouble.received_bytes, 64u);
  expect_untouched();
}

TEST_F(InterpreterTrouble, ReportsMoreBytesThanAnnounced) {
  send({0x1234, 32}, 36);
  ASSERT_EQ(world.advance(1), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::wrong_length);
  expect_untouched();
}

TEST_F(InterpreterTrouble, ReportsPartsOfAnElement) {
  send({0x1234, 32}, 30);
  ASSERT_EQ(world.advance(1), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::wrong_length);
  expect_untouched();
}

TEST_F(InterpreterTrouble, ReportsALostLinkAfterWhatArrivedBefore) {
  send({0x1234, 32}, 16);
  world.fabric.cut(0, 1);
  ASSERT_EQ(world.advance(1), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::link_failed);
  EXPECT_EQ(world.trouble.peer, 0u);
  EXPECT_EQ(world.ranks[1].output[15], std::byte{0});
  EXPECT_EQ(world.ranks[1].output[16], kFiller);
}

TEST(Interpreter, ReportsALinkThatFailsWhileSending) {
  World world({.rank_count = 2});
  world.ranks[0].input.resize(8);
  set_up(world.ranks[0], sender(0, 1), broadcast_of(2, 8));
  world.fabric.cut(0, 1);
  ASSERT_EQ(world.advance(0), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::link_failed);
  EXPECT_EQ(world.trouble.peer, 1u);
}

TEST(Interpreter, NamesThePeersItWaitsFor) {
  World world({.rank_count = 3});
  Builder builder({.rank = 1});
  const auto received = builder.receive(builder.add_lane(), 0, {}, output(0));
  builder.send(builder.add_lane(), 2, {}, output(0), {.waits = {{received, WaitMode::complete}}});
  world.ranks[1].output.resize(8);
  set_up(world.ranks[1], std::move(builder).build(), broadcast_of(3, 8));
  ASSERT_EQ(world.advance(1), Advance::idle);
  std::vector<uint32_t> peers{7};
  collect_awaited_peers(world.ranks[1].operation, &peers);
  EXPECT_EQ(peers, std::vector<uint32_t>{0}) << "rank 2 is waited for only once there is something to send";
}

// A message to oneself travels by reference, and the send lasts until it has been read.
TEST(Interpreter, CarriesMessagesOfARankToItself) {
  LoopbackLink loopback;
  LinkTable table({&loopback});
  Rank sending;
  Rank receiving;
  sending.input = pattern(100, 3);
  receiving.output.assign(100, kFiller);
  set_up(sending, sender(0, 0), {.problem = {.collective = Collective::send}, .element_count = 100});
  set_up(receiving, receiver(0, 0), {.problem = {.collective = Collective::receive}, .element_count = 100});
  Trouble trouble;
  EXPECT_EQ(advance(sending.operation, table, &trouble), Advance::worked);
  EXPECT_EQ(advance(sending.operation, table, &trouble), Advance::idle);
  EXPECT_EQ(advance(receiving.operation, table, &trouble), Advance::complete);
  EXPECT_EQ(advance(sending.operation, table, &trouble), Advance::complete);
  EXPECT_EQ(receiving.output, sending.input);
}

TEST(Interpreter, ScalesTheInputWithoutTouchingIt) {
  constexpr size_t kCount = 600'000;  // more than one turn may scale
  World world({.rank_count = 1});
  Rank& rank = world.ranks[0];
  const std::vector<float> values(kCount, 3.0f);
  rank.input = bytes_of(values);
  rank.output.assign(rank.input.size(), kFiller);
  Builder builder({.rank = 0});
  builder.copy(builder.add_lane(), {}, {.source = input(0), .target = output(0)});
  Program::InputScale scale{.elements = kCount};
  const float factor = 0.5f;
  std::memcpy(scale.factor.data(), &factor, sizeof factor);
  set_up(rank, std::move(builder).build(),
         {.problem = {.collective = Collective::all_reduce},
          .element_count = kCount,
          .datatype = tuttiFloat32,
          .element_bytes = 4,
          .input_scale = scale});
  std::vector<std::byte> scaled(rank.input.size());
  rank.operation.scaled_input = scaled.data();
  EXPECT_EQ(world.advance(0), Advance::worked);
  ASSERT_TRUE(world.run());
  EXPECT_EQ(rank.input, bytes_of(values));
  EXPECT_EQ(rank.output, bytes_of(std::vector<float>(kCount, 1.5f)));
}

// Each rank's own half of the sum is made by it, from both inputs, and given to both outputs.
Schedule sum_in_own_memory(uint32_t rank) {
  const uint32_t peer = 1 - rank;
  Builder builder({.rank = rank, .chunk_count = 2});
  const schedule::LaneId signalling = builder.add_lane();
  const schedule::LaneId working = builder.add_lane();
  builder.signal(signalling, peer);
  builder.await(working, peer);
  const std::vector<schedule::Span> sources{rank == 0 ? input(rank) : schedule::Span{Buffer::input, rank, peer},
                                            rank == 0 ? schedule::Span{Buffer::input, rank, peer} : input(rank)};
  const schedule::StepId made = builder.reduce(working, {rank}, sources, output(rank),
                                               {.final = schedule::Final::yes, .further_targets = {{Buffer::output, rank, peer}}});
  builder.signal(signalling, peer, {.waits = {{made}}});
  builder.await(working, peer);
  const schedule::StepId fetched =
      builder.copy(working, {peer}, {.source = {Buffer::output, peer, peer}, .target = output(peer)}, {.if_private = true});
  builder.signal(signalling, peer, {.waits = {{fetched}}});
  builder.await(working, peer);
  return std::move(builder).build();
}

struct MemoryCase {
  const char* name;
  std::vector<bool> is_shared;  // by rank
  uint64_t count;
};

class InterpreterMemory : public testing::TestWithParam<MemoryCase> {};

TEST_P(InterpreterMemory, WorksInThePeersMemory) {
  const MemoryCase& test = GetParam();
  std::array<std::vector<std::byte>, 2> inputs;
  std::vector<int32_t> sum(test.count);
  for (uint32_t rank = 0; rank < 2; ++rank) {
    std::vector<int32_t> values(test.count);
    for (size_t index = 0; index < test.count; ++index) {
      values[index] = static_cast<int32_t>(index * (rank + 3));
      sum[index] += values[index];
    }
    inputs[rank] = bytes_of(values);
  }
  const std::vector<std::byte> expected = bytes_of(sum);
  const uint32_t seed_count = test.count > 1000 && tests::test_size() == tests::Size::small ? 2 : 8;
  for (uint32_t seed = 1; seed <= seed_count; ++seed) {
    FabricOptions options = awkward(2, seed);
    options.shared_ranks = test.is_shared;
    World world(options);
    for (uint32_t rank = 0; rank < 2; ++rank) {
      world.ranks[rank].input = inputs[rank];
      world.ranks[rank].output.assign(test.count * sizeof(int32_t), kFiller);
      set_up(world.ranks[rank], sum_in_own_memory(rank),
             {.problem = {.collective = Collective::all_reduce, .rank_count = 2}, .element_count = test.count, .datatype = tuttiInt32, .element_bytes = 4});
    }
    ASSERT_TRUE(world.run()) << "seed " << seed;
    EXPECT_TRUE(world.ranks[0].output == expected);
    EXPECT_TRUE(world.ranks[1].output == expected);
  }
}

INSTANTIATE_TEST_SUITE_P(, InterpreterMemory,
                         testing::Values(MemoryCase{"shared", {true, true}, 1000}, MemoryCase{"private", {false, false}, 1000},
                                         MemoryCase{"mixed", {true, false}, 1000}, MemoryCase{"large_shared", {true, true}, 2'200'003},
                                         MemoryCase{"large_private", {false, false}, 2'200'003}, MemoryCase{"one_element", {true, false}, 1}),
                         [](const auto& info) { return info.param.name; });

// What copies sends frames of all the bytes, what works in memory none.
TEST(Interpreter, RanksMeetToFindOutWhichProgramToRun) {
  constexpr uint64_t kCount = 500;
  for (const std::vector<bool>& shared_ranks : {std::vector{true, true}, std::vector{true, false}, std::vector{false, false}}) {
    const bool all_shared = shared_ranks[0] && shared_ranks[1];
    for (uint32_t seed = 1; seed <= 8; ++seed) {
      FabricOptions options = awkward(2, seed);
      options.shared_ranks = shared_ranks;
      World world(options);
      std::vector<int32_t> sum(kCount);
      for (uint32_t rank = 0; rank < 2; ++rank) {
        std::vector<int32_t> values(kCount, static_cast<int32_t>(rank) + 5);
        world.ranks[rank].input = bytes_of(values);
        world.ranks[rank].output.assign(kCount * sizeof(int32_t), kFiller);
        set_up(world.ranks[rank], exchange_and_reduce(rank),
               {.problem = {.collective = Collective::all_reduce, .rank_count = 2},
                .element_count = kCount,
                .datatype = tuttiInt32,
                .element_bytes = 4,
                .when_shared = std::make_shared<const Schedule>(sum_in_own_memory(rank))});
        std::vector<uint32_t> awaited;
        collect_awaited_peers(world.ranks[rank].operation, &awaited);
        EXPECT_EQ(awaited, std::vector{1 - rank});
      }
      ASSERT_TRUE(world.run()) << "seed " << seed;
      EXPECT_EQ(world.ranks[0].output, bytes_of(std::vector<int32_t>(kCount, 11)));
      EXPECT_EQ(world.ranks[1].output, world.ranks[0].output);
      EXPECT_EQ(world.fabric.frames_taken() <= 8, all_shared) << "three signals and a meeting each way";
    }
  }
}

// The peer's process ends between two pieces.
TEST(Interpreter, MemoryThatCannotBeFetchedIsALinkThatFailed) {
  World world({.rank_count = 2});
  for (uint32_t rank = 0; rank < 2; ++rank) {
    world.ranks[rank].input.resize(4000);
    world.ranks[rank].output.resize(4000);
    set_up(world.ranks[rank], sum_in_own_memory(rank),
           {.problem = {.collective = Collective::all_reduce, .rank_count = 2}, .element_count = 1000, .datatype = tuttiInt32, .element_bytes = 4});
  }
  EXPECT_EQ(world.advance(1), Advance::worked);
  world.fabric.cut(0, 1);
  EXPECT_EQ(world.advance(0), Advance::troubled);
  EXPECT_EQ(world.trouble.kind, Trouble::Kind::link_failed);
  EXPECT_EQ(world.trouble.peer, 1u);
}

}  // namespace
}  // namespace tutti::engine
