// SPDX-License-Identifier: Apache-2.0
// The receiving half of a link: takes messages in order, and finds a place for each payload.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/status.hpp"
#include "transport/credit.hpp"
#include "transport/transport.hpp"
#include "transports/ucx/queue.hpp"
#include "transports/ucx/wire.hpp"
#include "transports/ucx/worker.hpp"

namespace tutti::transports::ucx {

// Some receives for messages are always posted. A small payload stays in its message until it is popped. A large one waits, in its sender's memory if
// UCX moves such by rendezvous, until a landing is offered, or until it has waited long enough to be taken into memory of the receiver's own.
class Receiver final : public Owner {
 public:
  // All outlive this; credit that arrives goes to `held`.
  Receiver(Worker& worker, transport::HeldCredit& held, uint64_t session);
  ~Receiver();
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  // Whether the next frame on `channel` is complete.
  bool ready(uint32_t channel) const;
  // The next frame on `channel`; only when ready(). Its memory is valid until pop().
  transport::Frame front(uint32_t channel) const;
  void pop(uint32_t channel);
  // Remembers where the next frame on `channel` may be put, none if empty; forgotten when that frame is popped. Changes nothing once the frame has begun
  // to arrive.
  void set_landing(uint32_t channel, std::span<std::byte> landing) { inbound_[channel].landing = landing; }
  // Begins to receive the next frame on `channel`, if it is a large one that waits.
  void receive_next(uint32_t channel);
  // Begins to receive what has waited since the last but one call; or all that waits.
  void receive_aged();
  void receive_waiting();
  bool has_waiting() const { return waiting_count_ > 0; }

  // Forgets all landings; what has already arrived in one moves to memory of the receiver's own.
  void let_go();
  // Whether something is arriving in a landing, which no more can be prevented.
  bool is_landing() const;

  // Once not ok(), nothing more is taken in.
  const Status& failure() const { return failure_; }
  // Nothing that is arriving will have arrived: UCX has given up the endpoint.
  void abandon();

  transport::GivenCredit& credit() { return credit_; }

  void completed(Operation& operation, ucs_status_t status, size_t received_bytes) override;

 private:
  static constexpr size_t kPostedCount = 8;

  struct Posted {
    Operation* operation = nullptr;  // null: none is posted
    std::byte* slot = nullptr;
    bool done = false;
    ucs_status_t status = UCS_OK;
    size_t received_bytes = 0;
  };
  struct Arrival {
    enum class State : uint8_t { waiting, arriving, complete, lost };

    transport::FrameHeader header;
    uint32_t payload_bytes = 0;
    State state = State::waiting;
    uint8_t age = 0;
    bool lands = false;                     // `payload` is the caller's
    std::byte* payload = nullptr;
    std::byte* slot = nullptr;              // not null: the message it is in
    std::unique_ptr<std::byte[]> kept;      // or memory of our own
    Operation* operation = nullptr;         // while it is arriving
  };
  struct Inbound {
    Queue<Arrival> arrivals;
    uint64_t next_waiting = 0;  // before which none waits
    std::span<std::byte> landing;
  };

  void post(Posted& posted);
  void consume();
  bool accept(const Posted& posted);
  bool begin_frame(const Header& header, std::byte* slot);
  static Arrival* first_waiting(Inbound& inbound);
  void begin_receiving(uint32_t channel);
  void arrived(Arrival& arrival, ucs_status_t status, size_t received_bytes);
  void keep(Arrival& arrival);
  void fail(Status status);

  Worker& worker_;
  transport::HeldCredit& held_;
  transport::GivenCredit credit_;
  const uint64_t session_;
  std::array<Posted, kPostedCount> posted_;
  size_t next_posted_ = 0;  // whose message is the next
  bool consuming_ = false;
  uint32_t next_number_ = 0;
  std::array<Inbound, transport::kChannelCount> inbound_;
  size_t waiting_count_ = 0;
  Status failure_;
};

}  // namespace tutti::transports::ucx
