// SPDX-License-Identifier: Apache-2.0
#include "topology/flows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "base/hash.hpp"

namespace tutti::topology {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

using Ids = std::vector<FlowLink>;

TEST(Flows, OneFlowTakesTheSlowestLinkOfItsWay) {
  Flows flows(std::vector<uint64_t>{1'000, 400, 2'000});
  const FlowId flow = flows.add(Ids{0, 1, 2}, 200, 7, 42);
  EXPECT_EQ(flows.rate(flow), 400u);
  EXPECT_EQ(flows.next_completion_ns(), 7 + kSecond / 2);
  Flows::Completed completed;
  EXPECT_FALSE(flows.pop_completed(kSecond / 2, &completed));
  ASSERT_TRUE(flows.pop_completed(kSecond, &completed));
  EXPECT_EQ(completed.tag, 42u);
  EXPECT_EQ(completed.at_ns, 7 + kSecond / 2);
  EXPECT_EQ(flows.flow_count(), 0u);
  EXPECT_EQ(flows.next_completion_ns(), kNoCompletion);
  EXPECT_EQ(flows.carried_bytes(1), 200u);
  EXPECT_EQ(flows.busy_ns(1), kSecond / 2);
}

TEST(Flows, RatesAreRoundedDownAndTimesUp) {
  Flows flows(std::vector<uint64_t>{10});
  const FlowId first = flows.add(Ids{0}, 10, 0);
  flows.add(Ids{0}, 10, 0);
  flows.add(Ids{0}, 10, 0);
  EXPECT_EQ(flows.rate(first), 3u);
  EXPECT_EQ(flows.next_completion_ns(), 3'333'333'334u);
}

// Bertsekas and Gallager, Data Networks, figure 6.11: two links in a row, one flow over both and one or more on each.
TEST(Flows, TheParkingLot) {
  Flows flows(std::vector<uint64_t>{900, 1'000});
  const FlowId both = flows.add(Ids{0, 1}, 1'000'000, 0);
  const FlowId first = flows.add(Ids{0}, 1'000'000, 0);
  const FlowId other_first = flows.add(Ids{0}, 1'000'000, 0);
  const FlowId second = flows.add(Ids{1}, 1'000'000, 0);
  EXPECT_EQ(flows.rate(both), 300u);
  EXPECT_EQ(flows.rate(first), 300u);
  EXPECT_EQ(flows.rate(other_first), 300u);
  EXPECT_EQ(flows.rate(second), 700u);
  EXPECT_EQ(flows.used(0), 900u);
  EXPECT_EQ(flows.used(1), 1'000u);
  flows.remove(first, kSecond);
  EXPECT_EQ(flows.rate(both), 450u);
  EXPECT_EQ(flows.rate(other_first), 450u);
  EXPECT_EQ(flows.rate(second), 550u);
}

TEST(Flows, WhatOneEndsLateOthersTake) {
  Flows flows(std::vector<uint64_t>{100});
  flows.add(Ids{0}, 100, 0, 1);
  flows.add(Ids{0}, 50, 0, 2);
  Flows::Completed completed;
  ASSERT_TRUE(flows.pop_completed(5 * kSecond, &completed));
  EXPECT_EQ(completed.tag, 2u);
  EXPECT_EQ(completed.at_ns, kSecond);
  ASSERT_TRUE(flows.pop_completed(5 * kSecond, &completed));
  EXPECT_EQ(completed.tag, 1u);
  EXPECT_EQ(completed.at_ns, kSecond + kSecond / 2) << "50 bytes at half the rate, and 50 at all of it";
  EXPECT_FALSE(flows.pop_completed(5 * kSecond, &completed));
}

TEST(Flows, WithoutBytesOrLinksAFlowEndsAtOnce) {
  Flows flows(std::vector<uint64_t>{100});
  flows.add(Ids{0}, 100, 0, 1);
  flows.add(Ids{0}, 0, 5, 2);
  flows.add(Ids{}, 1'000, 5, 3);
  Flows::Completed completed;
  ASSERT_TRUE(flows.pop_completed(5, &completed));
  EXPECT_EQ(completed.tag, 2u);
  ASSERT_TRUE(flows.pop_completed(5, &completed));
  EXPECT_EQ(completed.tag, 3u);
  EXPECT_FALSE(flows.pop_completed(5, &completed));
  EXPECT_EQ(flows.next_completion_ns(), kSecond);
}

// A ring in which everyone sends to the third next: all links alike, so all end at the same nanosecond, in the order in which they were added.
TEST(Flows, EqualsEndTogether) {
  constexpr uint32_t kCount = 48;
  Flows flows(std::vector<uint64_t>(kCount, 99'999'999'977));
  for (uint32_t index = 0; index < kCount; ++index) {
    flows.add(Ids{index, (index + 1) % kCount, (index + 2) % kCount}, 123'456'789, 1'000, index);
  }
  const uint64_t end_ns = flows.next_completion_ns();
  for (uint32_t index = 0; index < kCount; ++index) {
    Flows::Completed completed;
    ASSERT_TRUE(flows.pop_completed(end_ns, &completed));
    EXPECT_EQ(completed.tag, index);
  }
  EXPECT_EQ(flows.flow_count(), 0u);
}

TEST(Flows, AnInstantReRatesOnceAndOnlyWhatItTouches) {
  constexpr uint32_t kCount = 1'000;
  Flows flows(std::vector<uint64_t>(kCount, 1'000));
  for (uint32_t index = 0; index < kCount; ++index) {
    flows.add(Ids{index}, 1'000 + index / 10, 0, index);
  }
  flows.next_completion_ns();
  EXPECT_EQ(flows.rated_count(), kCount);
  Flows::Completed completed;
  for (uint32_t index = 0; index < kCount; ++index) {
    ASSERT_TRUE(flows.pop_completed(flows.next_completion_ns(), &completed));
    flows.add(Ids{static_cast<uint32_t>(completed.tag)}, 1'000, completed.at_ns);
  }
  flows.next_completion_ns();
  EXPECT_EQ(flows.rated_count(), 2 * kCount);
}

TEST(Flows, WhatGoesOnLosesNoPartOfANanosecond) {
  Flows flows(std::vector<uint64_t>{3'000'000'000});
  const FlowId flow = flows.add(Ids{0}, 100, 0);
  for (const uint64_t end_ns : {34u, 67u}) {
    Flows::Completed completed;
    EXPECT_EQ(flows.next_completion_ns(), end_ns);
    ASSERT_TRUE(flows.find_completed(end_ns, &completed));
    EXPECT_EQ(flows.flows_on(0), 1u);
    flows.prolong(flow, 100);
  }
  EXPECT_EQ(flows.next_completion_ns(), 100u);
  EXPECT_EQ(flows.rated_count(), 1u);
  flows.remove(flow, 100);
  EXPECT_EQ(flows.carried_bytes(0), 300u);
}

TEST(Flows, TheSlowestEndsHoweverLittleThereIs) {
  Flows flows(std::vector<uint64_t>{0});
  flows.add(Ids{0}, 1, 0);
  flows.add(Ids{0}, 1, 0);
  EXPECT_EQ(flows.next_completion_ns(), kSecond);
}

TEST(Flows, AFlowOfManyTerabytesDoesNotOverflow) {
  Flows flows(std::vector<uint64_t>{1'000'000'000'000, 1});
  flows.add(Ids{0}, 1'000'000'000'000'000, 0);
  EXPECT_EQ(flows.next_completion_ns(), 1'000 * kSecond);
  flows.add(Ids{1}, UINT64_MAX, 0, 1);
  Flows::Completed completed;
  ASSERT_TRUE(flows.pop_completed(UINT64_MAX, &completed));
  EXPECT_EQ(flows.next_completion_ns(), kNoCompletion - 1) << "the end of time";
}

// Random flows come, end and are taken away on random links; after each instant the rates are those that the definition asks for.
class RandomFlows {
 public:
  RandomFlows(uint64_t seed, uint32_t link_count, uint32_t tolerance_per_mille = 0)
      : seed_(seed), tolerance_(tolerance_per_mille / 1e3), flows_(capacities(seed, link_count), tolerance_per_mille) {}

  void instant() {
    now_ns_ = std::min(flows_.next_completion_ns(), now_ns_ + draw(kSecond));
    Flows::Completed completed;
    while (flows_.pop_completed(now_ns_, &completed)) {
      ways_.erase(completed.flow);
    }
    for (uint64_t count = draw(4); count != 0; --count) {
      Ids way;
      for (uint64_t length = 1 + draw(5); length != 0; --length) {
        const auto link = static_cast<FlowLink>(draw(flows_.link_count()));
        if (std::ranges::find(way, link) == way.end()) {
          way.push_back(link);
        }
      }
      const FlowId id = flows_.add(way, 1 + draw(20'000), now_ns_);
      ASSERT_TRUE(ways_.emplace(id, way).second);
    }
    if (!ways_.empty() && draw(8) == 0) {
      flows_.remove(ways_.begin()->first, now_ns_);
      ways_.erase(ways_.begin());
    }
  }

  void check() {
    ASSERT_EQ(flows_.flow_count(), ways_.size());
    std::vector<uint64_t> used(flows_.link_count(), 0);
    std::vector<uint64_t> largest(flows_.link_count(), 0);
    std::vector<uint64_t> counts(flows_.link_count(), 0);
    for (const auto& [flow, way] : ways_) {
      for (const FlowLink link : way) {
        used[link] += flows_.rate(flow);
        largest[link] = std::max(largest[link], flows_.rate(flow));
        ++counts[link];
      }
    }
    for (FlowLink link = 0; link < flows_.link_count(); ++link) {
      ASSERT_EQ(flows_.used(link), used[link]);
      ASSERT_EQ(flows_.flows_on(link), counts[link]);
      ASSERT_LE(used[link], flows_.capacity(link));
    }
    for (const auto& [flow, way] : ways_) {
      ASSERT_TRUE(std::ranges::any_of(way, [&](FlowLink link) {
        const auto left = static_cast<double>(flows_.capacity(link) - used[link]);
        const bool is_full = left < static_cast<double>(counts[link]) || left <= tolerance_ * static_cast<double>(flows_.capacity(link));
        return is_full && static_cast<double>(flows_.rate(flow)) * (1 + 2 * tolerance_) >= static_cast<double>(largest[link]);
      })) << "flow " << flow << " has no bottleneck";
    }
  }

  Flows& flows() { return flows_; }

 private:
  static std::vector<uint64_t> capacities(uint64_t seed, uint32_t count) {
    std::vector<uint64_t> capacities(count);
    for (uint32_t link = 0; link < count; ++link) {
      capacities[link] = 1'000 + hash_combine(seed, link) % 4 * 500;  // often equal
    }
    return capacities;
  }
  uint64_t draw(uint64_t below) { return hash_combine(seed_, ++draws_) % below; }

  uint64_t seed_;
  double tolerance_;
  uint64_t draws_ = 0;
  uint64_t now_ns_ = 0;
  Flows flows_;
  std::map<FlowId, Ids> ways_;
};

TEST(Flows, EveryFlowHasABottleneckAndNoLinkIsOverfull) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    RandomFlows world(seed, 4 + static_cast<uint32_t>(seed) * 4);
    for (uint32_t step = 0; step < 200; ++step) {
      world.instant();
      ASSERT_NO_FATAL_FAILURE(world.check());
    }
  }
}

TEST(Flows, WithinATolerance) {
  uint64_t exactly = 0;
  uint64_t roughly = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    RandomFlows exact(seed, 40);
    RandomFlows world(seed, 40, 100);
    for (uint32_t step = 0; step < 200; ++step) {
      exact.instant();
      world.instant();
      ASSERT_NO_FATAL_FAILURE(world.check());
    }
    exactly += exact.flows().rated_count();
    roughly += world.flows().rated_count();
  }
  EXPECT_LT(roughly, exactly);
}

TEST(Flows, TheSameCallsGiveTheSameTimes) {
  RandomFlows first(5, 20);
  RandomFlows second(5, 20);
  for (uint32_t step = 0; step < 300; ++step) {
    first.instant();
    second.instant();
    second.flows().used(0);  // asking changes nothing
    ASSERT_EQ(first.flows().next_completion_ns(), second.flows().next_completion_ns());
  }
}

}  // namespace
}  // namespace tutti::topology
