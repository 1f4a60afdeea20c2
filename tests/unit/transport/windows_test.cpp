// SPDX-License-Identifier: Apache-2.0
#include "transport/windows.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include "transport/memfd.hpp"

namespace tutti::transport {
namespace {

std::byte* allocate(size_t byte_count) {
  const Result<std::byte*> memory = Windows::instance().allocate(byte_count);
  EXPECT_TRUE(memory.has_value());
  return memory.value_or(nullptr);
}

bool release(std::byte* memory) { return Windows::instance().free(memory); }

size_t open_descriptor_count() {
  const std::filesystem::directory_iterator descriptors("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(descriptors), end(descriptors)));
}

TEST(Windows, AreZeroedAlignedAndWritable) {
  for (const size_t size : {size_t{1}, kSmallPageBytes, kSmallPageBytes + 1, 3 * kHugePageBytes + 5}) {
    std::byte* const memory = allocate(size);
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % (size < kHugePageBytes ? kSmallPageBytes : kHugePageBytes), 0u);
    EXPECT_EQ(std::count(memory, memory + size, std::byte{0}), static_cast<ptrdiff_t>(size));
    std::memset(memory, 1, size);
    EXPECT_TRUE(release(memory));
  }
}

int64_t committed_bytes(std::byte* memory) {
  WindowCache cache;
  const Window* const window = cache.find({memory, 1});
  struct stat status {};
  EXPECT_TRUE(window != nullptr && ::fstat(window->memfd().get(), &status) == 0);
  return int64_t{status.st_blocks} * 512;
}

// Where the kernel has no huge pages, one small page has been touched to find that out.
TEST(Windows, AllocationTakesHugePagesOnly) {
  std::byte* const small = allocate(kHugePageBytes - kSmallPageBytes);
  EXPECT_EQ(committed_bytes(small), 0);
  EXPECT_TRUE(release(small));
  std::byte* const large = allocate(8 * kHugePageBytes + kSmallPageBytes);
  const int64_t committed = committed_bytes(large);
  EXPECT_LE(committed, static_cast<int64_t>(8 * kHugePageBytes));
  EXPECT_LE(committed % static_cast<int64_t>(kHugePageBytes), static_cast<int64_t>(kSmallPageBytes));
  EXPECT_TRUE(release(large));
}

TEST(Windows, TheirSizeIsSealedAndTheirDescriptorIsCloseOnExec) {
  std::byte* const memory = allocate(100);
  WindowCache cache;
  ASSERT_NE(cache.find({memory, 100}), nullptr);
  const Descriptor& memfd = cache.found()->memfd();
  EXPECT_TRUE(has_sealed_size(memfd));
  EXPECT_EQ(::ftruncate(memfd.get(), 0), -1);
  EXPECT_NE(::fcntl(memfd.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_TRUE(release(memory));
}

TEST(Windows, UnknownPointersAreNotFreed) {
  std::byte* const memory = allocate(100);
  std::byte other{};
  EXPECT_FALSE(release(nullptr));
  EXPECT_FALSE(release(&other));
  EXPECT_FALSE(release(memory + 8));
  EXPECT_TRUE(release(memory));
  EXPECT_FALSE(release(memory));
}

TEST(Windows, ImpossibleSizesAreErrors) {
  for (const size_t size : {SIZE_MAX, SIZE_MAX / 2, SIZE_MAX / 2 + 1, size_t{1} << 62}) {
    const size_t before = open_descriptor_count();
    const Result<std::byte*> memory = Windows::instance().allocate(size);
    ASSERT_FALSE(memory.has_value());
    EXPECT_EQ(memory.error().code(), tuttiSystemError);
    EXPECT_EQ(open_descriptor_count(), before);
  }
}

TEST(Windows, NumbersNeverRepeatAndNothingLeaks) {
  const size_t before = open_descriptor_count();
  std::set<uint64_t> seen;
  for (int round = 0; round < 200; ++round) {
    std::byte* const memory = allocate(kSmallPageBytes);
    WindowCache cache;
    Window* const window = cache.find({memory, kSmallPageBytes});
    ASSERT_NE(window, nullptr);
    EXPECT_TRUE(seen.insert(window->id()).second);
    EXPECT_NE(window->id(), 0u);
    ASSERT_TRUE(release(memory));
    EXPECT_EQ(cache.find({memory, kSmallPageBytes}), nullptr);
  }
  EXPECT_EQ(open_descriptor_count(), before);
}

TEST(Windows, WithoutDescriptorsMemoryIsStillGiven) {
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  rlimit none = limit;
  none.rlim_cur = 0;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Result<std::byte*> memory = Windows::instance().allocate(10'000);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  ASSERT_TRUE(memory.has_value());
  std::memset(*memory, 1, 10'000);
  WindowCache cache;
  EXPECT_EQ(cache.find({*memory, 10'000}), nullptr);  // but cannot be shared
  EXPECT_TRUE(release(*memory));
}

TEST(WindowCache, FindsExactlyWhatLiesInOneWindow) {
  constexpr size_t kSize = 4 * kSmallPageBytes;
  std::vector<std::byte*> windows;
  for (int count = 0; count < 20; ++count) windows.push_back(allocate(kSize));
  WindowCache cache;
  for (int round = 0; round < 3; ++round) {
    for (std::byte* const begin : windows) {
      Window* const window = cache.find({begin, kSize});
      ASSERT_NE(window, nullptr);
      EXPECT_EQ(window->data(), begin);
      EXPECT_EQ(cache.found().get(), window);
      EXPECT_EQ(cache.find({begin + 1, kSize - 1}), window);
      EXPECT_EQ(cache.find({begin + kSize - 1, 1}), window);
      EXPECT_EQ(cache.find({begin + 1, kSize}), nullptr);
      std::byte ordinary{};
      EXPECT_EQ(cache.find({&ordinary, 1}), nullptr);
    }
  }
  for (std::byte* const begin : windows) EXPECT_TRUE(release(begin));
}

TEST(WindowCache, SeesWhatHasChangedSinceItLastLooked) {
  std::byte* const fixed = allocate(kSmallPageBytes);
  WindowCache cache;
  ASSERT_NE(cache.find({fixed, 1}), nullptr);
  const std::shared_ptr<Window> old = cache.found();
  ASSERT_TRUE(release(fixed));
  EXPECT_TRUE(old->freed());
  EXPECT_EQ(cache.find({fixed, 1}), nullptr);
  EXPECT_EQ(cache.find({fixed, 1}), nullptr);
  std::byte* const next = allocate(kSmallPageBytes);
  ASSERT_NE(cache.find({next, 1}), nullptr);
  EXPECT_GT(cache.found()->id(), old->id());
  EXPECT_TRUE(release(next));
}

TEST(WindowCache, OthersMayAllocateAndFreeMeanwhile) {
  std::byte* const own = allocate(kSmallPageBytes);
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::thread other([&] {
    while (!stop.load()) {
      release(allocate(kSmallPageBytes));
      ++rounds;
    }
  });
  WindowCache cache;
  size_t wrong = 0;
  while (rounds.load() < 500) {
    const Window* const window = cache.find({own, kSmallPageBytes});
    wrong += window == nullptr || window->data() != own ? 1 : 0;
  }
  stop.store(true);
  other.join();
  EXPECT_EQ(wrong, 0u);
  EXPECT_TRUE(release(own));
}

// Whether there are huge pages depends on the kernel; that all of the memory is zero and can be written does not.
TEST(Windows, GiveZeroedMemoryWhateverItsPages) {
  for (const size_t size : {9 * kHugePageBytes, kHugePageBytes + kSmallPageBytes, kHugePageBytes - kSmallPageBytes}) {
    std::byte* const memory = allocate(size);
    EXPECT_EQ(std::count(memory, memory + size, std::byte{0}), static_cast<ptrdiff_t>(size));
    std::fill(memory, memory + size, std::byte{7});
    EXPECT_EQ(std::count(memory, memory + size, std::byte{7}), static_cast<ptrdiff_t>(size));
    EXPECT_TRUE(release(memory));
  }
}

}  // namespace
}  // namespace tutti::transport
