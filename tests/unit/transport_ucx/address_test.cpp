// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/address.hpp"

#include <gtest/gtest.h>

#include "transport/transport.hpp"
#include "transports/ucx/estimate.hpp"
#include "transports/ucx/queue.hpp"

namespace tutti::transports::ucx {
namespace {

Address sample(size_t worker_bytes) {
  return {.host = 1, .process_id = 2, .process_start = 3, .watches_process = true, .worker = std::vector<std::byte>(worker_bytes, std::byte{7})};
}

TEST(UcxAddress, ComesBack) {
  for (const size_t worker_bytes : {size_t{1}, kMaxWorkerAddressBytes}) {
    const auto bytes = encode(sample(worker_bytes), Key{}, 4);
    EXPECT_LE(bytes.size(), transport::kMaxAddressBytes);
    EXPECT_EQ(decode(bytes, Key{}, 4), sample(worker_bytes));
  }
}

TEST(UcxAddress, NothingButWhatTheRankItselfHasMadeIsBelieved) {
  const auto bytes = encode(sample(40), Key{}, 4);
  EXPECT_FALSE(decode(bytes, Key{}, 5)) << "another rank's";
  EXPECT_FALSE(decode(bytes, Key{std::byte{1}}, 4)) << "another secret";
  EXPECT_FALSE(decode({}, Key{}, 4));
  for (size_t place = 0; place < bytes.size(); ++place) {
    auto changed = bytes;
    changed[place] ^= std::byte{1};
    EXPECT_FALSE(decode(changed, Key{}, 4)) << "byte " << place;
    EXPECT_FALSE(decode(std::span(bytes).first(place), Key{}, 4)) << place << " bytes";
  }
}

TEST(UcxQueue, ElementsKeepTheirNumbers) {
  Queue<int> queue;
  for (int round = 0; round < 5; ++round) {
    for (int index = 0; index < 11; ++index) {
      const uint64_t number = queue.push(static_cast<int>(queue.end()));
      EXPECT_EQ(queue[number], static_cast<int>(number));
    }
    EXPECT_FALSE(queue.has(queue.end()));
    for (int index = 0; index < 7; ++index) {
      EXPECT_EQ(queue.front(), static_cast<int>(queue.begin()));
      queue.pop();
      EXPECT_FALSE(queue.has(queue.begin() - 1));
    }
  }
}

TEST(UcxEstimate, KnowsAdaptersByTheNamesOfUcx) {
  EXPECT_TRUE(has_remote_memory_access("rc_mlx5/mlx5_0:1"));
  EXPECT_TRUE(has_remote_memory_access("tcp/eth0, ud_verbs/mlx5_1:1"));
  EXPECT_FALSE(has_remote_memory_access("self/memory0, tcp/rc_0, posix/memory"));
  EXPECT_LT(estimate_of("rc_mlx5/mlx5_0:1", false).latency_ns, estimate_of("tcp/eth0", false).latency_ns);
  EXPECT_LT(estimate_of("posix/memory", true).latency_ns, estimate_of("tcp/lo", true).latency_ns);
}

}  // namespace
}  // namespace tutti::transports::ucx
