// SPDX-License-Identifier: Apache-2.0
// The sending half of a link: small payloads are copied into messages, large ones go from the caller's memory, within the credit the peer has given.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ucx/queue.hpp"
#include "transports/ucx/wire.hpp"
#include "transports/ucx/worker.hpp"

namespace tutti::transports::ucx {

class Sender final : public Owner {
 public:
  // `worker` and `endpoint` outlive this.
  Sender(Worker& worker, const Endpoint& endpoint, uint64_t session);
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  // Whether UCX has not too many messages to carry on.
  bool has_room() const { return messages_under_way_ < kMaxMessagesUnderWay && failure_.ok(); }
  bool has_credit_for(uint32_t channel, size_t payload_bytes) const {
    return credit_.covers(channel, credit_units(payload_bytes));
  }
  // A frame: numbers and kind of `header` are filled in. Only with room and credit for it.
  void send_frame(Header header, std::span<const std::byte> payload);
  // A message without payload. Only with room.
  void send_word(Header header);
  transport::HeldCredit& credit() { return credit_; }

  // Payload bytes on `channel` that are read no more.
  uint64_t released_bytes(uint32_t channel) const { return outbound_[channel].released_bytes; }
  // Whether memory of callers may still be read.
  bool is_reading() const { return payloads_under_way_ > 0; }
  const Status& failure() const { return failure_; }
  // All that is under way is taken for done: UCX has given up the endpoint.
  void abandon();

  void completed(Operation& operation, ucs_status_t status, size_t) override;

 private:
  static constexpr uint32_t kMaxMessagesUnderWay = 64;

  struct Payload {
    size_t byte_count = 0;
    Operation* operation = nullptr;  // null: it has been sent
  };
  struct Outbound {
    uint64_t released_bytes = 0;
    Queue<Payload> payloads;  // from the first that is under way
  };

  void send_message(Header header, std::span<const std::byte> payload);
  void send_payload(uint32_t channel, std::span<const std::byte> payload);
  void release(Outbound& outbound);
  void note(ucs_status_t status);

  Worker& worker_;
  const Endpoint& endpoint_;
  const uint64_t session_;
  uint32_t next_number_ = 0;
  uint32_t messages_under_way_ = 0;
  uint32_t payloads_under_way_ = 0;
  transport::HeldCredit credit_;
  std::array<Outbound, transport::kChannelCount> outbound_;
  std::array<Operation*, kMaxMessagesUnderWay> under_way_{};
  Status failure_;
};

}  // namespace tutti::transports::ucx
