// SPDX-License-Identifier: Apache-2.0
// Which node's memory a segment is in. Machines with one node have the same rules, only no choice.
#include "transports/shm/numa.hpp"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "support.hpp"
#include "transports/shm/layout.hpp"
#include "transports/shm/segment.hpp"

namespace tutti::transports::shm {
namespace {

constexpr int kNoPolicy = -1;  // the kernel does not tell

int policy_at(const std::byte* address) {
  int mode = 0;
  std::array<unsigned long, 16> nodes{};
  return ::syscall(SYS_get_mempolicy, &mode, nodes.data(), 8 * sizeof nodes, address, MPOL_F_ADDR) == 0 ? mode : kNoPolicy;
}

class ShmNuma : public testing::Test {
 protected:
  void SetUp() override {
    Descriptor memfd;
    Result<Segment> segment = Segment::create(segment_bytes(geometry_), &memfd);
    ASSERT_TRUE(segment) << segment.error().message();
    segment_ = std::move(*segment);
    Result<Segment> probe = Segment::create(kPageBytes, &memfd);
    ASSERT_TRUE(probe) << probe.error().message();
    if (!prefer_own_node({probe->data(), probe->size()}) || policy_at(probe->data()) == kNoPolicy) {
      GTEST_SKIP() << "the kernel does not let this process choose its memory's node";
    }
  }

  Geometry geometry_;
  Segment segment_;
};

TEST_F(ShmNuma, OneDirectionIsPlacedAndTheOtherIsNot) {
  const DirectionMemory lower(segment_.data(), geometry_, Direction::from_lower_rank);
  const DirectionMemory higher(segment_.data(), geometry_, Direction::from_higher_rank);
  EXPECT_EQ(lower.bytes().size() + higher.bytes().size(), segment_.size());
  ASSERT_TRUE(prefer_own_node(higher.bytes()));
  for (const std::byte* const part : {higher.bytes().data(), higher.slot(0), higher.bytes().data() + higher.bytes().size() - 1}) {
    EXPECT_EQ(policy_at(part), MPOL_PREFERRED);
  }
  EXPECT_EQ(policy_at(lower.bytes().data()), MPOL_DEFAULT);
  EXPECT_EQ(policy_at(lower.bytes().data() + lower.bytes().size() - 1), MPOL_DEFAULT);
}

TEST_F(ShmNuma, PlacingTouchesNothing) {
  ASSERT_TRUE(prefer_own_node({segment_.data(), segment_.size()}));
  std::vector<unsigned char> present(segment_.size() / kPageBytes);
  ASSERT_EQ(::syscall(SYS_mincore, segment_.data(), segment_.size(), present.data()), 0);
  EXPECT_EQ(std::count(present.begin(), present.end(), 0), static_cast<std::ptrdiff_t>(present.size()));
}

// Both ends of the pair are in this process, and each reads one direction.
TEST_F(ShmNuma, EachEndOfALinkPlacesWhatItReads) {
  const auto placed = [](const std::string& line) { return line.find("memfd:tutti") != std::string::npos && line.find(" prefer") != std::string::npos; };
  const auto unplaced = [](const std::string& line) {
    return line.find("memfd:tutti") != std::string::npos && line.find(" default") != std::string::npos;
  };
  if (!std::filesystem::exists("/proc/self/numa_maps")) {
    GTEST_SKIP() << "there is no /proc/self/numa_maps";
  }
  segment_ = {};
  ASSERT_EQ(count_lines("/proc/self/numa_maps", placed), 0u);
  ConnectedPair pair;
  EXPECT_NE(pair[0]->link(1), nullptr);
  EXPECT_GT(count_lines("/proc/self/numa_maps", placed), 0u);
  EXPECT_EQ(count_lines("/proc/self/numa_maps", unplaced), 0u);
}

}  // namespace
}  // namespace tutti::transports::shm
