// SPDX-License-Identifier: Apache-2.0
// Last pass: what slots hold. A slot's content is a chunk, the set of ranks whose contributions are in it, and the order in which they
// were combined, as a hash of the expression.
#include <utility>
#include <vector>

#include "base/hash.hpp"
#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

using RankSet = std::vector<uint64_t>;

struct Content {
  uint32_t chunk = kNone;  // kNone: nothing has been written yet
  bool final = false;      // a final step has completed it
  uint64_t expression = 0;
  RankSet contributors;

  bool written() const { return chunk != kNone; }
};

bool overlap(const RankSet& left, const RankSet& right) {
  for (size_t word = 0; word < left.size(); ++word) {
    if ((left[word] & right[word]) != 0) {
      return true;
    }
  }
  return false;
}

void include(RankSet& into, const RankSet& from) {
  for (size_t word = 0; word < into.size(); ++word) {
    into[word] |= from[word];
  }
}

RankSet only(uint32_t rank, size_t word_count) {
  RankSet set(word_count);
  set[rank / 64] = uint64_t{1} << (rank % 64);
  return set;
}

RankSet all_ranks(uint32_t rank_count) {
  RankSet set((uint64_t{rank_count} + 63) / 64);
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    set[rank / 64] |= uint64_t{1} << (rank % 64);
  }
  return set;
}

std::string text_of(const RankSet& set) {
  std::string text;
  for (uint32_t rank = 0; rank < set.size() * 64; ++rank) {
    if ((set[rank / 64] >> (rank % 64) & 1) != 0) {
      text += fmt::format("{}{}", text.empty() ? "" : ",", rank);
    }
  }
  return "{" + text + "}";
}

class Contents {
 public:
  explicit Contents(const World& world);
  Status run(const Execution& execution);
  Status check_postcondition();

 private:
  using Memory = std::vector<Content>;

  void fill_input(uint32_t rank);
  Status run_step(uint32_t step, uint32_t sender);
  // What chunk `index` of the step finds at `span`.
  Result<const Content*> read(uint32_t step, Span span, uint32_t index) const;
  Result<Content> result_of(uint32_t step, uint32_t sender, uint32_t index) const;
  Result<Content> combine(uint32_t step, std::span<const Content* const> operands) const;
  Status check_output(uint32_t rank, Span slot);
  Status check_same_order(uint32_t rank, Span slot, const Content& content);

  const World& world_;
  RankSet everyone_;
  std::vector<Memory> memory_;                // by rank and location
  std::vector<uint64_t> expected_expression_;  // by chunk: rank 0's in an all_reduce
};

Contents::Contents(const World& world) : world_(world), everyone_(all_ranks(world.rank_count())) {
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    memory_.emplace_back(world.slots(rank).location_count());
    fill_input(rank);
  }
}

void Contents::fill_input(uint32_t rank) {
  for (uint32_t slot = 0; slot < world_.slots(rank).count(Buffer::input); ++slot) {
    const Span span{.buffer = Buffer::input, .slot = slot};
    memory_[rank][world_.slots(rank).location(span)] = {.chunk = world_.slots(rank).chunk_of(span),
                                                  .final = false,
                                                  .expression = mix64(uint64_t{rank} + 1),
                                                  .contributors = only(rank, everyone_.size())};
  }
}

Status Contents::run(const Execution& execution) {
  // A receive follows its send directly, so it may take the data from the sender's memory.
  for (const uint32_t step : execution.order) {
    const StepKind kind = world_.at(step).kind;
    if (kind != StepKind::send && !is_signalling(kind) && world_.takes_place(step)) {
      TUTTI_RETURN_IF_ERROR(run_step(step, execution.sender[step]));
    }
  }
  return {};
}

Status Contents::run_step(uint32_t step, uint32_t sender) {
  for (uint32_t index = 0; index < world_.at(step).chunk_count; ++index) {
    const Result<Content> result = result_of(step, sender, index);
    if (!result) {
      return result.error();
    }
    world_.for_each_write(step, [&](const Span& target) {
      const uint32_t owner = world_.owner(step, target);
      memory_[owner][world_.slots(owner).location(target) + index] = *result;
    });
  }
  return {};
}

Result<const Content*> Contents::read(uint32_t step, Span span, uint32_t index) const {
  const uint32_t owner = world_.owner(step, span);
  const Schedule& schedule = world_.schedule_of(step);
  const Span slot{.buffer = span.buffer, .slot = span.slot + index, .rank = span.rank};
  const Content& content = memory_[owner][world_.slots(owner).location(slot)];
  if (!content.written()) {
    return tl::make_unexpected(invalid_argument("{} reads {}, which holds nothing yet", world_.describe(step), schedule::text_of(slot)));
  }
  // The length of a message follows from the chunk a step names, so that must be what it moves, or something as long.
  const auto named = static_cast<uint32_t>((uint64_t{world_.at(step).first_chunk} + index) % schedule.chunk_count);
  const Problem& problem = world_.problem();
  const bool exact = is_cut_vector(problem.collective) || problem.blocks == Blocks::variable;
  const bool fits = exact ? content.chunk == named : content.chunk % schedule.parts == named % schedule.parts;
  if (!fits) {
    return tl::make_unexpected(invalid_argument("{} names chunk {}, but {} holds chunk {}", world_.describe(step), named,
                                                schedule::text_of(slot), content.chunk));
  }
  return &content;
}

Result<Content> Contents::result_of(uint32_t step, uint32_t sender, uint32_t index) const {
  const Step& description = world_.at(step);
  std::vector<const Content*> operands;
  Status status;
  const auto add = [&](uint32_t reader, Span span) {
    const Result<const Content*> content = read(reader, span, index);
    if (content) {
      operands.push_back(*content);
    } else if (status.ok()) {
      status = content.error();
    }
  };
  if (sender != kNone) {
    add(sender, world_.at(sender).source);
  }
  for_each_source(world_.schedule_of(step), description, [&](const Span& span) { add(step, span); });
  if (!status.ok()) {
    return tl::make_unexpected(status);
  }
  if (!is_reducing_step(description.kind)) {
    return *operands.front();
  }
  if (description.kind == StepKind::receive_reduce && description.operands == Operands::local_first) {
    std::swap(operands[0], operands[1]);
  }
  return combine(step, operands);
}

Result<Content> Contents::combine(uint32_t step, std::span<const Content* const> operands) const {
  const auto error = [&](const std::string& text) {
    return tl::make_unexpected(invalid_argument("{} {}", world_.describe(step), text));
  };
  Content result = *operands.front();
  for (size_t index = 0; index < operands.size(); ++index) {
    const Content& operand = *operands[index];
    if (operand.final) {
      return error(fmt::format("reduces chunk {}, which is final already", operand.chunk));
    }
    if (operand.chunk != result.chunk) {
      return error(fmt::format("reduces chunk {} with chunk {}", result.chunk, operand.chunk));
    }
    if (index == 0) {
      continue;
    }
    if (overlap(result.contributors, operand.contributors)) {
      return error(fmt::format("adds contributions of ranks {} to {}, some of them twice", text_of(operand.contributors),
                               text_of(result.contributors)));
    }
    include(result.contributors, operand.contributors);
    result.expression = hash_combine(result.expression, operand.expression);
  }
  if (operands.size() > 2) {  // many operands at once round once, so they differ from the same in pairs
    result.expression = hash_combine(result.expression, operands.size());
  }
  const bool complete = result.contributors == everyone_;
  const bool marked_final = world_.at(step).final == Final::yes;
  if (marked_final && !complete) {
    return error(fmt::format("is final, but holds contributions of ranks {} only", text_of(result.contributors)));
  }
  if (complete && !marked_final && world_.rank_count() > 1) {
    return error("adds the last contributions without being final");
  }
  result.final = marked_final;
  return result;
}

Status Contents::check_postcondition() {
  expected_expression_.assign(world_.schedules()[0].chunk_count, 0);
  for (uint32_t rank = 0; rank < world_.rank_count(); ++rank) {
    for (uint32_t slot = 0; slot < world_.slots(rank).count(Buffer::output); ++slot) {
      TUTTI_RETURN_IF_ERROR(check_output(rank, {.buffer = Buffer::output, .slot = slot}));
    }
  }
  return {};
}

Status Contents::check_output(uint32_t rank, Span slot) {
  const Content& content = memory_[rank][world_.slots(rank).location(slot)];
  const uint32_t expected = world_.slots(rank).chunk_of(slot);
  if (!content.written()) {
    return invalid_argument("rank {} ends with nothing in {}, where chunk {} belongs", rank, schedule::text_of(slot), expected);
  }
  if (content.chunk != expected) {
    return invalid_argument("rank {} ends with chunk {} in {}, where chunk {} belongs", rank, content.chunk,
                            schedule::text_of(slot), expected);
  }
  if (!is_reducing(world_.problem().collective)) {
    return {};  // a chunk has one contributor, so it is the right one
  }
  if (content.contributors != everyone_) {
    return invalid_argument("rank {} ends with contributions of ranks {} only in {}", rank, text_of(content.contributors),
                            schedule::text_of(slot));
  }
  return world_.problem().collective == Collective::all_reduce ? check_same_order(rank, slot, content) : Status();
}

Status Contents::check_same_order(uint32_t rank, Span slot, const Content& content) {
  uint64_t& expected = expected_expression_[content.chunk];
  if (rank == 0) {
    expected = content.expression;
  }
  if (content.expression != expected) {
    return invalid_argument("rank {} reduces {} in another order than rank 0, so their bits may differ", rank,
                            schedule::text_of(slot));
  }
  return {};
}

}  // namespace

Status check_contents(const World& world, const Execution& execution) {
  const uint64_t set_words = (uint64_t{world.rank_count()} + 63) / 64;
  uint64_t total_words = 0;
  for (const Schedule& schedule : world.schedules()) {
    total_words += world.slots(schedule.rank).location_count() * set_words;
  }
  if (total_words > kMaxSetWords) {
    return invalid_argument("the slots of all ranks need {} words to follow, too many to verify", total_words);
  }
  Contents contents(world);
  TUTTI_RETURN_IF_ERROR(contents.run(execution));
  return contents.check_postcondition();
}

Status check_barrier(const World& world, const Execution& execution) {
  const size_t word_count = (uint64_t{world.rank_count()} + 63) / 64;
  if (word_count * (uint64_t{world.step_count()} + world.rank_count()) > kMaxSetWords) {
    return invalid_argument("{} steps of {} ranks are too many to verify", world.step_count(), world.rank_count());
  }
  std::vector<RankSet> begun(world.step_count());  // ranks that have begun when a step ends
  std::vector<RankSet> at_end;
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    at_end.push_back(only(rank, word_count));
  }
  for (const uint32_t step : execution.order) {
    const uint32_t rank = world.rank_of(step);
    RankSet& known = begun[step];
    known = only(rank, word_count);
    for (const uint32_t earlier : {execution.lane_previous[step], execution.sender[step]}) {
      if (earlier != kNone) {
        include(known, begun[earlier]);
      }
    }
    for (const Wait& wait : world.schedule_of(step).waits_of(world.at(step))) {
      include(known, begun[world.first_step_of(rank) + wait.step]);
    }
    include(at_end[rank], known);
  }
  const RankSet everyone = all_ranks(world.rank_count());
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    if (at_end[rank] != everyone) {
      return invalid_argument("rank {} may leave the barrier knowing only that ranks {} have entered", rank, text_of(at_end[rank]));
    }
  }
  return {};
}

}  // namespace tutti::schedule::verification
