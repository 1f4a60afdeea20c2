// SPDX-License-Identifier: Apache-2.0
#include "base/nearness.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace tutti {
namespace {

using ::testing::ElementsAre;
using Place = Nearness::Place;

// A machine of two nodes, 0 with processors 0-1 and 4-5, 1 with 2-3 and 6, as its kernel would show it.
class NearnessTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "tutti-sysfs-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    tree_ = name;
    write("devices/system/node/node0/cpulist", "0-1,4-5");
    write("devices/system/node/node1/cpulist", "2-3,6");
  }
  void TearDown() override { std::filesystem::remove_all(tree_); }

  void write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories((tree_ / path).parent_path());
    std::ofstream(tree_ / path) << text << '\n';
  }
  void add_interface(const std::string& name, int node, int megabits_per_s = 100'000) {
    write("class/net/" + name + "/device/numa_node", std::to_string(node));
    write("class/net/" + name + "/speed", std::to_string(megabits_per_s));
  }
  Nearness seen_from(std::vector<uint32_t> processors) const { return {tree_, std::move(processors)}; }

  static Interface interface(const std::string& name, const std::string& address = "10.0.0.1") {
    return {.name = name, .address = *SocketAddress::resolve(address, 0)};
  }
  static std::vector<std::string> order(std::vector<Interface> interfaces, const Nearness& nearness) {
    prefer_near(interfaces, nearness);
    std::vector<std::string> names;
    std::ranges::transform(interfaces, std::back_inserter(names), [](const Interface& interface) { return interface.name; });
    return names;
  }

  std::filesystem::path tree_;
};

TEST_F(NearnessTest, ADeviceIsNearToThreadsThatAreBoundToItsNode) {
  add_interface("eth0", 0);
  add_interface("eth1", 1);
  write("class/infiniband/mlx5_1/device/numa_node", "1");
  EXPECT_EQ(seen_from({4, 5}).of_interface("eth0"), Place::near);
  EXPECT_EQ(seen_from({4, 5}).of_interface("eth1"), Place::far);
  EXPECT_EQ(seen_from({6}).of_interface("eth1"), Place::near);
  EXPECT_EQ(seen_from({2}).of_adapter("mlx5_1"), Place::near);
  EXPECT_EQ(seen_from({1, 2}).of_interface("eth0"), Place::far) << "may run at both nodes";
  EXPECT_EQ(seen_from({}).of_interface("eth0"), Place::far) << "nobody knows where it runs";
}

TEST_F(NearnessTest, WhatIsNoDeviceOrHasNoNodeIsNeither) {
  add_interface("eth0", -1);
  add_interface("eth1", 7);
  write("class/net/docker0/speed", "10000");
  for (const char* name : {"eth0", "eth1", "docker0", "missing"}) {
    EXPECT_EQ(seen_from({0}).of_interface(name), Place::unknown) << name;
  }
  EXPECT_EQ(seen_from({0}).bits_per_s_of_interface("docker0"), 10'000'000'000u);
  EXPECT_EQ(seen_from({0}).bits_per_s_of_interface("missing"), 0u);
}

TEST_F(NearnessTest, NearInterfacesGoFirst) {
  for (int index = 0; index < 4; ++index) {
    add_interface("ib" + std::to_string(index), index / 2);
  }
  const std::vector<Interface> interfaces{interface("ib0"), interface("ib1"), interface("ib2"), interface("ib3")};
  EXPECT_THAT(order(interfaces, seen_from({0, 1})), ElementsAre("ib0", "ib1", "ib2", "ib3"));
  EXPECT_THAT(order(interfaces, seen_from({2, 3})), ElementsAre("ib2", "ib3", "ib0", "ib1"));
  EXPECT_THAT(order(interfaces, seen_from({0, 2})), ElementsAre("ib0", "ib1", "ib2", "ib3"));
}

TEST_F(NearnessTest, OnlyWhatIsEquallyFastChangesPlaces) {
  add_interface("slow", 1, 1'000);
  add_interface("fast0", 0);
  add_interface("fast1", 1);
  write("class/net/docker0/speed", "100000");
  EXPECT_THAT(order({interface("fast0"), interface("slow"), interface("docker0"), interface("fast1")}, seen_from({2})),
              ElementsAre("fast1", "slow", "docker0", "fast0"));
  EXPECT_THAT(order({interface("fast0"), interface("fast1"), interface("fast0", "fd77::1"), interface("fast1", "fd77::2")}, seen_from({2})),
              ElementsAre("fast1", "fast0", "fast1", "fast0"));
}

}  // namespace
}  // namespace tutti
