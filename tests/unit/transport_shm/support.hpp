// SPDX-License-Identifier: Apache-2.0
// Transports of one communicator inside the test's process, driven by hand.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "transports/shm/shm.hpp"

namespace tutti::transports::shm {

class ManualClock final : public Clock {
 public:
  uint64_t now_ns() const override { return now_ns_; }
  void advance_ns(uint64_t duration_ns) { now_ns_ += duration_ns; }

 private:
  uint64_t now_ns_ = 1;
};

inline constexpr uint64_t kMillisecondNs = 1'000'000;
// Polls enough for any hand-over among a few ranks, and enough to make a transport look at its clock again.
inline constexpr int kManyPolls = 200;

struct RankOptions {
  transport::Secret secret{};
  std::string host_id = "this host";
  uint64_t communicator_id = 77;
  uint64_t slice_bytes = 0;
  bool peer_memory = true;
};

// One rank's transport with what it borrows.
class Rank {
 public:
  Rank(uint32_t rank, uint32_t rank_count, const RankOptions& options = {}) : secret_(options.secret) {
    settings_.slice_bytes = options.slice_bytes;
    settings_.peer_memory = options.peer_memory;
    auto made = type().create({rank, rank_count, options.communicator_id, secret_, options.host_id, clock_, settings_});
    EXPECT_TRUE(made.has_value()) << made.error().message();
    transport_ = std::move(*made);
  }

  transport::Transport& operator*() { return *transport_; }
  transport::Transport* operator->() { return transport_.get(); }
  ManualClock& clock() { return clock_; }
  void destroy() { transport_.reset(); }
  bool exists() const { return transport_ != nullptr; }

 private:
  transport::Secret secret_;
  Settings settings_;
  ManualClock clock_;
  std::unique_ptr<transport::Transport> transport_;
};

class World {
 public:
  explicit World(uint32_t rank_count, const RankOptions& options = {}) {
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      ranks_.push_back(std::make_unique<Rank>(rank, rank_count, options));
    }
  }

  Rank& operator[](uint32_t rank) { return *ranks_[rank]; }
  uint32_t size() const { return static_cast<uint32_t>(ranks_.size()); }
  void replace(uint32_t rank, const RankOptions& options) { ranks_[rank] = std::make_unique<Rank>(rank, size(), options); }

  void connect(uint32_t rank, uint32_t peer) { (*this)[rank]->connect(peer, (*this)[peer]->address()); }
  void connect_all() {
    for (uint32_t rank = 0; rank < size(); ++rank) {
      for (uint32_t peer = 0; peer < size(); ++peer) {
        if (peer != rank) connect(rank, peer);
      }
    }
  }
  void poll(int times = kManyPolls) {
    for (int time = 0; time < times; ++time) {
      for (const auto& rank : ranks_) {
        if (rank->exists()) (*rank)->poll();
      }
    }
  }
  void advance_ns(uint64_t duration_ns) {
    for (const auto& rank : ranks_) rank->clock().advance_ns(duration_ns);
  }
  transport::Link& link(uint32_t rank, uint32_t peer) {
    transport::Link* link = (*this)[rank]->link(peer);
    EXPECT_NE(link, nullptr) << rank << " to " << peer << ": " << (*this)[rank]->reason(peer);
    return *link;
  }

 private:
  std::vector<std::unique_ptr<Rank>> ranks_;
};

// Two ranks with a link.
class ConnectedPair : public World {
 public:
  explicit ConnectedPair(const RankOptions& options = {}) : World(2, options) {
    connect_all();
    poll();
  }
  transport::Link& link_of(uint32_t rank) { return link(rank, 1 - rank); }
};

// Bytes that depend on `seed` and on their place.
inline std::vector<std::byte> pattern(size_t byte_count, uint64_t seed) {
  std::vector<std::byte> bytes(byte_count);
  for (size_t index = 0; index < byte_count; ++index) {
    bytes[index] = static_cast<std::byte>((seed * 2654435761u + index * 40503u) >> 8);
  }
  return bytes;
}

inline size_t open_descriptor_count() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// Lines of a /proc file for which `wanted` holds.
inline size_t count_lines(const char* path, const std::function<bool(const std::string&)>& wanted) {
  std::ifstream file(path);
  size_t count = 0;
  for (std::string line; std::getline(file, line);) count += wanted(line) ? 1 : 0;
  return count;
}

inline size_t mapped_segment_count() {
  return count_lines("/proc/self/maps", [](const std::string& line) { return line.find("memfd:tutti") != std::string::npos; });
}

}  // namespace tutti::transports::shm
