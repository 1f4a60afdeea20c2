// SPDX-License-Identifier: Apache-2.0
// A fabric in memory that keeps no order: messages overtake each other, completions come late and shuffled, calls are refused now and then, and what a test
// asks for fails. All of it follows from a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "transports/ofi/endpoint.hpp"

namespace tutti::transports::ofi::test {

class FakeEndpoint;

struct FakeOptions {
  uint64_t seed = 1;
  uint32_t refused_per_mille = 200;  // calls that are to be tried again
  uint32_t delayed_per_mille = 500;  // looks at which something that could happen does not
  size_t inject_bytes = 64;
  bool registers_local_memory = true;
};

// What endpoints have in common. Outlives them.
class FakeFabric {
 public:
  explicit FakeFabric(const FakeOptions& options) : options_(options), random_(options.seed) {}

  std::unique_ptr<FakeEndpoint> make_endpoint();
  bool happens(uint32_t per_mille) { return random_() % 1000 < per_mille; }
  size_t registration_count() const { return memory_.size(); }

  // Called at each look of any endpoint, never from within itself: what other ranks do at that time.
  std::function<void()> meanwhile;
  // The next read or send that completes does so with these words.
  std::string next_read_error;
  std::string next_send_error;
  bool reads_never_end = false;

 private:
  friend class FakeEndpoint;
  friend class FakeRegistration;

  const FakeOptions options_;
  std::mt19937_64 random_;
  std::vector<FakeEndpoint*> endpoints_;
  std::map<uint64_t, std::span<const std::byte>> memory_;  // by key
  uint64_t last_key_ = 0;
  bool in_meanwhile_ = false;
};

class FakeRegistration final : public Registration {
 public:
  FakeRegistration(FakeFabric& fabric, std::span<const std::byte> memory) : fabric_(fabric), begin_(memory.data()), key_(++fabric.last_key_) {
    fabric_.memory_[key_] = memory;
  }
  ~FakeRegistration() override { fabric_.memory_.erase(key_); }
  FakeRegistration(const FakeRegistration&) = delete;
  FakeRegistration& operator=(const FakeRegistration&) = delete;
  void* descriptor() const override { return &fabric_; }
  RemoteMemory remote(const std::byte* byte) const override { return {.address = static_cast<uint64_t>(byte - begin_), .key = key_}; }

 private:
  FakeFabric& fabric_;
  const std::byte* const begin_;
  const uint64_t key_;
};

class FakeEndpoint final : public Endpoint {
 public:
  explicit FakeEndpoint(FakeFabric& fabric);
  ~FakeEndpoint() override { close(); }
  FakeEndpoint(const FakeEndpoint&) = delete;
  FakeEndpoint& operator=(const FakeEndpoint&) = delete;

  const Traits& traits() const override { return traits_; }
  std::vector<std::byte> name() const override { return {static_cast<std::byte>(number_)}; }
  std::string describe(std::span<const std::byte> name) const override { return "fake " + std::to_string(std::to_integer<int>(name[0])); }
  Result<uint64_t> add_peer(std::span<const std::byte> name) override { return std::to_integer<uint64_t>(name[0]); }
  void remove_peer(uint64_t) override {}
  Result<std::unique_ptr<Registration>> register_memory(std::span<const std::byte> memory, Access) override {
    return std::make_unique<FakeRegistration>(fabric_, memory);
  }
  Posted inject(uint64_t peer, uint64_t tag, std::span<const std::byte> message) override;
  Posted send(uint64_t peer, uint64_t tag, std::span<const std::byte> message, void* descriptor, Operation& operation) override;
  Posted receive(uint64_t tag, std::span<std::byte> buffer, void* descriptor, Operation& operation) override;
  Posted read(uint64_t peer, RemoteMemory source, std::span<std::byte> target, void* descriptor, Operation& operation) override;
  const std::string& error() const override { return error_; }
  size_t take(std::span<Completion> completions) override;
  void close() override;

  size_t most_waiting_messages() const { return most_waiting_messages_; }

 private:
  struct Message {
    uint64_t tag = 0;
    std::vector<std::byte> bytes;
  };
  struct Send {
    uint64_t peer = 0;
    uint64_t tag = 0;
    std::span<const std::byte> message;
    Operation* operation = nullptr;
  };
  struct Receive {
    uint64_t tag = 0;
    std::span<std::byte> buffer;
    Operation* operation = nullptr;
  };
  struct Read {
    RemoteMemory source;
    std::span<std::byte> target;
    Operation* operation = nullptr;
  };

  Posted admit(void* descriptor);
  void deliver(uint64_t peer, uint64_t tag, std::span<const std::byte> message);
  void advance();
  void perform(const Read& read);
  template <typename Item>
  Item take_any(std::vector<Item>& items);

  FakeFabric& fabric_;
  const size_t number_;
  Traits traits_;
  std::vector<Message> arrived_;
  std::vector<Send> sends_;
  std::vector<Receive> receives_;
  std::vector<Read> reads_;
  std::vector<Completion> completed_;
  size_t most_waiting_messages_ = 0;  // that found no buffer when they arrived
  std::string error_ = "refused for good";
};

}  // namespace tutti::transports::ofi::test
