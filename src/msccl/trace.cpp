// SPDX-License-Identifier: Apache-2.0
#include "msccl/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <tuple>
#include <utility>

#include "msccl/contributors.hpp"

namespace tutti::msccl {
namespace {

constexpr uint64_t kMostTransfers = uint64_t{1} << 22;
constexpr uint64_t kMostPlaces = uint64_t{1} << 22;  // of all ranks
// Of what is passed on without being kept, each threadblock has room for two steps, so that one can be received while the one before is sent.
constexpr uint32_t kPassingSteps = 2;

struct Content {
  uint32_t chunk = kNone;  // kNone: nothing has been written yet
  Contributors::Id contributors = 0;
  bool is_initial = false;
  uint32_t writer = kNone;  // the op that wrote it
};

class Run {
 public:
  Run(const Program& program, const Shape& shape);
  Result<Trace> to_end();

 private:
  struct Sent {
    uint32_t rank = 0;
    uint32_t op = 0;
    std::vector<Content> contents;
  };
  struct BlockState {
    uint32_t next = 0;  // its first step that has not gone
    uint32_t passing_base = kNone;
    uint32_t passing_count = 0;  // chunks of its longest step that keeps nothing
    uint32_t passed = 0;         // steps so far
    std::deque<Sent>* inbox = nullptr;
    std::deque<Sent>* outbox = nullptr;
  };
  struct RankState {
    RankState(const Program& program, const Shape& shape, uint32_t rank)
        : places(program, shape, rank), blocks(program.gpus[rank].blocks.size()) {}
    const Places places;
    std::vector<Content> memory;
    std::vector<BlockState> blocks;
  };

  void connect(uint32_t rank);
  void make_room(uint32_t rank);
  Status advance(uint32_t rank, uint32_t block, bool* went);
  bool may_go(uint32_t rank, const Step& step, const BlockState& state) const;
  Status go(uint32_t rank, uint32_t block);
  Status receive(uint32_t rank, uint32_t block, const Step& step, uint32_t target);
  Status send(uint32_t rank, uint32_t block, const Step& step, uint32_t source);
  Status work_locally(uint32_t rank, uint32_t block, const Step& step);
  // The number of what the current step names so.
  Status find(uint32_t rank, Place place, uint32_t count, uint32_t* number) const;
  // One of those that a step names from `place`, whose number is `first`.
  struct Chunk {
    Place place;
    uint32_t first = 0;
    uint32_t index = 0;
  };
  Status read(uint32_t rank, const Chunk& chunk, const Content** content) const;
  Status combine(const Content& own, const Content& other, Transfer* transfer, Content* result);
  Op& begin_op(uint32_t rank, OpKind kind, uint32_t block);
  void add(uint32_t rank, const Transfer& transfer);
  void write(uint32_t rank, uint32_t number, Content content);
  Status check_output(uint32_t rank, uint32_t number);
  std::string deadlock() const;
  std::string blocked_text(uint32_t& rank, uint32_t& block) const;
  std::string place() const { return program_.place_of(rank_, block_, step_); }

  const Program& program_;
  const Shape& shape_;
  std::deque<RankState> ranks_;
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, std::deque<Sent>> mail_;               // by source, target, channel
  std::map<std::tuple<uint32_t, uint32_t, uint32_t>, std::pair<uint32_t, uint32_t>> senders_;  // likewise: whose block sends there
  Contributors contributors_;
  Trace trace_;
  uint64_t transfer_count_ = 0;
  // The step that goes.
  uint32_t rank_ = 0;
  uint32_t block_ = 0;
  uint32_t step_ = 0;
};

Run::Run(const Program& program, const Shape& shape) : program_(program), shape_(shape), contributors_(program.rank_count()) {
  for (uint32_t rank = 0; rank < program.rank_count(); ++rank) {
    ranks_.emplace_back(program, shape, rank);
    trace_.ranks.emplace_back();
  }
}

void Run::connect(uint32_t rank) {
  const std::vector<Block>& blocks = program_.gpus[rank].blocks;
  for (uint32_t block = 0; block < blocks.size(); ++block) {
    if (blocks[block].send_to != kNone) {
      ranks_[rank].blocks[block].outbox = &mail_[{rank, blocks[block].send_to, blocks[block].channel}];
      senders_[{rank, blocks[block].send_to, blocks[block].channel}] = {rank, block};
    }
    if (blocks[block].receive_from != kNone) {
      ranks_[rank].blocks[block].inbox = &mail_[{blocks[block].receive_from, rank, blocks[block].channel}];
    }
  }
}

void Run::make_room(uint32_t rank) {
  RankState& state = ranks_[rank];
  const Places& places = state.places;
  RankTrace& trace = trace_.ranks[rank];
  for (uint32_t block = 0; block < state.blocks.size(); ++block) {
    for (const Step& step : program_.gpus[rank].blocks[block].steps) {
      if (step.type == StepType::receive_reduce_send) {
        state.blocks[block].passing_count = std::max(state.blocks[block].passing_count, step.count);
      }
    }
    state.blocks[block].passing_base = places.count() + trace.passing_slots;
    trace.passing_slots += kPassingSteps * state.blocks[block].passing_count;
  }
  state.memory.resize(places.count() + trace.passing_slots);
  trace.is_written.resize(state.memory.size());
  for (uint32_t number = 0; number < places.user_count(); ++number) {
    if (const uint32_t slot = places.input_slot(number); slot != kNone) {
      state.memory[number] = {.chunk = places.input_chunk(slot), .contributors = Contributors::only(rank), .is_initial = true};
    }
  }
}

Result<Trace> Run::to_end() {
  uint64_t place_count = 0;
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    connect(rank);
    make_room(rank);
    place_count += ranks_[rank].memory.size();
    if (place_count > kMostPlaces) {
      return tl::make_unexpected(invalid_argument("{}:{}: gpu {} brings the buffers to {} chunks; {} can be followed", program_.file,
                                                  program_.gpus[rank].line, rank, place_count, kMostPlaces));
    }
  }
  bool went = true;
  while (went) {
    went = false;
    for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
      for (uint32_t block = 0; block < ranks_[rank].blocks.size(); ++block) {
        TUTTI_UNEXPECTED_IF_ERROR(advance(rank, block, &went));
      }
    }
  }
  if (const std::string text = deadlock(); !text.empty()) {
    return tl::make_unexpected(invalid_argument("{}", text));
  }
  for (const auto& [ends, messages] : mail_) {
    if (!messages.empty()) {
      const Op& op = trace_.ranks[messages.front().rank].ops[messages.front().op];
      return tl::make_unexpected(invalid_argument("{} sends to gpu {} what no step there receives",
                                                  program_.place_of(messages.front().rank, op.block, op.step), std::get<1>(ends)));
    }
  }
  for (uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    for (uint32_t number = 0; number < ranks_[rank].places.user_count(); ++number) {
      TUTTI_UNEXPECTED_IF_ERROR(check_output(rank, number));
    }
  }
  return std::move(trace_);
}

Status Run::advance(uint32_t rank, uint32_t block, bool* went) {
  BlockState& state = ranks_[rank].blocks[block];
  const std::vector<Step>& steps = program_.gpus[rank].blocks[block].steps;
  while (state.next < steps.size() && may_go(rank, steps[state.next], state)) {
    TUTTI_RETURN_IF_ERROR(go(rank, block));
    ++state.next;
    *went = true;
  }
  return {};
}

bool Run::may_go(uint32_t rank, const Step& step, const BlockState& state) const {
  const bool is_awaited_done = step.awaited_block == kNone || ranks_[rank].blocks[step.awaited_block].next > step.awaited_step;
  return is_awaited_done && (!receives(step.type) || !state.inbox->empty());
}

Status Run::go(uint32_t rank, uint32_t block) {
  BlockState& state = ranks_[rank].blocks[block];
  const Step& step = program_.gpus[rank].blocks[block].steps[state.next];
  rank_ = rank;
  block_ = block;
  step_ = state.next;
  if (step.type == StepType::nop) {
    begin_op(rank, OpKind::nop, block);
    return {};
  }
  if (step.type == StepType::copy || step.type == StepType::reduce) {
    return work_locally(rank, block, step);
  }
  uint32_t kept = 0;  // where what is received, or sent, lies
  if (step.type == StepType::receive_reduce_send) {
    kept = state.passing_base + state.passed++ % kPassingSteps * state.passing_count;
  } else {
    TUTTI_RETURN_IF_ERROR(find(rank, step.type == StepType::send ? step.source : step.target, step.count, &kept));
  }
  if (receives(step.type)) {
    TUTTI_RETURN_IF_ERROR(receive(rank, block, step, kept));
  }
  return sends(step.type) ? send(rank, block, step, kept) : Status();
}

Status Run::receive(uint32_t rank, uint32_t block, const Step& step, uint32_t target) {
  std::deque<Sent>& inbox = *ranks_[rank].blocks[block].inbox;
  const Sent sent = std::move(inbox.front());
  inbox.pop_front();
  const Op& send_op = trace_.ranks[sent.rank].ops[sent.op];
  if (sent.contents.size() != step.count) {
    return invalid_argument("{} expects {} chunks, but {} sends {}", place(), step.count, program_.place_of(sent.rank, send_op.block, send_op.step),
                            sent.contents.size());
  }
  const bool reduces = step.type != StepType::receive && step.type != StepType::receive_copy_send;
  uint32_t source = 0;
  if (reduces) {
    TUTTI_RETURN_IF_ERROR(find(rank, step.source, step.count, &source));
  }
  Op& op = begin_op(rank, reduces ? OpKind::receive_reduce : OpKind::receive, block);
  op.message = static_cast<uint32_t>(trace_.messages.size());
  trace_.ranks[sent.rank].ops[sent.op].message = op.message;
  trace_.messages.push_back({.source = sent.rank,
                             .send_op = sent.op,
                             .target = rank,
                             .receive_op = static_cast<uint32_t>(trace_.ranks[rank].ops.size() - 1),
                             .channel = program_.gpus[rank].blocks[block].channel});
  for (uint32_t index = 0; index < step.count; ++index) {
    Content result = sent.contents[index];
    Transfer transfer{.chunk = result.chunk, .target = {.place = target + index}};
    if (reduces) {
      const Content* own = nullptr;
      TUTTI_RETURN_IF_ERROR(read(rank, {step.source, source, index}, &own));
      transfer.source = {.place = source + index, .is_initial = own->is_initial};
      TUTTI_RETURN_IF_ERROR(combine(*own, sent.contents[index], &transfer, &result));
    }
    add(rank, transfer);
    write(rank, target + index, result);
  }
  return {};
}

Status Run::send(uint32_t rank, uint32_t block, const Step& step, uint32_t source) {
  Sent sent{.rank = rank, .op = static_cast<uint32_t>(trace_.ranks[rank].ops.size()), .contents = {}};
  begin_op(rank, OpKind::send, block);
  for (uint32_t index = 0; index < step.count; ++index) {
    const Content* content = nullptr;
    TUTTI_RETURN_IF_ERROR(read(rank, {step.source, source, index}, &content));
    add(rank, {.chunk = content->chunk, .source = {.place = source + index, .is_initial = content->is_initial}});
    sent.contents.push_back(*content);
  }
  ranks_[rank].blocks[block].outbox->push_back(std::move(sent));
  return {};
}

Status Run::work_locally(uint32_t rank, uint32_t block, const Step& step) {
  uint32_t source = 0;
  uint32_t target = 0;
  TUTTI_RETURN_IF_ERROR(find(rank, step.source, step.count, &source));
  TUTTI_RETURN_IF_ERROR(find(rank, step.target, step.count, &target));
  const uint32_t distance = source > target ? source - target : target - source;
  if (distance != 0 && distance < step.count) {
    return invalid_argument("{} reads {} chunks at {} and writes as many to {}, which overlap", place(), step.count, text_of(step.source),
                            text_of(step.target));
  }
  const bool reduces = step.type == StepType::reduce;
  begin_op(rank, reduces ? OpKind::reduce : OpKind::copy, block);
  for (uint32_t index = 0; index < step.count; ++index) {
    const Content* content = nullptr;
    TUTTI_RETURN_IF_ERROR(read(rank, {step.source, source, index}, &content));
    Transfer transfer{.chunk = content->chunk,
                      .source = {.place = source + index, .is_initial = content->is_initial},
                      .target = {.place = target + index}};
    Content result = *content;
    if (reduces) {
      const Content* own = nullptr;
      TUTTI_RETURN_IF_ERROR(read(rank, {step.target, target, index}, &own));
      transfer.other = transfer.source;
      transfer.source = {.place = target + index, .is_initial = own->is_initial};
      TUTTI_RETURN_IF_ERROR(combine(*own, *content, &transfer, &result));
    } else if (source == target) {
      continue;
    }
    add(rank, transfer);
    write(rank, target + index, result);
  }
  return {};
}

Status Run::find(uint32_t rank, Place place, uint32_t count, uint32_t* number) const {
  *number = ranks_[rank].places.find(place, count);
  if (*number == kNone) {
    return invalid_argument("{} names {} chunks from {}, of which this gpu has {}", this->place(), count, text_of(place),
                            ranks_[rank].places.size(place.memory));
  }
  if (transfer_count_ + count > kMostTransfers) {
    return invalid_argument("{} is one too many: the steps move more than {} chunks", this->place(), kMostTransfers);
  }
  return {};
}

Status Run::read(uint32_t rank, const Chunk& chunk, const Content** content) const {
  *content = &ranks_[rank].memory[chunk.first + chunk.index];
  if ((*content)->chunk == kNone) {
    return invalid_argument("{} reads {}, which holds nothing yet", place(), text_of({chunk.place.memory, chunk.place.slot + chunk.index}));
  }
  return {};
}

// What is reduced has the lower ranks' contributions on the left, so that ranks that add up the same get the same bits.
Status Run::combine(const Content& own, const Content& other, Transfer* transfer, Content* result) {
  if (!schedule::is_reducing(shape_.problem.collective)) {
    return invalid_argument("{} reduces, which {} does not", place(), schedule::name_of(shape_.problem.collective));
  }
  if (own.chunk != other.chunk) {
    return invalid_argument("{} reduces chunk {} with chunk {}", place(), own.chunk, other.chunk);
  }
  const Contributors::Id both = contributors_.unite(own.contributors, other.contributors);
  if (both == Contributors::kOverlap) {
    return invalid_argument("{} adds what gpus {} have given to chunk {} to what {} have, some of it twice", place(),
                            contributors_.text(other.contributors), own.chunk, contributors_.text(own.contributors));
  }
  if (both == Contributors::kTooMany) {
    return invalid_argument("{} makes one partial sum more than can be followed", place());
  }
  transfer->chunk = own.chunk;
  transfer->lowest_in_source = contributors_.lowest(own.contributors);
  transfer->lowest_in_other = contributors_.lowest(other.contributors);
  transfer->is_final = contributors_.is_everyone(both);
  *result = {.chunk = own.chunk, .contributors = both};
  return {};
}

Op& Run::begin_op(uint32_t rank, OpKind kind, uint32_t block) {
  RankTrace& trace = trace_.ranks[rank];
  trace.ops.push_back({.kind = kind, .block = block, .step = step_, .first_transfer = static_cast<uint32_t>(trace.transfers.size())});
  return trace.ops.back();
}

void Run::add(uint32_t rank, const Transfer& transfer) {
  ++transfer_count_;
  trace_.ranks[rank].transfers.push_back(transfer);
  ++trace_.ranks[rank].ops.back().transfer_count;
}

void Run::write(uint32_t rank, uint32_t number, Content content) {
  content.is_initial = false;
  content.writer = static_cast<uint32_t>(trace_.ranks[rank].ops.size() - 1);
  ranks_[rank].memory[number] = content;
  trace_.ranks[rank].is_written[number] = true;
}

Status Run::check_output(uint32_t rank, uint32_t number) {
  const Places& places = ranks_[rank].places;
  const uint32_t slot = places.output_slot(number);
  if (slot == kNone) {
    return {};
  }
  const Content& content = ranks_[rank].memory[number];
  const uint32_t expected = places.output_chunk(slot);
  const auto writer = [&] {
    if (content.writer == kNone) {
      return std::string(", where no step has written");
    }
    const Op& op = trace_.ranks[rank].ops[content.writer];
    std::string text = fmt::format(", written by {}", program_.place_of(rank, op.block, op.step));
    if (op.kind == OpKind::receive) {
      const Message& message = trace_.messages[op.message];
      const Op& sender = trace_.ranks[message.source].ops[message.send_op];
      text += fmt::format(", sent by {}", program_.place_of(message.source, sender.block, sender.step));
    }
    return text;
  };
  const std::string gpu = fmt::format("{}:{}: gpu {}", program_.file, program_.gpus[rank].line, rank);
  if (content.chunk == kNone) {
    return invalid_argument("{} ends with nothing in chunk {} of its output", gpu, slot);
  }
  if (content.chunk != expected) {
    return invalid_argument("{} ends with chunk {} in chunk {} of its output, where chunk {} belongs{}", gpu, content.chunk, slot, expected, writer());
  }
  if (schedule::is_reducing(shape_.problem.collective) && !contributors_.is_everyone(content.contributors)) {
    return invalid_argument("{} ends with contributions of gpus {} only in chunk {} of its output{}", gpu, contributors_.text(content.contributors), slot,
                            writer());
  }
  return {};
}

// Why a threadblock does not go on. `rank` and `block` become whose step must go first, `block` kNone when none can help.
std::string Run::blocked_text(uint32_t& rank, uint32_t& block) const {
  const uint32_t next = ranks_[rank].blocks[block].next;
  const Step& step = program_.gpus[rank].blocks[block].steps[next];
  const std::string place = program_.place_of(rank, block, next);
  if (step.awaited_block != kNone && ranks_[rank].blocks[step.awaited_block].next <= step.awaited_step) {
    block = step.awaited_block;
    return fmt::format("{} waits for tb {}, step {}", place, step.awaited_block, step.awaited_step);
  }
  const Block& own = program_.gpus[rank].blocks[block];
  const uint32_t peer = own.receive_from;
  const auto sender = senders_.find({peer, rank, own.channel});
  if (sender == senders_.end() || ranks_[peer].blocks[sender->second.second].next == program_.gpus[peer].blocks[sender->second.second].steps.size()) {
    block = kNone;
    return fmt::format("{} finds nothing that gpu {} sends it on channel {}", place, peer, own.channel);
  }
  rank = peer;
  block = sender->second.second;
  return fmt::format("{} waits for gpu {} to send", place, peer);
}

// Empty if all steps have gone.
std::string Run::deadlock() const {
  constexpr int kMostShown = 6;
  for (uint32_t first_rank = 0; first_rank < ranks_.size(); ++first_rank) {
    const std::vector<BlockState>& blocks = ranks_[first_rank].blocks;
    for (uint32_t first_block = 0; first_block < blocks.size(); ++first_block) {
      if (blocks[first_block].next == program_.gpus[first_rank].blocks[first_block].steps.size()) {
        continue;
      }
      uint32_t rank = first_rank;
      uint32_t block = first_block;
      std::string text = blocked_text(rank, block) + ", which never comes";
      for (int shown = 1; shown < kMostShown && block != kNone && (rank != first_rank || block != first_block); ++shown) {
        text += "; " + blocked_text(rank, block);
      }
      return text;
    }
  }
  return {};
}

}  // namespace

Result<Trace> trace_of(const Program& program, const Shape& shape) { return Run(program, shape).to_end(); }

}  // namespace tutti::msccl
