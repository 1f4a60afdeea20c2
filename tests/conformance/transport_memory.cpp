// SPDX-License-Identifier: Apache-2.0
// What transport/transport.hpp promises of a peer's memory, on every transport whose links say that they reach it.
#include <gtest/gtest.h>

#include "conformance/transport_test.hpp"
#include "transport/windows.hpp"

namespace tutti::conformance {
namespace {

using transport::Link;
using transport::MemoryAddress;
using transport::Outcome;
using transport::Windows;

class TransportMemory : public TransportTest {
 protected:
  // Null when there is nothing to be tested.
  std::unique_ptr<TransportWorld> world_that_reaches_memory() {
    auto world = connected_world();
    return world != nullptr && world->link(0, 1).estimate().reaches_memory ? std::move(world) : nullptr;
  }
  // Shares what rank 0 has published with rank 1; null when it cannot be shared, or the link fails.
  static std::byte* share(TransportWorld& world, const MemoryAddress& address, size_t byte_count) {
    std::byte* memory = nullptr;
    Outcome outcome = Outcome::would_block;
    EXPECT_TRUE(world.run_until([&] { return (outcome = world.link(1, 0).share(address, byte_count, &memory)) != Outcome::would_block; }));
    EXPECT_EQ(outcome, Outcome::done);
    return memory;
  }
};

#define REQUIRE_REACH(world) \
  if ((world) == nullptr) GTEST_SKIP() << GetParam().name << " does not reach its peers' memory"

TEST_P(TransportMemory, AnyMemoryIsFetched) {
  const auto world = world_that_reaches_memory();
  REQUIRE_REACH(world);
  for (const size_t byte_count : {0, 1, 100, 70'000}) {
    const std::vector<std::byte> memory = pattern(byte_count, byte_count);
    const MemoryAddress address = world->link(0, 1).publish(memory);
    std::vector<std::byte> target(byte_count);
    ASSERT_EQ(world->link(1, 0).fetch(address, target), Outcome::done);
    EXPECT_EQ(target, memory);
  }
}

TEST_P(TransportMemory, WhatIsSharedIsTheSameMemory) {
  const auto world = world_that_reaches_memory();
  REQUIRE_REACH(world);
  const Result<std::byte*> given = Windows::instance().allocate(50'000);
  ASSERT_TRUE(given.has_value());
  const std::span<std::byte> memory(*given, 50'000);
  const std::vector<std::byte> bytes = pattern(memory.size(), 1);
  std::ranges::copy(bytes, memory.begin());
  for (const size_t offset : {0, 1, 49'999}) {
    const MemoryAddress address = world->link(0, 1).publish(memory.subspan(offset));
    ASSERT_TRUE(world->link(0, 1).is_shared(address));
    std::byte* const shared = share(*world, address, memory.size() - offset);
    ASSERT_NE(shared, nullptr);
    EXPECT_TRUE(std::equal(shared, shared + memory.size() - offset, bytes.begin() + static_cast<ptrdiff_t>(offset)));
    shared[0] = std::byte{77};
    EXPECT_EQ(memory[offset], std::byte{77});
    std::vector<std::byte> target(memory.size() - offset);
    ASSERT_EQ(world->link(1, 0).fetch(address, target), Outcome::done);
    EXPECT_EQ(target[0], std::byte{77});
    memory[offset] = bytes[offset];
  }
  EXPECT_TRUE(Windows::instance().free(*given));
}

TEST_P(TransportMemory, ADeadPeersMemoryIsOutOfReach) {
  const auto world = world_that_reaches_memory();
  REQUIRE_REACH(world);
  const std::vector<std::byte> memory = pattern(100, 1);
  const MemoryAddress address = world->link(0, 1).publish(memory);
  world->destroy(0);
  Link& link = world->link(1, 0);
  ASSERT_TRUE(world->run_until([&] { return !link.failure().ok(); }));
  std::byte* shared = nullptr;
  std::vector<std::byte> target(100);
  EXPECT_EQ(link.share(address, 100, &shared), Outcome::failed);
  EXPECT_EQ(link.fetch(address, target), Outcome::failed);
}

INSTANTIATE_TEST_SUITE_P(, TransportMemory, testing::ValuesIn(transport_kinds()),
                         [](const testing::TestParamInfo<TransportKind>& kind) { return kind.param.name; });

}  // namespace
}  // namespace tutti::conformance
