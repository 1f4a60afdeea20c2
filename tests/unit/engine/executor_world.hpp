// SPDX-License-Identifier: Apache-2.0
// Executors of several ranks in one thread, over fake links and in virtual time.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "engine/executor.hpp"
#include "schedule/builder.hpp"
#include "tests/unit/engine/fake_fabric.hpp"

namespace tutti::engine {

class ManualClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_.load(std::memory_order_relaxed); }
  void advance_by(uint64_t duration_ns) { now_ns_.fetch_add(duration_ns, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> now_ns_{0};  // written by the test, read by any thread; publishes nothing else
};

struct WorldOptions {
  uint32_t rank_count = 2;
  uint64_t timeout_ms = 0;
  FabricOptions fabric = {.max_frame_bytes = 512};
};

class ExecutorWorld {
 public:
  static constexpr uint64_t kRoundNs = 50'000;

  explicit ExecutorWorld(WorldOptions options = {}) : fabric((options.fabric.rank_count = options.rank_count, options.fabric)) {
    for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
      executors.push_back(std::make_shared<Executor>(Executor::Options{.rank = rank,
                                                                       .rank_count = options.rank_count,
                                                                       .name = "world",
                                                                       .timeout_ms = options.timeout_ms,
                                                                       .crowding = Crowding::crowded,
                                                                       .clock = &clock,
                                                                       .engine = nullptr},
                                                     Executor::Connections{.foundation = nullptr, .transports = {}, .links = fabric.links_of(rank)}));
    }
  }

  Executor& operator[](uint32_t rank) { return *executors[rank]; }
  // A full turn of every rank, then the clock moves on.
  void round() {
    for (const auto& executor : executors) {
      if (executor->try_claim()) {
        executor->full_turn();
        executor->release_ownership();
      }
    }
    clock.advance_by(kRoundNs);
  }
  void run_for_ms(uint64_t duration_ms) {
    for (const uint64_t end_ns = clock.now_ns() + duration_ms * 1'000'000; clock.now_ns() < end_ns;) {
      round();
    }
  }
  // Until everything submitted has completed; false if it has not after a second of virtual time.
  bool settle() {
    const auto settled = [this] {
      return std::ranges::all_of(executors, [](const auto& executor) { return executor->has_settled(executor->submitted()); });
    };
    for (const uint64_t end_ns = clock.now_ns() + 1'000'000'000; clock.now_ns() < end_ns && !settled();) {
      round();
    }
    return settled();
  }

  ManualClock clock;
  FakeFabric fabric;
  std::vector<std::shared_ptr<Executor>> executors;
};

inline std::shared_ptr<Stream> new_stream() { return std::make_shared<Stream>(); }

// The sum of two ranks' vectors: each sends its own to the other.
inline std::shared_ptr<const schedule::Schedule> sum_schedule(uint32_t rank, uint32_t channel_count = 1) {
  using schedule::Buffer;
  schedule::Builder builder({.rank = rank});
  builder.send(builder.add_lane(channel_count - 1), 1 - rank, {}, {Buffer::input, 0});
  builder.receive_reduce(builder.add_lane(channel_count - 1), 1 - rank, {},
                         {.source = {Buffer::input, 0}, .target = {Buffer::output, 0}},
                         {.operands = rank == 0 ? schedule::Operands::local_first : schedule::Operands::received_first,
                          .final = schedule::Final::yes,
                          .waits = {}});
  return std::make_shared<const schedule::Schedule>(std::move(builder).build());
}

// One call of a program that nobody else uses.
inline Request request_for(Program::Parts parts, const int32_t* input, int32_t* output) {
  auto program = std::make_shared<const Program>(std::move(parts));
  return {.program = program.get(),
          .owner = program,
          .input = reinterpret_cast<const std::byte*>(input),
          .output = reinterpret_cast<std::byte*>(output)};
}

// What one rank passes to an all-reduce of two ranks, and gets from it.
struct Sum {
  explicit Sum(size_t count, int32_t value) : input(count, value), output(count, -1) {}

  Request request(uint32_t rank, uint32_t channel_count = 1) { return request_as(signature(), rank, channel_count); }
  // Says that it is another call than it is.
  Request request_as(const Signature& its_signature, uint32_t rank, uint32_t channel_count = 1) {
    return request_for({.signature = its_signature,
                        .schedule = sum_schedule(rank, channel_count),
                        .layout = {.problem = {.collective = schedule::Collective::all_reduce, .rank_count = 2},
                                   .rank = rank,
                                   .element_count = input.size(),
                                   .variable = {},
                                   .element_bytes = sizeof(int32_t)}},
                       input.data(), output.data());
  }
  Signature signature() const {
    return {.collective = schedule::Collective::all_reduce, .datatype = tuttiInt32, .op = tuttiSum, .count = input.size()};
  }
  bool has(int32_t value) const {
    return std::ranges::all_of(output, [&](int32_t element) { return element == value; });
  }

  std::vector<int32_t> input;
  std::vector<int32_t> output;
};

// One end of a message.
struct Message {
  explicit Message(size_t count, int32_t value, tuttiDataType_t type = tuttiInt32) : values(count, value), datatype(type) {}

  Request send(uint32_t rank, uint32_t peer) { return request(schedule::Collective::send, rank, peer); }
  Request receive(uint32_t rank, uint32_t peer) { return request(schedule::Collective::receive, rank, peer); }

  std::vector<int32_t> values;
  tuttiDataType_t datatype;

 private:
  Request request(schedule::Collective collective, uint32_t rank, uint32_t peer) {
    schedule::Builder builder({.rank = rank});
    if (collective == schedule::Collective::send) {
      builder.send(builder.add_lane(), peer, {}, {schedule::Buffer::input, 0});
    } else {
      builder.receive(builder.add_lane(), peer, {}, {schedule::Buffer::output, 0});
    }
    Request request = request_for({.signature = {.collective = collective, .datatype = datatype, .count = values.size()},
                                   .schedule = std::make_shared<const schedule::Schedule>(std::move(builder).build()),
                                   .layout = {.problem = {.collective = collective, .rank_count = 2},
                                              .rank = rank,
                                              .element_count = values.size(),
                                              .variable = {},
                                              .element_bytes = sizeof(int32_t)}},
                                  values.data(), values.data());
    request.peer = peer;
    return request;
  }
};

}  // namespace tutti::engine
