// SPDX-License-Identifier: Apache-2.0
#include "msccl/weaver.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "msccl/homes.hpp"
#include "schedule/builder.hpp"

namespace tutti::msccl {

using schedule::Buffer;
using schedule::InPlace;
using schedule::Span;
using schedule::StepId;
using schedule::WaitMode;

// A transfer in the buffers of a schedule.
struct Move {
  // What is read, by the lowest rank whose contribution is in it.
  struct Operand {
    Span span;
    uint32_t lowest = 0;
  };
  uint32_t chunk = 0;
  std::vector<Operand> operands;  // the first is the one that the step calls its source
  Span target;
  bool received_first = false;  // what comes stands on the left of what is there
  bool is_final = false;
};

namespace {

Move move_of(const Homes& homes, const Transfer& transfer) {
  Move move{.chunk = transfer.chunk, .operands = {}, .target = homes.span_of(transfer.target), .is_final = transfer.is_final};
  for (const auto& [reference, lowest] : {std::pair{transfer.source, transfer.lowest_in_source}, std::pair{transfer.other, transfer.lowest_in_other}}) {
    if (reference.place != kNone) {
      move.operands.push_back({homes.span_of(reference), lowest});
    }
  }
  move.received_first = transfer.lowest_in_other < transfer.lowest_in_source;
  return move;
}

// What comes later is the first of what is read later.
bool adds_to(const Move& earlier, const Move& later) {
  return !earlier.is_final && earlier.chunk == later.chunk && later.operands.front().span == earlier.target && later.target == earlier.target;
}

bool follows(const Span& earlier, const Span& later) {
  return earlier.buffer == later.buffer && (earlier.buffer == Buffer::none || earlier.slot + 1 == later.slot);
}

// Whether one step can do both.
bool are_one(const Shape& shape, const Move& earlier, const Move& later) {
  if (shape.parts > 1 || earlier.is_final != later.is_final || earlier.received_first != later.received_first) {
    return false;
  }
  const bool are_in_order = !schedule::is_cut_vector(shape.problem.collective) || earlier.chunk + 1 == later.chunk;
  return are_in_order && follows(earlier.target, later.target) &&
         std::ranges::equal(earlier.operands, later.operands, [](const Move::Operand& first, const Move::Operand& second) {
           return first.lowest == second.lowest && follows(first.span, second.span);
         });
}

// `joins(k)`: whether chunk k can be in one step with the chunk before.
template <typename Joins>
std::vector<Piece> cut_where(uint32_t count, uint32_t most, Joins joins) {
  std::vector<Piece> pieces;
  for (uint32_t index = 0; index < count; ++index) {
    if (pieces.empty() || pieces.back().count == most || !joins(index)) {
      pieces.push_back({.first = index, .count = 0});
    }
    ++pieces.back().count;
  }
  return pieces;
}

}  // namespace

class RankWeaver {
 public:
  RankWeaver(const Weaver& weaver, uint32_t rank, const Weave& how)
      : weaver_(weaver),
        shape_(weaver.shape_),
        own_(weaver.trace_.ranks[rank]),
        blocks_(weaver.program_.gpus[rank].blocks),
        how_(how),
        homes_(weaver.program_, weaver.shape_, weaver.trace_, rank, how.copies_input),
        empty_{.rank = rank,
               .chunk_count = shape_.chunk_count,
               .parts = shape_.parts,
               .scratch_slots = homes_.scratch_count(),
               .steps = {},
               .lanes = {},
               .waits = {},
               .sources = {}},
        slots_(shape_.problem, empty_, how.in_place),
        builder_({.rank = rank, .chunk_count = shape_.chunk_count, .parts = shape_.parts}) {}

  Woven run() &&;

 private:
  // A step of the program, half of one, or a copy beside them.
  struct Work {
    OpKind kind = OpKind::nop;
    Origin origin;
    std::vector<Move> moves;
    std::vector<Piece> pieces;
    uint32_t peer = 0;
    uint32_t message = kNone;
    uint32_t lane = 0;
    uint32_t first_index = 0;        // of its steps in the lane
    std::map<uint32_t, bool> waits;  // for other work; whether it only reads what that wrote
  };
  struct Memory {
    uint32_t writer = kNone;
    std::vector<uint32_t> readers;  // since then
  };
  using Clock = std::vector<uint32_t>;  // by threadblock: how many of its steps are complete

  void add_copies();
  void add_program();
  void merge_reductions();
  void find_waits();
  void begin_step(const Origin& origin);
  void end_step(const Origin& origin);
  bool is_before(uint32_t earlier, const Origin& later) const;
  void note_read(uint32_t index, const Span& span);
  void note_write(uint32_t index, const Span& span);
  void assign_lanes();
  void build_lane(const std::vector<uint32_t>& lane);
  bool passes_on(const Work& earlier, const Work& later) const;
  void build_step(const Work& work, const Piece& piece, std::vector<schedule::WaitFor> waits);

  const Weaver& weaver_;
  const Shape& shape_;
  const RankTrace& own_;
  const std::vector<Block>& blocks_;
  const Weave how_;
  const Homes homes_;
  const schedule::Schedule empty_;
  const schedule::Slots slots_;
  schedule::Builder builder_;
  std::vector<Work> works_;  // in an order in which they can go
  uint32_t first_step_ = 0;  // the program's first in works_
  std::map<uint64_t, Memory> memory_;
  std::vector<Clock> clocks_;                              // by threadblock
  std::map<std::pair<uint32_t, uint32_t>, Clock> awaited_;  // by threadblock and step: when it was complete
  std::vector<std::vector<uint32_t>> lanes_;
  std::vector<uint32_t> lane_channel_;
};

Woven RankWeaver::run() && {
  add_copies();
  first_step_ = static_cast<uint32_t>(works_.size());
  add_program();
  find_waits();
  assign_lanes();
  builder_.add_scratch(homes_.scratch_count());
  for (const uint32_t channel : lane_channel_) {
    builder_.add_lane(channel);
  }
  Woven woven;
  for (const std::vector<uint32_t>& lane : lanes_) {
    build_lane(lane);
    for (const uint32_t index : lane) {
      woven.origins.insert(woven.origins.end(), works_[index].pieces.size(), works_[index].origin);
    }
  }
  woven.schedule = std::move(builder_).build();
  return woven;
}

// Of the input; and of what the program takes to be in the output from the beginning.
void RankWeaver::add_copies() {
  const Places& places = homes_.places();
  std::vector<Move> inputs;
  std::vector<Move> outputs;
  for (uint32_t number = 0; number < places.user_count(); ++number) {
    const uint32_t slot = places.input_slot(number);
    if (slot == kNone) {
      continue;
    }
    const Span source{.buffer = Buffer::input, .slot = slot};
    const Move move{.chunk = places.input_chunk(slot), .operands = {{source}}, .target = homes_.copy_of(slot)};
    if (how_.copies_input) {
      inputs.push_back(move);
    }
    if (how_.in_place == InPlace::no && places.output_slot(number) != kNone && !own_.is_written[number]) {
      outputs.push_back(move);
      outputs.back().target = {.buffer = Buffer::output, .slot = places.output_slot(number)};
    }
  }
  for (std::vector<Move>* moves : {&inputs, &outputs}) {
    if (!moves->empty()) {
      Work work{.kind = OpKind::copy, .origin = {}, .moves = std::move(*moves), .pieces = {}, .waits = {}};
      works_.push_back(std::move(work));
    }
  }
}

void RankWeaver::add_program() {
  for (const Op& op : own_.ops) {
    Work work{.kind = op.kind, .origin = {op.block, op.step}, .moves = {}, .pieces = {}, .message = op.message, .waits = {}};
    for (uint32_t index = 0; index < op.transfer_count; ++index) {
      work.moves.push_back(move_of(homes_, own_.transfers[op.first_transfer + index]));
    }
    if (op.kind == OpKind::copy) {  // in place, some go nowhere
      std::erase_if(work.moves, [&](const Move& move) { return slots_.location(move.operands.front().span) == slots_.location(move.target); });
    }
    if (op.message != kNone) {
      const Message& message = weaver_.trace_.messages[op.message];
      work.peer = op.kind == OpKind::send ? message.target : message.source;
      work.pieces = weaver_.pieces_[op.message];
    }
    works_.push_back(std::move(work));
  }
  merge_reductions();
  for (Work& work : works_) {
    if (work.message == kNone) {
      work.pieces = cut_where(static_cast<uint32_t>(work.moves.size()), shape_.chunk_count,
                              [&](uint32_t index) { return are_one(shape_, work.moves[index - 1], work.moves[index]); });
    }
  }
}

// Steps that add one thing after another to the same become one that adds up all, with lower ranks' contributions on the left: then ranks that get them
// in different orders add them up alike.
void RankWeaver::merge_reductions() {
  for (uint32_t index = first_step_; index + 1 < works_.size(); ++index) {
    Work& earlier = works_[index];
    Work& later = works_[index + 1];
    if (earlier.kind != OpKind::reduce || later.kind != OpKind::reduce || earlier.origin.block != later.origin.block ||
        !std::ranges::equal(earlier.moves, later.moves, adds_to)) {
      continue;
    }
    for (size_t move = 0; move < later.moves.size(); ++move) {
      std::vector<Move::Operand>& operands = later.moves[move].operands;
      std::vector<Move::Operand> all = std::move(earlier.moves[move].operands);
      all.insert(all.end(), operands.begin() + 1, operands.end());
      operands = std::move(all);
    }
    earlier.moves.clear();
  }
}

void RankWeaver::find_waits() {
  for (const Block& block : blocks_) {
    for (const Step& step : block.steps) {
      if (step.awaited_block != kNone) {
        awaited_.try_emplace({step.awaited_block, step.awaited_step});
      }
    }
  }
  clocks_.assign(blocks_.size(), Clock(blocks_.size()));
  for (uint32_t index = 0; index < works_.size(); ++index) {
    const Work& work = works_[index];
    const bool is_step = index >= first_step_;
    if (is_step) {
      begin_step(work.origin);
    }
    for (const Move& move : work.moves) {
      for (const Move::Operand& operand : move.operands) {
        note_read(index, operand.span);
      }
    }
    for (const Move& move : work.moves) {
      note_write(index, move.target);
    }
    const bool is_followed = index + 1 < works_.size() && works_[index + 1].origin == work.origin;
    if (is_step && !is_followed) {
      end_step(work.origin);
    }
  }
}

void RankWeaver::begin_step(const Origin& origin) {
  const Step& step = blocks_[origin.block].steps[origin.step];
  if (step.awaited_block == kNone) {
    return;
  }
  Clock& clock = clocks_[origin.block];
  const Clock& other = awaited_[{step.awaited_block, step.awaited_step}];
  for (size_t block = 0; block < clock.size(); ++block) {
    clock[block] = std::max(clock[block], other[block]);
  }
}

void RankWeaver::end_step(const Origin& origin) {
  Clock& clock = clocks_[origin.block];
  clock[origin.block] = origin.step + 1;
  if (const auto awaited = awaited_.find({origin.block, origin.step}); awaited != awaited_.end()) {
    awaited->second = clock;
  }
}

// Whether the program puts it so: by the order of a threadblock, and by waits.
bool RankWeaver::is_before(uint32_t earlier, const Origin& later) const {
  const Origin& origin = works_[earlier].origin;
  return earlier < first_step_ || origin.step < clocks_[later.block][origin.block] || origin == later;
}

void RankWeaver::note_read(uint32_t index, const Span& span) {
  if (span.buffer == Buffer::none) {
    return;
  }
  Memory& memory = memory_[slots_.location(span)];
  if (memory.writer != kNone && memory.writer != index && is_before(memory.writer, works_[index].origin)) {
    works_[index].waits.try_emplace(memory.writer, true);
  }
  memory.readers.push_back(index);
}

void RankWeaver::note_write(uint32_t index, const Span& span) {
  if (span.buffer == Buffer::none) {
    return;
  }
  Memory& memory = memory_[slots_.location(span)];
  memory.readers.push_back(memory.writer);
  for (const uint32_t other : memory.readers) {
    if (other != kNone && other != index && is_before(other, works_[index].origin)) {
      works_[index].waits[other] = false;
    }
  }
  memory.writer = index;
  memory.readers.clear();
}

void RankWeaver::assign_lanes() {
  enum class End : uint8_t { sending, receiving, neither };
  std::map<std::tuple<End, uint32_t, uint32_t>, uint32_t> lane_of;
  for (uint32_t index = 0; index < works_.size(); ++index) {
    Work& work = works_[index];
    if (work.pieces.empty()) {
      continue;
    }
    const bool is_local = work.message == kNone;
    const uint32_t channel = is_local ? 0 : weaver_.channel_of(weaver_.trace_.messages[work.message]);
    const std::tuple key = is_local ? std::tuple{End::neither, work.origin.block, 0u}
                                    : std::tuple{work.kind == OpKind::send ? End::sending : End::receiving, work.peer, channel};
    const auto [lane, is_new] = lane_of.try_emplace(key, static_cast<uint32_t>(lanes_.size()));
    if (is_new) {
      lanes_.emplace_back();
      lane_channel_.push_back(channel);
    }
    work.lane = lane->second;
    lanes_[work.lane].push_back(index);
  }
  for (std::vector<uint32_t>& lane : lanes_) {
    // Messages go in the order in which they are received, which matters where several of the program's channels are one.
    if (works_[lane.front()].kind == OpKind::send) {
      std::stable_sort(lane.begin(), lane.end(), [&](uint32_t left, uint32_t right) { return works_[left].message < works_[right].message; });
    }
    uint32_t next = 0;
    for (const uint32_t index : lane) {
      works_[index].first_index = next;
      next += static_cast<uint32_t>(works_[index].pieces.size());
    }
  }
}

// Whether each step of `later` sends exactly what a step of `earlier` has brought.
bool RankWeaver::passes_on(const Work& earlier, const Work& later) const {
  if (later.kind != OpKind::send || earlier.pieces.size() != later.pieces.size() || earlier.moves.size() != later.moves.size()) {
    return false;
  }
  for (size_t index = 0; index < earlier.pieces.size(); ++index) {
    const Piece& piece = earlier.pieces[index];
    const Move& brought = earlier.moves[piece.first];
    const Move& sent = later.moves[piece.first];
    if (piece != later.pieces[index] || brought.chunk != sent.chunk || brought.target != sent.operands.front().span) {
      return false;
    }
  }
  return true;
}

void RankWeaver::build_lane(const std::vector<uint32_t>& lane) {
  std::map<uint32_t, uint32_t> complete;  // by other lane: how many of its steps are known to be
  for (const uint32_t index : lane) {
    const Work& work = works_[index];
    for (uint32_t piece = 0; piece < work.pieces.size(); ++piece) {
      std::map<uint32_t, schedule::WaitFor> last;  // by lane
      for (const auto& [other_index, only_reads] : work.waits) {
        const Work& other = works_[other_index];
        const bool is_step_by_step = only_reads && passes_on(other, work);
        if (other.lane == work.lane || (piece > 0 && !is_step_by_step)) {
          continue;
        }
        const uint32_t awaited = other.first_index + (is_step_by_step ? piece : static_cast<uint32_t>(other.pieces.size()) - 1);
        const auto known = complete.find(other.lane);
        const auto there = last.find(other.lane);
        if ((known != complete.end() && known->second > awaited) || (there != last.end() && there->second.step.index >= awaited)) {
          continue;
        }
        last[other.lane] = {.step = StepId{other.lane, awaited}, .mode = is_step_by_step && how_.streams ? WaitMode::streaming : WaitMode::complete};
      }
      std::vector<schedule::WaitFor> waits;
      for (const auto& [other_lane, wait] : last) {
        waits.push_back(wait);
        complete[other_lane] = wait.step.index + 1;
      }
      build_step(work, work.pieces[piece], std::move(waits));
    }
  }
}

void RankWeaver::build_step(const Work& work, const Piece& piece, std::vector<schedule::WaitFor> waits) {
  const Move& move = work.moves[piece.first];
  const schedule::Chunks chunks{.first = move.chunk, .count = piece.count};
  schedule::StepOptions options{.final = move.is_final ? schedule::Final::yes : schedule::Final::no, .waits = std::move(waits)};
  switch (work.kind) {
    case OpKind::send:
      builder_.send(work.lane, work.peer, chunks, move.operands.front().span, std::move(options));
      return;
    case OpKind::receive:
      builder_.receive(work.lane, work.peer, chunks, move.target, std::move(options));
      return;
    case OpKind::receive_reduce:
      options.operands = move.received_first ? schedule::Operands::received_first : schedule::Operands::local_first;
      builder_.receive_reduce(work.lane, work.peer, chunks, {.source = move.operands.front().span, .target = move.target}, std::move(options));
      return;
    case OpKind::copy:
      builder_.copy(work.lane, chunks, {.source = move.operands.front().span, .target = move.target}, std::move(options));
      return;
    case OpKind::reduce: {
      std::vector<Move::Operand> operands = move.operands;
      std::ranges::stable_sort(operands, {}, &Move::Operand::lowest);
      std::vector<Span> sources;
      std::ranges::transform(operands, std::back_inserter(sources), &Move::Operand::span);
      builder_.reduce(work.lane, chunks, sources, move.target, std::move(options));
      return;
    }
    case OpKind::nop:
      return;
  }
}

Weaver::Weaver(const Program& program, const Shape& shape, const Trace& trace) : program_(program), shape_(shape), trace_(trace) {
  for (uint32_t rank = 0; rank < program.rank_count(); ++rank) {
    homes_.push_back(std::make_unique<const Homes>(program, shape, trace, rank, false));
  }
  for (const Message& message : trace.messages) {
    pieces_.push_back(cut(message));
    channels_[{message.source, message.target}].push_back(message.channel);
  }
  for (auto& [pair, channels] : channels_) {
    std::sort(channels.begin(), channels.end());
    channels.erase(std::unique(channels.begin(), channels.end()), channels.end());
  }
}

Weaver::~Weaver() = default;

// The same at both ends, and for buffers that are in place too, where all moves alike or not at all.
std::vector<Piece> Weaver::cut(const Message& message) const {
  const RankTrace& sender = trace_.ranks[message.source];
  const RankTrace& receiver = trace_.ranks[message.target];
  const Op& sent = sender.ops[message.send_op];
  const Op& received = receiver.ops[message.receive_op];
  return cut_where(sent.transfer_count, shape_.chunk_count, [&](uint32_t index) {
    const auto are_one_at = [&](uint32_t rank, const RankTrace& trace, uint32_t transfer) {
      return are_one(shape_, move_of(*homes_[rank], trace.transfers[transfer - 1]), move_of(*homes_[rank], trace.transfers[transfer]));
    };
    return are_one_at(message.source, sender, sent.first_transfer + index) && are_one_at(message.target, receiver, received.first_transfer + index);
  });
}

uint32_t Weaver::channel_of(const Message& message) const {
  const std::vector<uint32_t>& channels = channels_.at({message.source, message.target});
  const auto found = std::lower_bound(channels.begin(), channels.end(), message.channel);
  return static_cast<uint32_t>(found - channels.begin()) % schedule::kMaxChannels;
}

Woven Weaver::weave(uint32_t rank, const Weave& how) const { return RankWeaver(*this, rank, how).run(); }

}  // namespace tutti::msccl
