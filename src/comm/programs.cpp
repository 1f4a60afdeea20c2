// SPDX-License-Identifier: Apache-2.0
#include "comm/programs.hpp"

#include <numeric>
#include <utility>

#include "base/hash.hpp"
#include "base/types.hpp"
#include "comm/neighbours.hpp"
#include "schedule/builder.hpp"

namespace tutti::comm {

using schedule::Blocks;
using schedule::Collective;

namespace {

// Each is a kilobyte or two. Calls of further shapes make programs of their own.
constexpr size_t kMostKnown = 4096;

// One message to or from `peer`.
std::shared_ptr<const schedule::Schedule> message_schedule(Collective collective, uint32_t rank, uint32_t peer) {
  schedule::Builder builder({.rank = rank});
  const schedule::LaneId lane = builder.add_lane();
  if (collective == Collective::send) {
    builder.send(lane, peer, {}, {schedule::Buffer::input, 0});
  } else {
    builder.receive(lane, peer, {}, {schedule::Buffer::output, 0});
  }
  return std::make_shared<const schedule::Schedule>(std::move(builder).build());
}

bool is_message(Collective collective) { return collective == Collective::send || collective == Collective::receive; }

std::vector<uint64_t> copy_table(const size_t* table, uint32_t rank_count) {
  return table == nullptr ? std::vector<uint64_t>{} : std::vector<uint64_t>(table, table + rank_count);
}

// Elements of the input a rank contributes, which a pre-multiplied sum scales.
uint64_t input_elements(const Call& call, const Position& position) {
  if (call.collective != Collective::reduce_scatter) {
    return call.count;
  }
  return call.blocks == Blocks::equal ? call.count * position.rank_count
                                      : std::accumulate(call.receive_counts, call.receive_counts + position.rank_count, uint64_t{0});
}

// What all ranks know about the size of a call with variable blocks: the mean block, where every rank has all counts.
uint64_t known_count(const Call& call, const Position& position) {
  if (call.blocks == Blocks::equal) {
    return call.count;
  }
  const bool all_know = call.collective == Collective::all_gather || call.collective == Collective::reduce_scatter;
  return all_know ? std::accumulate(call.receive_counts, call.receive_counts + position.rank_count, uint64_t{0}) / position.rank_count
                  : 0;
}

// Of the counts that every rank must pass alike.
uint64_t digest_of_counts(const Call& call, const Position& position) {
  const bool all_know = call.collective == Collective::all_gather || call.collective == Collective::reduce_scatter;
  uint64_t digest = 0;
  for (uint32_t rank = 0; all_know && rank < position.rank_count; ++rank) {
    digest = hash_combine(digest, call.receive_counts[rank]);
  }
  return digest;
}

engine::Signature signature_of(const Call& call, const Position& position) {
  engine::Signature signature{.collective = call.collective, .blocks = call.blocks, .datatype = call.datatype};
  if (is_reducing(call.collective)) {
    signature.op = call.op >= tuttiNumOps ? engine::kCustomOperator : static_cast<int32_t>(call.op);
  }
  if (is_rooted(call.collective)) {
    signature.root = call.root;
  }
  signature.count = call.blocks == Blocks::equal ? call.count : digest_of_counts(call, position);
  return signature;
}

}  // namespace

Programs::Programs(Setup setup, const Operators& operators)
    : position_(setup.position), planner_(std::move(setup.planner)), operators_(operators), name_(std::move(setup.name)), data_(setup.data) {}

uint64_t Programs::Shape::hash() const {
  const uint64_t words = static_cast<uint64_t>(collective) | static_cast<uint64_t>(in_place) << 8 | static_cast<uint64_t>(datatype) << 16 |
                         static_cast<uint64_t>(static_cast<uint32_t>(op)) << 32;
  return hash_combine(hash_combine(words, count), static_cast<uint32_t>(root)) | 1;  // never 0
}

// Variable blocks bring tables, and operators made at run time come and go.
bool Programs::is_rememberable(const Call& call) {
  return call.blocks == Blocks::equal && (!is_reducing(call.collective) || (call.op >= 0 && call.op < tuttiNumOps));
}

bool Programs::fit(const Call& call, const Known& known) {
  const BufferBytes bytes{known.program.input_bytes(), known.program.output_bytes()};
  return comm::fit(call, bytes, {.alignment = known.program.element_bytes(), .in_place = known.shape.in_place});
}

Programs::Shape Programs::shape_of(const Call& call) const {
  return Shape{.collective = call.collective,
               .in_place = is_in_place(call, position_),
               .datatype = call.datatype,
               .op = is_reducing(call.collective) ? call.op : tuttiSum,
               .root = is_rooted(call.collective) || is_message(call.collective) ? call.root : 0,
               .count = call.count};
}

const Programs::Known* Programs::find(const Shape& shape) const {
  const Known* known = last_.load(std::memory_order_acquire);
  if (known != nullptr && known->shape == shape) {
    return known;
  }
  known = table_.find(shape.hash());
  if (known == nullptr || known->shape != shape) {
    return nullptr;
  }
  last_.store(known, std::memory_order_release);
  return known;
}

Status Programs::check(const Call& call) const {
  TUTTI_RETURN_IF_ERROR(comm::check(call, position_));
  if (!is_reducing(call.collective) || (call.op >= 0 && call.op < tuttiNumOps)) {
    return {};
  }
  const auto custom = call.custom ? call.custom : operators_.find(call.op);
  if (!custom) {
    return invalid_argument("{}: op is {}, which no operator of \"{}\" has", call.function, static_cast<int>(call.op), name_);
  }
  if (custom->function == nullptr && custom->datatype != call.datatype) {
    return invalid_argument("{}: op was made for datatype {}, the call's is {}", call.function, name_of(custom->datatype),
                            name_of(call.datatype));
  }
  return {};
}

Result<engine::Request> Programs::request_for(const Call& call) {
  if (is_rememberable(call)) {
    const Known* const known = find(shape_of(call));
    if (known != nullptr && fit(call, *known)) {
      return request_with(*known, call);
    }
  }
  TUTTI_UNEXPECTED_IF_ERROR(check(call));
  return request_anew(call);
}

engine::Request Programs::request_with(const Known& known, const Call& call) const {
  engine::Request request;
  request.program = &known.program;
  set_buffers(call, &request);
  return request;
}

Result<engine::Request> Programs::request_anew(const Call& call) {
  schedule::Problem problem{.collective = call.collective,
                            .rank_count = position_.rank_count,
                            .root = is_rooted(call.collective) ? static_cast<uint32_t>(call.root) : 0,
                            .in_place = is_in_place(call, position_),
                            .blocks = call.blocks};
  engine::Program::Parts parts;
  TUTTI_UNEXPECTED_IF_ERROR(set_operator(call, &parts));
  if (parts.input_scale) {  // the scaled input lies apart, wherever the caller's is
    problem.in_place = schedule::InPlace::no;
  }
  TUTTI_UNEXPECTED_IF_ERROR(set_schedules(call, problem, &parts));
  parts.signature = signature_of(call, position_);
  parts.data = data_;
  parts.layout = layout_request(call, problem, *parts.schedule);
  if (call.blocks == Blocks::variable) {
    parts.tables = {copy_table(call.send_counts, position_.rank_count), copy_table(call.send_displacements, position_.rank_count),
                    copy_table(call.receive_counts, position_.rank_count), copy_table(call.receive_displacements, position_.rank_count)};
  } else {
    const BufferBytes bytes = buffer_bytes(call, position_);
    parts.input_bytes = bytes.input;
    parts.output_bytes = bytes.output;
  }
  if (is_rememberable(call)) {
    if (const Known* const known = remember(shape_of(call), parts)) {
      return request_with(*known, call);
    }
  }
  engine::Request request;
  request.owner = std::make_shared<const engine::Program>(std::move(parts));
  request.program = request.owner.get();
  set_buffers(call, &request);
  return request;
}

// Null when there are too many already, or another shape has its place.
const Programs::Known* Programs::remember(const Shape& shape, const engine::Program::Parts& parts) {
  const std::lock_guard lock(mutex_);
  if (const Known* const there = table_.find(shape.hash())) {
    return there->shape == shape ? there : nullptr;
  }
  if (known_.size() == kMostKnown) {
    return nullptr;
  }
  known_.push_back(std::make_unique<const Known>(shape, parts));
  table_.insert(shape.hash(), known_.back().get());
  return known_.back().get();
}

schedule::LayoutRequest Programs::layout_request(const Call& call, const schedule::Problem& problem, const schedule::Schedule& schedule) const {
  return {.problem = problem,
          .rank = position_.rank,
          .chunk_count = schedule.chunk_count,
          .parts = schedule.parts,
          .element_count = call.count,
          .variable = {},
          .element_bytes = size_of(call.datatype)};
}

void Programs::set_buffers(const Call& call, engine::Request* request) const {
  request->input = static_cast<const std::byte*>(call.send);
  request->output = static_cast<std::byte*>(call.receive);
  if (call.collective == Collective::barrier) {
    request->input = &barrier_input_;
    request->output = &barrier_output_;
  }
  request->peer = is_message(call.collective) ? static_cast<uint32_t>(call.root) : 0;
}

Status Programs::set_schedules(const Call& call, const schedule::Problem& problem, engine::Program::Parts* parts) {
  if (is_message(call.collective)) {
    const auto peer = static_cast<uint32_t>(call.root);
    if (!planner_->topology().carries(position_.rank, peer)) {
      return unsupported_error("{}: rank {} and rank {} exchange no messages: the machine of TUTTI_TOPOLOGY has no link there", call.function,
                               position_.rank, peer);
    }
    parts->schedule = message_schedule(call.collective, position_.rank, static_cast<uint32_t>(call.root));
    return {};
  }
  const auto plan = planner_->plan({.problem = problem, .element_count = known_count(call, position_), .element_bytes = size_of(call.datatype)});
  if (!plan) {
    return plan.error();
  }
  parts->schedule = (*plan)->schedule;
  const bool may_meet = position_.rank_count <= kMostFullyLinked;  // where all ranks have links to all
  parts->when_shared = (*plan)->when_shared && may_meet ? (*plan)->when_shared->schedule : nullptr;
  return {};
}

Status Programs::set_operator(const Call& call, engine::Program::Parts* parts) const {
  parts->op.rank_count = position_.rank_count;
  if (!is_reducing(call.collective) && call.collective != Collective::barrier) {
    return {};
  }
  if (call.op < tuttiNumOps) {
    parts->op.op = call.op;
    return {};
  }
  const auto custom = call.custom ? call.custom : operators_.find(call.op);
  if (!custom) {  // destroyed since the call was checked
    return invalid_argument("{}: op is {}, which no operator of \"{}\" has", call.function, static_cast<int>(call.op), name_);
  }
  parts->op.function = custom->function;
  parts->op.context = custom->context;
  if (custom->function == nullptr) {
    parts->op.op = tuttiSum;
    parts->input_scale = {.factor = custom->scalar, .elements = input_elements(call, position_)};
  }
  return {};
}

}  // namespace tutti::comm
