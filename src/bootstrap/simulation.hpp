// SPDX-License-Identifier: Apache-2.0
// The bootstrap of very many ranks in one thread and in virtual time: the state machines that also run over sockets, with messages that are counted
// instead of sent. Contributions have sizes, but no content.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/gathering.hpp"
#include "bootstrap/registrar.hpp"

namespace tutti::bootstrap {

struct Traffic {
  uint64_t messages_sent = 0, messages_received = 0;
  uint64_t bytes_sent = 0, bytes_received = 0;
};

class SimulatedBootstrap {
 public:
  struct Options {
    uint32_t rank_count = 1;
    uint32_t root_count = 1;
    uint32_t rounds = 1;
    uint64_t contribution_bytes = 0;  // of each rank to each round
    uint64_t latency_ns = 10'000;     // of each message
    std::set<uint32_t> absent = {};   // ranks that never come
    std::set<uint32_t> stalled = {};  // ranks that begin one round only
  };
  explicit SimulatedBootstrap(Options options);
  ~SimulatedBootstrap();

  // Carries out the next thing that happens; false when nothing does any more but the passing of time.
  bool step();
  void run() {
    while (step()) {
    }
  }
  // Time passes in which nothing else happens, and those who wait tell each other so.
  void wait_ns(uint64_t duration_ns);
  // The rank's process ends without a word.
  void kill(uint32_t rank);

  bool is_done(uint32_t rank) const;  // with all rounds
  const Status& failure(uint32_t rank) const;
  std::string waiting_for(uint32_t rank) const;
  uint64_t now_ns() const { return clock_.now; }
  const Traffic& traffic_of_rank(uint32_t rank) const;
  const Traffic& traffic_of_root(uint32_t root) const;

 private:
  struct Node;
  struct Root;
  struct VirtualClock final : Clock {
    uint64_t now_ns() const override { return now; }
    uint64_t now = 1;
  };
  struct Event {
    enum class Kind : uint8_t { up, down, frame, blocks, root_up, root_frame } kind;
    uint64_t at_ns = 0;
    uint64_t number = 0;
    uint32_t target = 0;  // a rank, or for the last two a root
    uint32_t source = 0;  // a rank
    Line line = {};       // at the target
    std::shared_ptr<const Bytes> frame = nullptr;
    uint64_t round = 0;
    uint64_t byte_count = 0;
  };
  struct IsLater {
    bool operator()(const Event& a, const Event& b) const { return a.at_ns != b.at_ns ? a.at_ns > b.at_ns : a.number > b.number; }
  };

  void schedule(Event event, uint64_t latencies = 1);
  void carry_out(const Event& event);
  void deliver(const Event& event);
  void go_on(Node& node);

  const Options options_;
  VirtualClock clock_;
  uint64_t event_count_ = 0;
  std::priority_queue<Event, std::vector<Event>, IsLater> events_;
  std::vector<std::unique_ptr<Root>> roots_;
  std::vector<std::unique_ptr<Node>> nodes_;
};

}  // namespace tutti::bootstrap
