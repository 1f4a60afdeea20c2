// SPDX-License-Identifier: Apache-2.0
// Third pass: happens-before, and what it leaves unordered.
//
// Between two steps there are two relations. `before`: all accesses to memory of the one precede all of the other. `ahead`: for each part of
// the data, however finely it is sliced, the accesses of the one precede those of the other.
//   - lane order and complete waits give `before`
//   - streaming waits give `ahead`; both steps have the same chunks
//   - a send is `ahead` of its receive: data is written there after it was read here. The reverse does not hold, neither does a receive's
//     end precede the send's: transports may buffer. A send's own accesses end no later than its receive's.
//   - ahead then ahead is ahead; any chain with a `before` in it is `before`
// Two steps of a rank that touch a slot, one writing it, must be ordered by `before`, or by `ahead` when they hold the same chunks from the
// same first slot on. Since both relations are transitive, each access is compared with the last write, and a write also with the reads
// since then. Runs over the execution's order, which agrees with both relations.
#include <vector>

#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

// For each step of all ranks, the steps of one rank that are before it, and those that are before or ahead of it.
class Predecessors {
 public:
  Predecessors(const World& world, const Execution& execution, uint32_t rank)
      : world_(world),
        rank_(rank),
        first_step_(world.first_step_of(rank)),
        word_count_(words_for(world, rank)),
        before_(word_count_ * world.step_count()),
        reached_(word_count_ * world.step_count()) {
    for (const uint32_t step : execution.order) {
      add(step, execution);
    }
  }

  static uint64_t words_for(const World& world, uint32_t rank) { return (world.schedules()[rank].steps.size() + 63) / 64; }

  // Both are steps of this rank.
  bool is_before(uint32_t earlier, uint32_t later) const { return test(before_, earlier, later); }
  bool is_before_or_ahead(uint32_t earlier, uint32_t later) const { return test(reached_, earlier, later); }

 private:
  void add(uint32_t step, const Execution& execution) {
    if (execution.lane_previous[step] != kNone) {
      add_before(step, execution.lane_previous[step]);
    }
    const uint32_t first = world_.first_step_of(world_.rank_of(step));
    for (const Wait& wait : world_.schedule_of(step).waits_of(world_.at(step))) {
      if (wait.mode == WaitMode::complete) {
        add_before(step, first + wait.step);
      } else {
        add_ahead(step, first + wait.step);
      }
    }
    if (execution.sender[step] != kNone) {
      add_ahead(step, execution.sender[step]);
    }
  }

  void add_before(uint32_t step, uint32_t earlier) {
    merge(before_, step, reached_, earlier);
    merge(reached_, step, reached_, earlier);
    mark(before_, step, earlier);
    mark(reached_, step, earlier);
  }

  void add_ahead(uint32_t step, uint32_t earlier) {
    merge(before_, step, before_, earlier);
    merge(reached_, step, reached_, earlier);
    mark(reached_, step, earlier);
  }

  void merge(std::vector<uint64_t>& into, uint32_t step, const std::vector<uint64_t>& from, uint32_t earlier) const {
    for (uint64_t word = 0; word < word_count_; ++word) {
      into[step * word_count_ + word] |= from[earlier * word_count_ + word];
    }
  }

  void mark(std::vector<uint64_t>& set, uint32_t step, uint32_t earlier) const {
    if (world_.rank_of(earlier) == rank_) {
      const uint32_t local = earlier - first_step_;
      set[step * word_count_ + local / 64] |= uint64_t{1} << (local % 64);
    }
  }

  bool test(const std::vector<uint64_t>& set, uint32_t earlier, uint32_t later) const {
    const uint32_t local = earlier - first_step_;
    return (set[later * word_count_ + local / 64] >> (local % 64) & 1) != 0;
  }

  const World& world_;
  uint32_t rank_;
  uint32_t first_step_;
  uint64_t word_count_;
  std::vector<uint64_t> before_;
  std::vector<uint64_t> reached_;
};

struct Access {
  uint32_t step = kNone;
  Span span;  // the step's whole range begins here
};

class RankRaces {
 public:
  RankRaces(const World& world, const Execution& execution, uint32_t rank)
      : world_(world),
        schedule_(world.schedules()[rank]),
        slots_(world.problem(), schedule_),
        predecessors_(world, execution, rank),
        last_write_(slots_.location_count()),
        reads_since_(slots_.location_count()) {}

  Status add(uint32_t step) {
    const Step& description = world_.at(step);
    Status status;
    for_each_source(schedule_, description, [&](const Span& source) {
      if (status.ok()) {
        status = read(step, source);
      }
    });
    TUTTI_RETURN_IF_ERROR(status);
    return description.kind == StepKind::send ? Status() : write(step, description.target);
  }

 private:
  Status read(uint32_t step, Span span) {
    const Access access{.step = step, .span = span};
    const uint64_t first = slots_.location(span);
    for (uint64_t location = first; location < first + world_.at(step).chunk_count; ++location) {
      if (!ordered(last_write_[location], access)) {
        return race(last_write_[location], "writes", access, "reads");
      }
      reads_since_[location].push_back(access);
    }
    return {};
  }

  Status write(uint32_t step, Span span) {
    const Access access{.step = step, .span = span};
    const uint64_t first = slots_.location(span);
    for (uint64_t location = first; location < first + world_.at(step).chunk_count; ++location) {
      if (!ordered(last_write_[location], access)) {
        return race(last_write_[location], "writes", access, "writes");
      }
      for (const Access& earlier : reads_since_[location]) {
        if (!ordered(earlier, access)) {
          return race(earlier, "reads", access, "writes");
        }
      }
      reads_since_[location].clear();
      last_write_[location] = access;
    }
    return {};
  }

  bool ordered(const Access& earlier, const Access& later) const {
    if (earlier.step == kNone || earlier.step == later.step || predecessors_.is_before(earlier.step, later.step)) {
      return true;
    }
    const Step& one = world_.at(earlier.step);
    const Step& other = world_.at(later.step);
    const bool same_slices = one.first_chunk == other.first_chunk && one.chunk_count == other.chunk_count &&
                             slots_.location(earlier.span) == slots_.location(later.span);
    return same_slices && predecessors_.is_before_or_ahead(earlier.step, later.step);
  }

  Status race(const Access& one, std::string_view one_access, const Access& other, std::string_view other_access) const {
    return invalid_argument("race: {} {} {} and {} {} {}, and nothing orders them", world_.describe(one.step), one_access,
                            text_of(one.span), world_.describe(other.step), other_access, text_of(other.span));
  }

  const World& world_;
  const Schedule& schedule_;
  Slots slots_;
  Predecessors predecessors_;
  std::vector<Access> last_write_;
  std::vector<std::vector<Access>> reads_since_;
};

}  // namespace

Status check_races(const World& world, const Execution& execution) {
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    if (Predecessors::words_for(world, rank) * world.step_count() > kMaxSetWords) {
      return invalid_argument("rank {} has {} of {} steps, too many to verify", rank, world.schedules()[rank].steps.size(),
                              world.step_count());
    }
    RankRaces races(world, execution, rank);
    for (const uint32_t step : execution.order) {
      if (world.rank_of(step) == rank) {
        TUTTI_RETURN_IF_ERROR(races.add(step));
      }
    }
  }
  return {};
}

}  // namespace tutti::schedule::verification
