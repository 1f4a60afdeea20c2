// SPDX-License-Identifier: Apache-2.0
// Bugs planted one at a time into correct schedules: the verifier finds each and says what it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_schedules.hpp"
#include "schedule/verifier.hpp"
#include "support/planted_bugs.hpp"

namespace tutti::schedule {
namespace {

using samples::Schedules;
using testing::HasSubstr;
using tests::drop_step;

constexpr Problem kAllReduce{.collective = Collective::all_reduce, .rank_count = 4};
constexpr Problem kAllReduceInPlace{.collective = Collective::all_reduce, .rank_count = 4, .in_place = InPlace::yes};
constexpr Problem kAllGather{.collective = Collective::all_gather, .rank_count = 3};
constexpr Problem kAllToAll{.collective = Collective::all_to_all, .rank_count = 3};
constexpr Problem kAllToAllInPlace{.collective = Collective::all_to_all, .rank_count = 3, .in_place = InPlace::yes};
constexpr Problem kReduce{.collective = Collective::reduce, .rank_count = 4, .root = 1};
constexpr Problem kBroadcast{.collective = Collective::broadcast, .rank_count = 3};
constexpr Problem kBarrier{.collective = Collective::barrier, .rank_count = 5};

struct PlantedBug {
  const char* name;
  Problem problem;
  Schedules (*make)(const Problem& problem);
  void (*plant)(Schedules& schedules);
  const char* message;
};

void PrintTo(const PlantedBug& bug, std::ostream* out) { *out << bug.name; }

Schedules all_gather(const Problem& problem) { return samples::direct_all_gather(problem); }
Schedules all_gather_in_parts(const Problem& problem) { return samples::direct_all_gather(problem, 2); }
Schedules broadcast(const Problem& problem) { return samples::chain_broadcast(problem, 2); }

// The first step of a kind, in a schedule known to have one.
Step& first(Schedule& schedule, StepKind kind) {
  return *std::find_if(schedule.steps.begin(), schedule.steps.end(), [&](const Step& step) { return step.kind == kind; });
}

void forget_waits(Schedule& schedule) {
  for (Step& step : schedule.steps) {
    step.wait_count = 0;
  }
}

class VerifierRejects : public testing::TestWithParam<PlantedBug> {};

TEST_P(VerifierRejects, AndSaysWhy) {
  const PlantedBug& bug = GetParam();
  Schedules schedules = bug.make(bug.problem);
  ASSERT_TRUE(verify(bug.problem, schedules).ok()) << "the schedules must be correct before the bug is planted";
  bug.plant(schedules);
  const Status status = verify(bug.problem, schedules);
  EXPECT_EQ(status.code(), tuttiInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr(bug.message));
}

// Rank r's ring of 4: steps 0..5 send chunks r, r-1, r-2 ...; steps 6..8 reduce, 9..11 receive.
const PlantedBug kOrderBugs[] = {
    {"DroppedReceive", kAllGather, all_gather, [](Schedules& all) { drop_step(all[1], 2); }, "finds no receive left at rank 1"},
    {"DroppedSend", kAllGather, all_gather, [](Schedules& all) { drop_step(all[1], 1); }, "finds no send left at rank 1"},
    {"DroppedCopy", kAllGather, all_gather, [](Schedules& all) { drop_step(all[1], 0); },
     "rank 1 ends with nothing in output[1], where chunk 1 belongs"},
    {"SendsOtherChunk", kAllReduce, samples::ring_all_reduce,
     [](Schedules& all) {
       all[0].steps[0].first_chunk = 2;
       all[0].steps[0].source.slot = 2;
     },
     "sends chunks 2..2, but rank 1 step 6 (receive-reduce) expects 0..0"},
    {"SendsTwoForOne", kAllGather, all_gather, [](Schedules& all) { first(all[1], StepKind::receive).chunk_count = 2; },
     "sends chunks 0..0, but rank 1 step 2 (receive) expects 0..1"},
    {"WrongPeer", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[2].steps[0].peer = 1; }, "deadlock: "},
    {"WaitsInACircle", kAllReduce, samples::ring_all_reduce,
     [](Schedules& all) {
       for (Schedule& schedule : all) {
         schedule.steps[0].first_wait = 0;
         schedule.steps[0].wait_count = 1;
         schedule.waits[0] = {.step = 6, .mode = WaitMode::complete};
       }
     },
     "waits for step 6; rank 0 step 6 (receive-reduce) waits for rank 3 to send"},
    {"WaitsForALaterStepOfItsLane", kBroadcast, broadcast,
     [](Schedules& all) {
       all[0].waits.push_back({.step = 1, .mode = WaitMode::complete});
       all[0].steps[0].first_wait = static_cast<uint32_t>(all[0].waits.size() - 1);
       all[0].steps[0].wait_count = 1;
     },
     "deadlock: rank 0 step 0 (copy) waits for step 1"},
    {"SendsBeforeReceivingAllAround", kAllReduce,
     samples::ring_all_reduce,
     [](Schedules& all) {
       for (Schedule& schedule : all) {  // one lane for both: no rank reaches its receives
         schedule.lanes = {{.channel = 0, .first_step = 0, .step_count = 12}};
         forget_waits(schedule);
       }
     },
     "waits for rank 1 to receive"},
    {"SwappedReceives", kBroadcast, broadcast,
     [](Schedules& all) {
       std::swap(all[1].steps[0], all[1].steps[1]);
       forget_waits(all[1]);
     },
     "expects 1..1"},
    {"BarrierRoundDropped", kBarrier, samples::dissemination_barrier,
     [](Schedules& all) {
       for (Schedule& schedule : all) {
         drop_step(schedule, 5);
         drop_step(schedule, 2);
       }
     },
     "may leave the barrier knowing only that ranks {"},
    {"BarrierWaitDropped", kBarrier, samples::dissemination_barrier,
     [](Schedules& all) { std::for_each(all.begin(), all.end(), forget_waits); },
     "may leave the barrier knowing only that ranks {"},
};

const PlantedBug kRaceBugs[] = {
    {"MissingWait", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[2].steps[1].wait_count = 0; },
     "race: rank 2 step 6 (receive-reduce) writes output[1] and rank 2 step 1 (send) reads output[1]"},
    {"MissingWaitOfAReduction", kReduce, samples::star_reduce, [](Schedules& all) { forget_waits(all[1]); }, "race: rank 1"},
    {"OverwritesWhatIsStillSent", kAllToAllInPlace, samples::direct_all_to_all, [](Schedules& all) { forget_waits(all[0]); },
     "race: rank 0 step 0 (send) reads input[1] and rank 0 step 2 (copy) writes output[1]"},
    {"RightOnlyOutOfPlace", kAllToAllInPlace, samples::direct_all_to_all,
     [](Schedules& all) {  // straight into the output: fine, were it not the input
       for (Schedule& schedule : all) {
         drop_step(schedule, 5);
         drop_step(schedule, 2);
         for (Step& step : schedule.steps) {
           if (step.kind == StepKind::receive) {
             step.target = {Buffer::output, step.peer};
           }
         }
       }
     },
     "race: "},
    {"ReducesInPlaceUnderItsOwnSend", kAllReduceInPlace, samples::ring_all_reduce,
     [](Schedules& all) { all[1].steps[6].target = {Buffer::output, 0}, all[1].steps[9].wait_count = 0, forget_waits(all[1]); },
     "race: "},
    {"SharedScratchSlot", kReduce, samples::star_reduce,
     [](Schedules& all) {
       first(all[1], StepKind::receive).target.slot = 3;
     },
     "writes scratch[3] and"},
    {"StreamsToAnotherSlot", kBroadcast, broadcast,
     [](Schedules& all) {  // scratch[0..1] filled as a whole, then its second half sent slice by slice
       all[1].scratch_slots = 4;
       all[1].steps[0].target = {Buffer::scratch, 0};
       all[1].steps[1].target = {Buffer::scratch, 0};
       all[1].waits[0].mode = WaitMode::streaming;
       all[1].steps[2].source = {Buffer::scratch, 0};
       all[1].steps[3].source = {Buffer::scratch, 0};
     },
     "race: "},
};

const PlantedBug kContentBugs[] = {
    {"SwappedChunkOfAnEqualBlock", kAllToAll, samples::direct_all_to_all, [](Schedules& all) { first(all[0], StepKind::send).source.slot = 2; },
     "rank 1 ends with chunk 2 in output[0], where chunk 1 belongs"},
    {"WrongOutputSlot", kAllGather, all_gather,
     [](Schedules& all) {
       first(all[0], StepKind::copy).target.slot = 1;
     },
     "race: "},
    {"DoubleContribution", kReduce, samples::star_reduce, [](Schedules& all) { all[1].sources[0] = all[1].sources[2]; },
     "adds contributions of ranks {2} to {1,2}, some of them twice"},
    {"MissingContribution", kReduce, samples::star_reduce, [](Schedules& all) { first(all[1], StepKind::reduce).source_count = 3; },
     "is final, but holds contributions of ranks {0,1,2} only"},
    {"MissingContributionNotFinal", kReduce, samples::star_reduce,
     [](Schedules& all) {
       first(all[1], StepKind::reduce).source_count = 3;
       first(all[1], StepKind::reduce).final = Final::no;
     },
     "rank 1 ends with contributions of ranks {0,1,2} only in output[0]"},
    {"MissingFinal", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].steps[8].final = Final::no; },
     "rank 0 step 8 (receive-reduce) adds the last contributions without being final"},
    {"FinalTooEarly", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].steps[7].final = Final::yes; },
     "is final, but holds contributions of ranks {"},
    {"ReducesWhatIsFinal", kAllReduce, samples::ring_all_reduce,
     [](Schedules& all) {
       Step& step = all[0].steps[9];
       step.kind = StepKind::receive_reduce;
       step.source = {Buffer::input, step.first_chunk};
     },
     "which is final already"},
    {"ReceivesInsteadOfReducing", kAllReduce, samples::ring_all_reduce,
     [](Schedules& all) {
       all[0].steps[6].kind = StepKind::receive;
     },
     "is final, but holds contributions of ranks {"},
    {"OtherOrderOnOneRank", {.collective = Collective::all_reduce, .rank_count = 2},
     [](const Problem& problem) {
       return samples::for_each_rank(problem, [](uint32_t rank) {
         Builder builder({.rank = rank});
         builder.send(builder.add_lane(), 1 - rank, {}, {Buffer::input, 0});
         builder.receive_reduce(builder.add_lane(), 1 - rank, {}, {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}},
                                {.operands = rank == 0 ? Operands::local_first : Operands::received_first, .final = Final::yes});
         return std::move(builder).build();
       });
     },
     [](Schedules& all) { first(all[1], StepKind::receive_reduce).operands = Operands::local_first; },
     "rank 1 reduces output[0] in another order than rank 0"},
    {"ReadsWhatNothingWrites", kReduce, samples::star_reduce,
     [](Schedules& all) {
       all[1].scratch_slots = 9;
       all[1].sources[2].slot = 8;
     },
     "reads scratch[8], which holds nothing yet"},
    {"ReducesDifferentChunks", {.collective = Collective::reduce_scatter, .rank_count = 3}, samples::direct_reduce_scatter,
     [](Schedules& all) { first(all[1], StepKind::send).source.slot = 1; }, "reduces chunk 0 with chunk 1"},
    {"VariableBlockUnderAnotherName", {.collective = Collective::all_to_all, .rank_count = 3, .blocks = Blocks::variable},
     samples::direct_all_to_all,
     [](Schedules& all) {
       all[0].steps[5].source.slot = 1;
       all[0].waits.push_back({.step = 2, .mode = WaitMode::complete});
       all[0].steps[6].source.slot = 1;
       all[0].steps[6].first_wait = static_cast<uint32_t>(all[0].waits.size() - 1);
       all[0].steps[6].wait_count = 1;
     },
     "names chunk 6, but scratch[1] holds chunk 3"},
};

const PlantedBug kBoundsBugs[] = {
    {"WritesToInput", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[3].steps[9].target.buffer = Buffer::input; },
     "rank 3 step 9 (receive) writes to input["},
    {"WritesToInputInPlace", kAllReduceInPlace, samples::ring_all_reduce,
     [](Schedules& all) { all[3].steps[9].target.buffer = Buffer::input; }, "inputs are read only"},
    {"ScratchOutOfBounds", kReduce, samples::star_reduce, [](Schedules& all) { all[1].scratch_slots = 3; },
     "out of bounds of 3 slots"},
    {"OutputOutOfBounds", kAllGather, all_gather, [](Schedules& all) { first(all[0], StepKind::copy).target.slot = 3; },
     "writes to 1 chunks at output[3], out of bounds of 3 slots"},
    {"OutputThatIsNotThere", kReduce, samples::star_reduce, [](Schedules& all) { all[0].steps[0].source.buffer = Buffer::output; },
     "rank 0 step 0 (send) reads output[0], but the rank has no output"},
    {"InputThatIsNotThere", kBroadcast, broadcast, [](Schedules& all) { first(all[1], StepKind::send).source.buffer = Buffer::input; },
     "but the rank has no input"},
    {"NoBuffer", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].source = {}; }, "reads nothing"},
    {"ChunkOutOfBounds", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].first_chunk = 3; }, "has chunks 3..3 of 3"},
    {"ChunkRangeWrapsInAVector", kBroadcast, broadcast,
     [](Schedules& all) {
       all[0].steps[1].chunk_count = 2;
     },
     "a vector does not wrap"},
    {"NoChunks", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].chunk_count = 0; }, "has no chunks"},
    {"SlotOfAnotherChunk", kBroadcast, broadcast, [](Schedules& all) { all[0].steps[1].target.slot = 0; },
     "writes to output[0], the slot of chunk 0, for chunk 1"},
    {"SlotOfAnotherPart", kAllGather, all_gather_in_parts, [](Schedules& all) { all[0].steps[1].target.slot = 0; },
     "the slot of chunk 0, for chunk 1"},
    {"SeveralPartsAtOnce", kAllGather, all_gather_in_parts, [](Schedules& all) { all[0].steps[0].chunk_count = 2; },
     "blocks in parts move part by part"},
    {"SeveralVariableBlocksAtOnce", {.collective = Collective::all_gather, .rank_count = 3, .blocks = Blocks::variable}, all_gather,
     [](Schedules& all) { all[0].steps[0].chunk_count = 2; }, "variable blocks move one by one"},
    {"UnknownLength", {.collective = Collective::gather, .rank_count = 3, .blocks = Blocks::variable}, samples::star_gather,
     [](Schedules& all) { all[1].steps[0].first_chunk = 2; }, "has chunk 2, whose length the rank does not know"},
    {"PeerOutOfBounds", kAllGather, all_gather, [](Schedules& all) { first(all[0], StepKind::send).peer = 3; }, "has peer 3 of 3 ranks"},
    {"PeerIsItself", kAllGather, all_gather, [](Schedules& all) { first(all[0], StepKind::send).peer = 0; }, "has its own rank as peer"},
    {"WaitOutOfBounds", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].waits[0].step = 99; }, "waits for step 99 of 12"},
    {"WaitsOutOfBounds", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].steps[0].wait_count = 99; },
     "has waits 0..99 of 5"},
    {"WaitsForItself", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].waits[0].step = 1; }, "waits for itself"},
    {"StreamsBehindOtherChunks", kAllReduce, samples::ring_all_reduce, [](Schedules& all) { all[0].waits[0].step = 7; },
     "streams behind step 7, which has other chunks"},
    {"SourcesOutOfBounds", kReduce, samples::star_reduce, [](Schedules& all) { first(all[1], StepKind::reduce).source_count = 9; },
     "has sources 0..9 of 4"},
    {"NoSources", kReduce, samples::star_reduce, [](Schedules& all) { first(all[1], StepKind::reduce).source_count = 0; },
     "has no sources"},
    {"FinalCopy", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].final = Final::yes; }, "is final, but reduces nothing"},
    {"ReducesWhereNothingReduces", kAllGather, all_gather,
     [](Schedules& all) { first(all[0], StepKind::receive).kind = StepKind::receive_reduce; }, "reduces, which allgather does not"},
    {"OverlapsItself", kAllGather, [](const Problem&) { return samples::wrapping_all_gather(); },
     [](Schedules& all) {
       Step& copy = all[0].steps[6];
       copy.chunk_count = 2;
       copy.source = {Buffer::output, 0};
     },
     "which overlap"},
    {"UnknownKind", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].kind = static_cast<StepKind>(9); },
     "has kind 9, which does not exist"},
    {"UnknownBuffer", kAllGather, all_gather, [](Schedules& all) { all[0].steps[0].source.buffer = static_cast<Buffer>(9); },
     "reads buffer 9, which does not exist"},
    {"TwoLanesToOnePeer", kAllGather, [](const Problem&) { return samples::wrapping_all_gather(); },
     [](Schedules& all) { all[0].lanes[2].channel = 0; }, "rank 0 lanes 1 and 2 both send to rank 2 on channel 0"},
    {"ChannelOutOfBounds", kAllGather, all_gather, [](Schedules& all) { all[2].lanes[0].channel = 1; }, "rank 2 lane 0 is on channel 1 of 1"},
    {"TooManyChannels", kAllGather, all_gather, [](Schedules& all) { all[2].channel_count = kMaxChannels + 1; }, "has 7 channels"},
    {"LaneWithAGap", kAllGather, all_gather, [](Schedules& all) { all[2].lanes[1].first_step = 0; }, "rank 2 lane 1 begins with step 0"},
    {"StepsOutsideLanes", kAllGather, all_gather, [](Schedules& all) { all[2].lanes.pop_back(); }, "has 5 steps, but its lanes hold 4"},
    {"EmptyLane", kAllGather, all_gather, [](Schedules& all) { all[2].lanes[0].step_count = 0; }, "lane 0 has no steps"},
    {"WrongChunkCount", kAllGather, all_gather,
     [](Schedules& all) {
       for (Schedule& schedule : all) {
         schedule.chunk_count = 4;
       }
     },
     "has 4 chunks where allgather, 3 ranks with 1 parts per block has 3"},
    {"DisagreeOnSlices", kBroadcast, broadcast, [](Schedules& all) { all[1].least_slices = 8; }, "rank 1 has messages of 8 slices at least, rank 0 of 1"},
    {"DisagreeOnChannels", kBroadcast, broadcast, [](Schedules& all) { all[1].channel_count = 2; }, "rank 1 has 2 channels, rank 0 has 1"},
    {"DisagreeOnChunks", kBroadcast, broadcast, [](Schedules& all) { all[1].chunk_count = 3; }, "rank 1 has 3 chunks in 1 parts"},
    {"PartsOfAVector", kBroadcast, broadcast,
     [](Schedules& all) {
       for (Schedule& schedule : all) {
         schedule.parts = 2;
       }
     },
     "broadcast has no blocks"},
    {"ScheduleOfAnotherRank", kAllGather, all_gather, [](Schedules& all) { std::swap(all[0], all[1]); }, "the schedule at 0 is rank 1's"},
    {"RankWithoutASchedule", kAllGather, all_gather, [](Schedules& all) { all.pop_back(); }, "2 schedules for allgather, 3 ranks"},
    {"MoreScratchThanIsVerified", kReduce, samples::star_reduce, [](Schedules& all) { all[1].scratch_slots = UINT32_MAX; },
     "are verified at most"},
};

constexpr Problem kReduction{.collective = Collective::all_reduce, .rank_count = 3};
constexpr Problem kGathering{.collective = Collective::all_gather, .rank_count = 3};
constexpr Problem kGather{.collective = Collective::gather, .rank_count = 3, .root = 1};

// A signal with the await that it meets.
void drop_pair(Schedules& all, uint32_t signalling, uint32_t signal, uint32_t awaiting, uint32_t await) {
  drop_step(all[signalling], signal);
  drop_step(all[awaiting], await);
}

Schedules shared_all_gather(const Problem& problem) { return samples::shared_all_gather(problem); }

// samples::shared_all_reduce() and its neighbours say which step is which. Rank 1 awaits rank 0 first, rank 2 then.
const PlantedBug kSharedMemoryBugs[] = {
    {"FirstAwaitAndSignalMissing", kReduction, samples::shared_all_reduce, [](Schedules& all) { drop_pair(all, 0, 0, 1, 6); },
     "rank 1 step 7 (reduce) works in the memory of rank 0 without an await of its signal before"},
    {"AwaitMissing", kReduction, samples::shared_all_reduce, [](Schedules& all) { drop_step(all[1], 6); }, "finds no await left at rank 1"},
    {"SignalMissing", kReduction, samples::shared_all_reduce, [](Schedules& all) { drop_step(all[0], 0); }, "finds no signal left at rank 0"},
    {"SecondAwaitAndSignalMissing", kReduction, samples::shared_all_reduce, [](Schedules& all) { drop_pair(all, 0, 2, 1, 9); },
     "race: rank 0 step 7 (reduce) writes output[0] and rank 1 step 10 (copy) reads rank 0's output[0]"},
    {"SecondSignalTooEarly", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[0].steps[2].wait_count = 0; }, "race: rank 0 step 8"},
    {"LastAwaitAndSignalMissing", kReduction, samples::shared_all_reduce, [](Schedules& all) { drop_pair(all, 0, 4, 1, 13); },
     "works in the memory of rank 1, which may have ended: no step of it comes after"},
    {"LastSignalTooEarly", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[0].steps[4].wait_count = 0; },
     "works in the memory of rank 1, which may have ended"},
    {"LastAwaitThatOnlyPrivateOutputsNeed", kGather, samples::shared_gather, [](Schedules& all) { drop_pair(all, 1, 2, 0, 3); },
     "rank 1 step 5 (copy) works in the memory of rank 0, which may have ended"},
    {"ReadsTheWrongPeer", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[7].source.rank = 2; },
     "rank 1 ends with chunk 2 in output[0], where chunk 0 belongs"},
    {"ReadsTheWrongSlot", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[1].sources[0].slot = 0; },
     "reads rank 0's input[0], the slot of chunk 0, for chunk 1"},
    {"WritesToTheWrongPeer", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[1].targets[0].rank = 2; },
     "writes to rank 2's output[1], and elsewhere in the same rank's memory"},
    {"WritesToTheWrongSlot", kGather, samples::shared_gather, [](Schedules& all) { first(all[0], StepKind::copy).target.slot = 2; }, "race: "},
    {"FetchedIfPrivateButNotWrittenIfShared", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[7].if_private = true; },
     "rank 1 ends with nothing in output[0], where chunk 0 belongs"},
    {"WrittenIfSharedButNotFetchedIfPrivate", kGather, samples::shared_gather,
     [](Schedules& all) {
       drop_step(all[1], 6);
       all[1].waits[0].step = 5;  // the await instead
     },
     "rank 1 ends with nothing in output[0], where chunk 0 belongs"},
    {"NeitherWrittenNorFetched", kReduction, samples::shared_all_reduce, [](Schedules& all) { first(all[0], StepKind::reduce).target_count = 1; },
     "ends with nothing in output[0], where chunk 0 belongs"},
    {"NotFetched", kReduction, samples::shared_all_reduce,
     [](Schedules& all) {
       all[1].steps[12].target.slot = all[1].steps[12].source.slot = 0;
       all[1].steps[12].first_chunk = 0;
       all[1].steps[12].source.rank = 0;
     },
     "rank 1 ends with nothing in output[2], where chunk 2 belongs"},
    {"WritesToAPeersInput", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[1].targets[0].buffer = Buffer::input; },
     "writes to rank 0's input[1]: inputs are read only"},
    {"ReadsScratchOfAPeer", kGathering, shared_all_gather,
     [](Schedules& all) {
       all[0].scratch_slots = 1;
       all[1].steps[7].source = samples::of(0, Buffer::scratch, 0);
     },
     "names rank 0's scratch[0]: of a peer's memory, only input and output are in reach"},
    {"NamesItselfAsAPeer", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[4].source.rank = 1; }, "its own, as a peer's"},
    {"NamesARankThatIsNone", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[7].source.rank = 3; }, "of 3 ranks"},
    {"SendsFromAPeer", kAllGather, all_gather, [](Schedules& all) { first(all[1], StepKind::send).source.rank = 0; },
     "only copy and reduce work in a peer's memory"},
    {"ReadsAnOutputThatIsNotThere", kGather, samples::shared_gather,
     [](Schedules& all) { all[1].steps[6].source.buffer = Buffer::output; }, "but the rank has no output"},
    {"CopiesBetweenPeers", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[7].target.rank = 2; },
     "one end must be the rank's own"},
    {"ReducesToAPeerOnly", kReduction, samples::shared_all_reduce, [](Schedules& all) { first(all[1], StepKind::reduce).target.rank = 0; },
     "the first target is the rank's own, and the further ones are peers'"},
    {"FurtherTargetIsItsOwn", kReduction, samples::shared_all_reduce, [](Schedules& all) { all[1].targets[0].rank = kOwnRank; },
     "the first target is the rank's own, and the further ones are peers'"},
    {"FurtherTargetsOfACopy", kReduction, samples::shared_all_reduce,
     [](Schedules& all) {
       all[1].steps[11].first_target = 0;
       all[1].steps[11].target_count = 1;
     },
     "has further targets, which only reduce has"},
    {"FurtherTargetsOutOfBounds", kReduction, samples::shared_all_reduce,
     [](Schedules& all) { first(all[1], StepKind::reduce).target_count = 3; }, "has further targets 0..3 of 2"},
    {"IfPrivateOfItsOwn", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[4].if_private = true; },
     "which only a copy from a peer can be"},
    {"IfPrivateReduction", kReduction, samples::shared_all_reduce, [](Schedules& all) { first(all[1], StepKind::reduce).if_private = true; },
     "which only a copy from a peer can be"},
    {"StreamsBehindASignal", kReduction, samples::shared_all_reduce,
     [](Schedules& all) {
       Step& copy = all[0].steps[12];  // of the signals' chunk 0
       all[0].waits.push_back({.step = 6, .mode = WaitMode::streaming});
       copy.first_wait = static_cast<uint32_t>(all[0].waits.size() - 1);
       copy.wait_count = 1;
       copy.first_chunk = 0;
     },
     "but signals have no data"},
    {"SignalMeetsAReceive", kGathering, shared_all_gather,
     [](Schedules& all) {
       all[1].scratch_slots = 1;
       all[1].steps[5] = {.kind = StepKind::receive, .peer = 0, .source = {}, .target = {Buffer::scratch, 0}};
     },
     "rank 0 step 0 (signal) meets rank 1 step 5 (receive): a signal is met by an await, and data by a receive"},
    {"SignalsItself", kGathering, shared_all_gather, [](Schedules& all) { all[1].steps[0].peer = 1; }, "has its own rank as peer"},
    {"TwoLanesSignalOnePeer", kGathering, shared_all_gather,
     [](Schedules& all) { all[0].lanes = {{0, 0, 2}, {0, 2, 2}, {0, 4, 7}}; }, "rank 0 lanes 0 and 1 both send to rank 1 on channel 0"},
    {"OverwritesWhatAPeerReads", {.collective = Collective::all_to_all, .rank_count = 2, .in_place = InPlace::yes},
     [](const Problem& problem) {
       return samples::for_each_rank(problem, [](uint32_t rank) {
         Builder builder({.rank = rank, .chunk_count = 4});
         const uint32_t peer = 1 - rank;
         const Chunks chunk{.first = peer * 2 + rank};
         const Span aside{Buffer::scratch, builder.add_scratch(1)};
         samples::Signals signals(builder, rank, 2);
         signals.signal_all();
         signals.await_all();
         signals.signal_all({{builder.copy(signals.working(), chunk, {samples::of(peer, Buffer::input, rank), aside})}});
         signals.await_all();
         builder.copy(signals.working(), chunk, {aside, {Buffer::output, peer}});
         return std::move(builder).build();
       });
     },
     [](Schedules& all) {  // straight into the output: fine, were it not the input
       for (Schedule& schedule : all) {
         schedule.steps[3].target = schedule.steps[5].target;
         drop_step(schedule, 5);
       }
     },
     "race: rank "},
};

std::string name_of_case(const testing::TestParamInfo<PlantedBug>& info) { return info.param.name; }

// Rank 0: receives 0..2, reduces in 3, sends in 4..6.
const PlantedBug kGangBugs[] = {
    {"GangOfMoreThanThereAre", kAllReduce, samples::ganged_all_reduce, [](Schedules& all) { all[2].steps[0].gang.message_count = 9; },
     "rank 2 step 0 (send) is in gang 0 of 9 messages, which has 3"},
    {"OneStaysAway", kAllReduce, samples::ganged_all_reduce, [](Schedules& all) { all[2].steps[0].gang = {}; },
     "is in gang 0 of 3 messages, which has 2"},
    {"ReceiveInAGang", kAllReduce, samples::ganged_all_reduce, [](Schedules& all) { all[2].steps[1].gang = {.number = 4, .message_count = 1}; },
     "rank 2 step 1 (receive) is in gang 4, but only sends are in gangs"},
    {"TwoGangsAreOne", kAllReduce, samples::ganged_all_reduce,
     [](Schedules& all) {
       for (Schedule& schedule : all) {
         for (Step& step : schedule.steps) {
           step.gang = step.gang.exists() ? Gang{.number = 5, .message_count = 6} : Gang{};
         }
       }
     },
     "gang 5 has no message from rank 1 to rank 2"},
    {"CopiesOfTwoThings", kAllReduce, samples::ganged_all_reduce, [](Schedules& all) { all[0].steps[5].source = {Buffer::input, 0}; },
     "rank 0 step 5 (send) sends something else than rank 0 step 4 (send), which is in the same gang 1"},
    {"WhatIsReducedIsReadAgain", kAllReduce, samples::ganged_all_reduce,
     [](Schedules& all) {
       for (const uint32_t step : {4u, 5u, 6u}) {
         all[0].steps[step].source = {Buffer::scratch, 1};
       }
     },
     "receives in scratch[1] what one reduce, and nothing else, should read"},
    {"WhatIsReducedIsPassedOnInstead", kAllReduce, samples::ganged_all_reduce, [](Schedules& all) { all[0].sources[2] = {Buffer::scratch, 0}; },
     "what one reduce, and nothing else, should read"},
};

INSTANTIATE_TEST_SUITE_P(Order, VerifierRejects, testing::ValuesIn(kOrderBugs), name_of_case);
INSTANTIATE_TEST_SUITE_P(Races, VerifierRejects, testing::ValuesIn(kRaceBugs), name_of_case);
INSTANTIATE_TEST_SUITE_P(Contents, VerifierRejects, testing::ValuesIn(kContentBugs), name_of_case);
INSTANTIATE_TEST_SUITE_P(SharedMemory, VerifierRejects, testing::ValuesIn(kSharedMemoryBugs), name_of_case);
INSTANTIATE_TEST_SUITE_P(Bounds, VerifierRejects, testing::ValuesIn(kBoundsBugs), name_of_case);
INSTANTIATE_TEST_SUITE_P(Gangs, VerifierRejects, testing::ValuesIn(kGangBugs), name_of_case);

TEST(VerifierRejectsProblems, ThatAreNone) {
  const auto message = [](const Problem& problem) { return verify(problem, {}).message(); };
  EXPECT_THAT(message({.collective = static_cast<Collective>(99)}), HasSubstr("collective 99 does not exist"));
  EXPECT_THAT(message({.collective = Collective::send, .rank_count = 2}), HasSubstr("not a collective to verify"));
  EXPECT_THAT(message({.rank_count = 0}), HasSubstr("no ranks"));
  EXPECT_THAT(message({.rank_count = UINT32_MAX}), HasSubstr("are verified at most"));
  const Problem rootless{.collective = Collective::reduce, .rank_count = 1, .root = 1};
  EXPECT_THAT(verify(rootless, std::vector<Schedule>(1)).message(), HasSubstr("root 1 is not one of 1 ranks"));
}

TEST(VerifierRejectsLinks, ThatDoNotExist) {
  const auto one_way = [](uint32_t source, uint32_t target) { return target == source + 1; };
  EXPECT_THAT(verify(kAllReduce, samples::ring_all_reduce(kAllReduce), {.has_link = one_way}).message(),
              HasSubstr("rank 3 step 0 (send) goes to rank 0, to which there is no link"));
}

// A send may be delivered, and so be over for its receiver, before its own rank knows: nothing but a wait orders the sender's later steps.
TEST(VerifierRejectsRaces, ThatRendezvousWouldHide) {
  const Problem problem{.collective = Collective::all_reduce, .rank_count = 2, .in_place = InPlace::yes};
  const Schedules schedules = samples::for_each_rank(problem, [](uint32_t rank) {
    Builder builder({.rank = rank});
    builder.send(builder.add_lane(), 1 - rank, {}, {Buffer::input, 0});
    builder.receive_reduce(builder.add_lane(), 1 - rank, {}, {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}},
                           {.operands = rank == 0 ? Operands::local_first : Operands::received_first, .final = Final::yes});
    return std::move(builder).build();
  });
  EXPECT_THAT(verify(problem, schedules).message(), HasSubstr("race: rank 0 step 0 (send) reads input[0] and rank 0 step 1"));
}

}  // namespace
}  // namespace tutti::schedule
