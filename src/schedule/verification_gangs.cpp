// SPDX-License-Identifier: Apache-2.0
// That switches may do to a gang's messages what they do: whoever sends several sends the same, and whoever is sent several reduces them all at once and
// does nothing else with them.
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "schedule/names.hpp"
#include "schedule/verification.hpp"

namespace tutti::schedule::verification {
namespace {

class GangChecker {
 public:
  GangChecker(const World& world, const Execution& execution) : world_(world), receive_of_(world.step_count(), kNone) {
    for (uint32_t step = 0; step < world.step_count(); ++step) {
      if (execution.sender[step] != kNone) {
        receive_of_[execution.sender[step]] = step;
      }
      if (world.at(step).gang.exists()) {
        gangs_[world.at(step).gang.number].push_back(step);
      }
    }
  }

  Status check() {
    for (const auto& [number, sends] : gangs_) {
      TUTTI_RETURN_IF_ERROR(check_messages(sends));
      TUTTI_RETURN_IF_ERROR(check_copies(sends));
      TUTTI_RETURN_IF_ERROR(check_reductions(sends));
    }
    return {};
  }

 private:
  // One from every source to every target but itself, all of the same chunks.
  Status check_messages(const std::vector<uint32_t>& sends) const {
    std::set<uint32_t> sources;
    std::set<uint32_t> targets;
    std::set<std::pair<uint32_t, uint32_t>> messages;
    const Step& first = world_.at(sends.front());
    for (const uint32_t send : sends) {
      const Step& step = world_.at(send);
      if (step.gang.message_count != sends.size()) {
        return invalid_argument("{} is in gang {} of {} messages, which has {}", world_.describe(send), step.gang.number, step.gang.message_count,
                                sends.size());
      }
      if (step.first_chunk != first.first_chunk || step.chunk_count != first.chunk_count) {
        return invalid_argument("{} sends other chunks than {}, which is in the same gang {}", world_.describe(send), world_.describe(sends.front()),
                                step.gang.number);
      }
      sources.insert(world_.rank_of(send));
      targets.insert(step.peer);
      if (!messages.insert({world_.rank_of(send), step.peer}).second) {
        return invalid_argument("{} is the second message to rank {} in gang {}", world_.describe(send), step.peer, step.gang.number);
      }
    }
    for (const uint32_t source : sources) {
      for (const uint32_t target : targets) {
        if (source != target && !messages.contains({source, target})) {
          return invalid_argument("gang {} has no message from rank {} to rank {}", first.gang.number, source, target);
        }
      }
    }
    return {};
  }

  Status check_copies(const std::vector<uint32_t>& sends) const {
    std::map<uint32_t, uint32_t> send_of;  // by source
    for (const uint32_t send : sends) {
      const uint32_t other = send_of.try_emplace(world_.rank_of(send), send).first->second;
      if (world_.at(send).source != world_.at(other).source) {
        return invalid_argument("{} sends something else than {}, which is in the same gang {}", world_.describe(send), world_.describe(other),
                                world_.at(send).gang.number);
      }
    }
    return {};
  }

  Status check_reductions(const std::vector<uint32_t>& sends) {
    std::map<uint32_t, std::vector<uint32_t>> receives;  // by target
    for (const uint32_t send : sends) {
      receives[world_.at(send).peer].push_back(receive_of_[send]);
    }
    for (const auto& [target, received] : receives) {
      if (received.size() > 1) {
        TUTTI_RETURN_IF_ERROR(check_reduction(target, received));
      }
    }
    return {};
  }

  Status check_reduction(uint32_t rank, const std::vector<uint32_t>& receives) {
    uint32_t reduction = kNone;
    for (const uint32_t receive : receives) {
      const Step& step = world_.at(receive);
      if (step.kind != StepKind::receive || step.target.buffer != Buffer::scratch) {
        return invalid_argument("{} meets a gang of several sources, which are received in scratch, to be reduced", world_.describe(receive));
      }
      const std::vector<uint32_t>& readers = readers_of(rank, step.target);
      if (readers.size() != 1 || world_.at(readers.front()).kind != StepKind::reduce) {
        return invalid_argument("{} receives in {} what one reduce, and nothing else, should read: it meets a gang of several sources",
                                world_.describe(receive), text_of(step.target));
      }
      if (reduction != kNone && readers.front() != reduction) {
        return invalid_argument("{} and {} reduce what comes in one gang", world_.describe(reduction), world_.describe(readers.front()));
      }
      reduction = readers.front();
    }
    return {};
  }

  // Steps of the rank that read a slot of its scratch.
  const std::vector<uint32_t>& readers_of(uint32_t rank, const Span& slot) {
    const auto [readers, is_new] = readers_.try_emplace(rank);
    if (is_new) {
      const Schedule& schedule = world_.schedules()[rank];
      readers->second.resize(schedule.scratch_slots);
      for (uint32_t index = 0; index < schedule.steps.size(); ++index) {
        const Step& step = schedule.steps[index];
        for_each_source(schedule, step, [&](const Span& source) {
          for (uint32_t offset = 0; source.buffer == Buffer::scratch && source.rank == kOwnRank && offset < step.chunk_count; ++offset) {
            readers->second[source.slot + offset].push_back(world_.first_step_of(rank) + index);
          }
        });
      }
    }
    return readers->second[slot.slot];
  }

  const World& world_;
  std::vector<uint32_t> receive_of_;                                   // by send
  std::map<uint32_t, std::vector<uint32_t>> gangs_;                    // sends, by number
  std::map<uint32_t, std::vector<std::vector<uint32_t>>> readers_;  // by rank and slot
};

}  // namespace

Status check_gangs(const World& world, const Execution& execution) { return GangChecker(world, execution).check(); }

}  // namespace tutti::schedule::verification
