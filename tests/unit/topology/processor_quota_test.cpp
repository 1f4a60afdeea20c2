// SPDX-License-Identifier: Apache-2.0
// Limits of control groups, in folders that look like /proc and /sys.
#include "topology/processor_quota.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tutti::topology {
namespace {

class ProcessorQuota : public testing::Test {
 protected:
  ProcessorQuota() {
    std::string name = (std::filesystem::temp_directory_path() / "tutti-quota-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~ProcessorQuota() override { std::filesystem::remove_all(root_); }

  void put(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
};

TEST_F(ProcessorQuota, IsTheLeastOfTheGroupsAroundAProcess) {
  EXPECT_EQ(read_processor_quota(root_), 0u);
  put("/proc/self/cgroup", "0::/slice/job/step\n");
  EXPECT_EQ(read_processor_quota(root_), 0u);
  put("/sys/fs/cgroup/slice/job/step/cpu.max", "max 100000\n");
  EXPECT_EQ(read_processor_quota(root_), 0u);
  put("/sys/fs/cgroup/slice/job/cpu.max", "800000 100000\n");
  EXPECT_EQ(read_processor_quota(root_), 8u);
  put("/sys/fs/cgroup/slice/job/step/cpu.max", "150000 100000\n");
  EXPECT_EQ(read_processor_quota(root_), 2u) << "one and a half";
  put("/sys/fs/cgroup/slice/cpu.max", "50000 100000\n");
  EXPECT_EQ(read_processor_quota(root_), 1u);
}

TEST_F(ProcessorQuota, OfAContainerLiesAtTheRootThatItSees) {
  put("/proc/self/cgroup", "0::/\n");
  put("/sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(read_processor_quota(root_), 4u);
  put("/proc/self/cgroup", "0::/docker/elsewhere\n");
  EXPECT_EQ(read_processor_quota(root_), 4u);
}

TEST_F(ProcessorQuota, OfVersionOneIsThatOfTheProcessorController) {
  put("/proc/self/cgroup", "5:cpuset:/a\n4:cpu,cpuacct:/a\n3:memory:/b\n");
  put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n");
  put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(read_processor_quota(root_), 3u);
  put("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(read_processor_quota(root_), 0u);
}

TEST_F(ProcessorQuota, WhatMakesNoSenseIsNoLimit) {
  put("/proc/self/cgroup", "0::/a\n");
  for (const char* text : {"", "\n", "100000", "100000 0", "0 100000", "-5 100000", "many 100000", "99999999999999999999 1", "900000000 1"}) {
    put("/sys/fs/cgroup/a/cpu.max", text);
    EXPECT_EQ(read_processor_quota(root_), 0u) << text;
  }
  put("/sys/fs/cgroup/a/cpu.max", "200000 100000");
  for (const std::string& groups : {std::string("0"), std::string("0:"), std::string("0::"), std::string("0::a"), std::string(100'000, ':')}) {
    put("/proc/self/cgroup", groups);
    EXPECT_EQ(read_processor_quota(root_), 0u) << groups.substr(0, 20);
  }
  std::string deep = "0::";
  for (int depth = 0; depth < 1'500; ++depth) {
    deep += "/a";
  }
  put("/proc/self/cgroup", deep);
  EXPECT_EQ(read_processor_quota(root_), 0u) << "as deep a group as has not been made";
}

TEST(LowestProcessors, AreAsManyAsAsked) {
  const ProcessorWords some = {0b1010'1100, 0b11};
  EXPECT_EQ(lowest_processors(some, 0), some);
  EXPECT_EQ(lowest_processors(some, 2), (ProcessorWords{0b1100, 0}));
  EXPECT_EQ(lowest_processors(some, 5), (ProcessorWords{0b1010'1100, 0b1}));
  EXPECT_EQ(lowest_processors(some, 99), some);
  EXPECT_EQ(lowest_processors({}, 3), ProcessorWords{});
}

}  // namespace
}  // namespace tutti::topology
