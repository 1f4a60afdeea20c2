// SPDX-License-Identifier: Apache-2.0
// Two ranks that prove to each other over a pair of endpoints that they know the communicator's key (base/authentication.hpp). Nothing else that comes from
// the peer is looked at before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/authentication.hpp"
#include "transports/ucx/wire.hpp"
#include "transports/ucx/worker.hpp"

namespace tutti::transports::ucx {

class Introduction final : public Owner {
 public:
  enum class State : uint8_t { running, proven, failed };

  struct Pair {
    uint32_t rank = 0;
    uint32_t peer = 0;
    uint32_t rank_count = 0;
  };
  // The lower rank speaks first. `worker` and `endpoint` outlive this.
  Introduction(Worker& worker, const Endpoint& endpoint, const Key& key, Pair pair);
  ~Introduction();
  Introduction(const Introduction&) = delete;
  Introduction& operator=(const Introduction&) = delete;

  State state() const { return state_; }
  // Why it failed.
  const std::string& reason() const { return reason_; }
  // What tags are made from; only once proven.
  uint64_t outgoing_session() const { return session_of(key_, transcript_, {pair_.rank, pair_.peer}); }
  uint64_t incoming_session() const { return session_of(key_, transcript_, {pair_.peer, pair_.rank}); }

  void completed(Operation& operation, ucs_status_t status, size_t received_bytes) override;

 private:
  void listen();
  void hear(std::span<const std::byte> bytes);
  void speak();
  void fail(std::string why);

  Worker& worker_;
  const Endpoint& endpoint_;
  const Key key_;
  const Pair pair_;
  Handshake handshake_;
  std::vector<std::byte> transcript_;  // all that both have said, in order
  std::byte* heard_ = nullptr;         // where the next message goes
  Operation* hearing_ = nullptr;
  std::vector<Operation*> speaking_;
  State state_ = State::running;
  std::string reason_;
};

}  // namespace tutti::transports::ucx
