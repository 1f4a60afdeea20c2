// SPDX-License-Identifier: Apache-2.0
// Third pass: happens-before, and what it leaves unordered.
//
// Between two steps there are two relations. `before`: all accesses to memory of the one precede all of the other. `ahead`: for each part of
// the data, however finely it is sliced, the accesses of the one precede those of the other.
//   - lane order and complete waits give `before`; so does a signal for its await
//   - streaming waits give `ahead`; both steps have the same chunks
//   - a send is `ahead` of its receive: data is written there after it was read here. The reverse does not hold, neither does a receive's
//     end precede the send's: transports may buffer. A send's own accesses end no later than its receive's.
//   - ahead then ahead is ahead; any chain with a `before` in it is `before`
// Two steps that touch a slot, one writing it, must be ordered by `before`, or, if they are of one rank, by `ahead` when they hold the same chunks
// from the same first slot on. Since both relations are transitive, each access is compared with the last write, and a write also with the
// reads since then. Runs over the execution's order, which agrees with both relations.
//
// A rank lends its memory from its signal on, so whoever works there has an await of one before; and until it ends, so one of its own steps comes
// after.
#include <algorithm>
#include <vector>

#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

// The steps that matter to a rank's memory, numbered: those that touch it, whosesoever they are, and peers' awaits of the rank's signals.
class Watched {
 public:
  explicit Watched(const World& world) : steps_(world.rank_count()), number_of_(world.step_count(), kNone) {
    for (uint32_t step = 0; step < world.step_count(); ++step) {
      const auto touch = [&](const Span& span) { add(world.owner(step, span), step); };
      world.for_each_read(step, touch);
      world.for_each_write(step, touch);
      if (world.at(step).kind == StepKind::await) {
        add(world.at(step).peer, step);
      }
    }
  }

  // Numbers the steps of one rank's memory.
  void choose(uint32_t rank) {
    for (const uint32_t step : chosen_ == kNone ? std::span<const uint32_t>() : std::span<const uint32_t>(steps_[chosen_])) {
      number_of_[step] = kNone;
    }
    chosen_ = rank;
    for (uint32_t number = 0; number < steps_[rank].size(); ++number) {
      number_of_[steps_[rank][number]] = number;
    }
  }
  uint32_t number_of(uint32_t step) const { return number_of_[step]; }
  std::span<const uint32_t> steps() const { return steps_[chosen_]; }
  uint64_t word_count() const { return (steps_[chosen_].size() + 63) / 64; }

 private:
  void add(uint32_t rank, uint32_t step) {
    if (steps_[rank].empty() || steps_[rank].back() != step) {
      steps_[rank].push_back(step);
    }
  }

  std::vector<std::vector<uint32_t>> steps_;  // by rank, ascending
  std::vector<uint32_t> number_of_;           // by step: of the chosen rank's, else kNone
  uint32_t chosen_ = kNone;
};

// For each step of all ranks, the watched steps that are before it, and those that are before or ahead of it.
class Predecessors {
 public:
  Predecessors(const World& world, const Execution& execution, const Watched& watched)
      : world_(world),
        watched_(watched),
        word_count_(watched.word_count()),
        before_(word_count_ * world.step_count()),
        reached_(word_count_ * world.step_count()) {
    for (const uint32_t step : execution.order) {
      add(step, execution);
    }
  }

  // `earlier` is watched.
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
    const uint32_t sender = execution.sender[step];
    if (sender != kNone && world_.at(step).kind == StepKind::await) {
      add_before(step, sender);
    } else if (sender != kNone) {
      add_ahead(step, sender);
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
    const uint32_t number = watched_.number_of(earlier);
    if (number != kNone) {
      set[step * word_count_ + number / 64] |= uint64_t{1} << (number % 64);
    }
  }

  bool test(const std::vector<uint64_t>& set, uint32_t earlier, uint32_t later) const {
    const uint32_t number = watched_.number_of(earlier);
    return (set[later * word_count_ + number / 64] >> (number % 64) & 1) != 0;
  }

  const World& world_;
  const Watched& watched_;
  uint64_t word_count_;
  std::vector<uint64_t> before_;
  std::vector<uint64_t> reached_;
};

struct Access {
  uint32_t step = kNone;
  Span span;  // the step's whole range begins here
};

// What happens in one rank's memory.
class RankRaces {
 public:
  // `watched` has chosen the rank.
  RankRaces(const World& world, const Execution& execution, const Watched& watched, uint32_t rank)
      : world_(world),
        rank_(rank),
        slots_(world.slots(rank)),
        watched_(watched),
        predecessors_(world, execution, watched),
        last_write_(slots_.location_count()),
        reads_since_(slots_.location_count()) {}

  Status check(const Execution& execution) {
    for (const uint32_t step : execution.order) {
      if (watched_.number_of(step) != kNone) {
        TUTTI_RETURN_IF_ERROR(add(step));
      }
    }
    return {};
  }

 private:
  Status add(uint32_t step) {
    if (world_.rank_of(step) != rank_ && touches(step)) {
      TUTTI_RETURN_IF_ERROR(check_borrowing(step));
    }
    Status status;
    world_.for_each_read(step, [&](const Span& source) {
      if (status.ok() && world_.owner(step, source) == rank_) {
        status = read(step, source);
      }
    });
    TUTTI_RETURN_IF_ERROR(status);
    world_.for_each_write(step, [&](const Span& target) {
      if (status.ok() && world_.owner(step, target) == rank_) {
        status = write(step, target);
      }
    });
    return status;
  }

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
    return same_slices && world_.rank_of(earlier.step) == world_.rank_of(later.step) &&
           predecessors_.is_before_or_ahead(earlier.step, later.step);
  }

  // Whether a peer's step is between its await of this rank's signal and the end of this rank.
  Status check_borrowing(uint32_t step) const {
    const uint32_t worker = world_.rank_of(step);
    const bool lent = std::ranges::any_of(watched_.steps(), [&](uint32_t other) {
      return world_.rank_of(other) == worker && world_.at(other).kind == StepKind::await && world_.at(other).peer == rank_ &&
             predecessors_.is_before(other, step);
    });
    if (!lent) {
      return invalid_argument("{} works in the memory of rank {} without an await of its signal before", world_.describe(step), rank_);
    }
    const uint32_t first = world_.first_step_of(rank_);
    const uint32_t end = first + static_cast<uint32_t>(world_.schedules()[rank_].steps.size());
    for (uint32_t own = first; own < end; ++own) {
      if (predecessors_.is_before(step, own)) {
        return {};
      }
    }
    return invalid_argument("{} works in the memory of rank {}, which may have ended: no step of it comes after", world_.describe(step), rank_);
  }

  bool touches(uint32_t step) const {
    bool touches = false;
    const auto look = [&](const Span& span) { touches = touches || world_.owner(step, span) == rank_; };
    world_.for_each_read(step, look);
    world_.for_each_write(step, look);
    return touches;
  }

  Status race(const Access& one, std::string_view one_access, const Access& other, std::string_view other_access) const {
    return invalid_argument("race: {} {} {} and {} {} {}, and nothing orders them", world_.describe(one.step), one_access,
                            text_of(one.span), world_.describe(other.step), other_access, text_of(other.span));
  }

  const World& world_;
  uint32_t rank_;
  const Slots& slots_;
  const Watched& watched_;
  Predecessors predecessors_;
  std::vector<Access> last_write_;
  std::vector<std::vector<Access>> reads_since_;
};

}  // namespace

Status check_races(const World& world, const Execution& execution) {
  Watched watched(world);
  for (uint32_t rank = 0; rank < world.rank_count(); ++rank) {
    watched.choose(rank);
    if (watched.word_count() * world.step_count() > kMaxSetWords) {
      return invalid_argument("rank {} has {} of {} steps, too many to verify", rank, watched.steps().size(), world.step_count());
    }
    TUTTI_RETURN_IF_ERROR(RankRaces(world, execution, watched, rank).check(execution));
  }
  return {};
}

}  // namespace tutti::schedule::verification
