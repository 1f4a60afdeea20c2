// SPDX-License-Identifier: Apache-2.0
// Bugs planted one at a time into the schedules of all algorithms: the verifier finds each.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "golden/registered_algorithms.hpp"
#include "planner/applicability.hpp"
#include "support/planted_bugs.hpp"
#include "support/schedule_support.hpp"

namespace tutti::planted {
namespace {

using namespace schedule;
using Schedules = std::vector<Schedule>;

bool is_message(const Step& step) {
  return step.kind == StepKind::send || step.kind == StepKind::receive || step.kind == StepKind::receive_reduce;
}

const Lane& lane_of(const Schedule& schedule, uint32_t index) {
  return *std::find_if(schedule.lanes.begin(), schedule.lanes.end(),
                       [&](const Lane& lane) { return index >= lane.first_step && index < lane.first_step + lane.step_count; });
}

bool overlap(const Span& left, uint32_t left_count, const Span& right, uint32_t right_count) {
  return left.buffer == right.buffer && left.rank == kOwnRank && right.rank == kOwnRank && left.slot < right.slot + right_count &&
         right.slot < left.slot + left_count;
}

bool reads(const Schedule& schedule, const Step& step, const Span& written, uint32_t count) {
  const auto sources = step.kind == StepKind::reduce ? schedule.sources_of(step) : std::span(&step.source, 1);
  return std::ranges::any_of(sources, [&](const Span& source) { return overlap(source, step.chunk_count, written, count); });
}

// Whether nothing but the wait orders the step after the one that writes what it reads: no other step in its lane up to it, and none of those it or they
// wait for, comes after that.
bool is_only_order(const Schedule& schedule, uint32_t index, uint32_t wait) {
  const Step& step = schedule.steps[index];
  const Wait& looked_at = schedule.waits[wait];
  const Step& writer = schedule.steps[looked_at.step];
  const Lane& own = lane_of(schedule, index);
  const bool is_written_in_memory = writer.target.buffer != Buffer::none && reads(schedule, step, writer.target, writer.chunk_count);
  if (!is_written_in_memory || own == lane_of(schedule, looked_at.step)) {
    return false;
  }
  for (uint32_t earlier = own.first_step; earlier <= index; ++earlier) {
    const Step& other = schedule.steps[earlier];
    for (uint32_t at = other.first_wait; at < other.first_wait + other.wait_count; ++at) {
      if (at != wait) {
        return false;  // it may order the two by way of others
      }
    }
    // What a peer answers may come only because it has got something of this rank.
    if (earlier != index && other.kind != StepKind::send) {
      return false;
    }
  }
  return true;
}

struct Bugs {
  uint32_t planted = 0;
  std::vector<std::string> missed = {};
};

class Planter {
 public:
  // Of a schedule's steps, where it has more, some all over it.
  static constexpr uint32_t kMostSteps = 100;

  Planter(const planner::Algorithm& algorithm, const Problem& problem, const topology::Topology& topology)
      : algorithm_(algorithm), problem_(problem), good_(tests::build_all(algorithm, problem, topology)) {}

  void plant(Bugs& dropped, Bugs& chunks, Bugs& peers, Bugs& waits) {
    for (const uint32_t rank : {0u, 1u, problem_.rank_count - 1}) {
      const auto step_count = static_cast<uint32_t>(good_[rank].steps.size());
      for (uint32_t index = 0; index < step_count; index += 1 + step_count / kMostSteps) {
        const Step& step = good_[rank].steps[index];
        expect_caught(dropped, rank, index, [&](Schedule& schedule) { tests::drop_step(schedule, index); });
        if (is_message(step) && good_[rank].chunk_count > 1) {
          expect_caught(chunks, rank, index, [&](Schedule& schedule) {
            uint32_t& chunk = schedule.steps[index].first_chunk;
            chunk = (chunk + 1) % schedule.chunk_count;
          });
        }
        if (step.kind != StepKind::copy && step.kind != StepKind::reduce) {
          expect_caught(peers, rank, index, [&](Schedule& schedule) {
            uint32_t& peer = schedule.steps[index].peer;
            do {
              peer = (peer + 1) % problem_.rank_count;
            } while (peer == rank);
          });
        }
        for (uint32_t wait = step.first_wait; wait < step.first_wait + step.wait_count; ++wait) {
          if (is_only_order(good_[rank], index, wait)) {
            expect_caught(waits, rank, index, [&](Schedule& schedule) {
              std::swap(schedule.waits[wait], schedule.waits[step.first_wait + step.wait_count - 1]);
              --schedule.steps[index].wait_count;
            });
          }
        }
      }
    }
  }

 private:
  void expect_caught(Bugs& bugs, uint32_t rank, uint32_t index, const std::function<void(Schedule&)>& plant) {
    Schedules schedules = good_;
    plant(schedules[rank]);
    ++bugs.planted;
    if (verify(problem_, schedules).ok()) {
      bugs.missed.push_back(std::string(algorithm_.name) + ", " + to_string(problem_) + ", rank " + std::to_string(rank) + ", step " +
                            std::to_string(index));
    }
  }

  const planner::Algorithm& algorithm_;
  const Problem& problem_;
  Schedules good_;
};

TEST(PlantedBugs, AreFoundInTheSchedulesOfEveryAlgorithm) {
  Bugs dropped;
  Bugs chunks;
  Bugs peers;
  Bugs waits;
  for (const planner::Algorithm& algorithm : tests::registered_algorithms()) {
    for (const Collective collective : tests::kCollectives) {
      for (const InPlace in_place : {InPlace::no, InPlace::yes}) {
        if (collective == Collective::barrier && in_place == InPlace::yes) {
          continue;
        }
        for (const uint32_t rank_count : {5u, 6u, 8u}) {
          const Problem problem{.collective = collective, .rank_count = rank_count, .root = is_rooted(collective) ? 1u : 0u, .in_place = in_place};
          const std::vector<topology::Topology> topologies = planner::sample_topologies(rank_count);
          const auto suitable = std::ranges::find_if(topologies, [&](const auto& topology) { return algorithm.applies(problem, topology); });
          if (suitable != topologies.end()) {
            Planter(algorithm, problem, *suitable).plant(dropped, chunks, peers, waits);
            break;
          }
        }
      }
    }
  }
  const auto expect_all = [](const char* what, const Bugs& bugs) {
    EXPECT_GE(bugs.planted, 100u) << what;
    EXPECT_EQ(bugs.missed, std::vector<std::string>()) << what;
    ::testing::Test::RecordProperty(what, static_cast<int>(bugs.planted));
  };
  expect_all("steps_dropped", dropped);
  expect_all("other_chunks", chunks);
  expect_all("other_peers", peers);
  expect_all("waits_forgotten", waits);
}

}  // namespace
}  // namespace tutti::planted
