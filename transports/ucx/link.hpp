// SPDX-License-Identifier: Apache-2.0
// A link over a pair of UCP endpoints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/settings.hpp"
#include "transport/transport.hpp"
#include "transports/ucx/process_watch.hpp"
#include "transports/ucx/receiver.hpp"
#include "transports/ucx/sender.hpp"
#include "transports/ucx/worker.hpp"

namespace tutti::transports::ucx {

class UcxLink final : public transport::Link {
 public:
  struct Parts {
    std::unique_ptr<Endpoint> endpoint;
    uint64_t outgoing_session = 0;
    uint64_t incoming_session = 0;
    bool is_same_host = false;
    ProcessWatch watch;  // of the peer, if it is another process of this host
  };
  // `worker` outlives this.
  UcxLink(Worker& worker, Parts parts, const Settings& settings);
  // Says goodbye, and gives the endpoint back to the worker to be closed. Waits, but not for long, if memory of callers is in use.
  ~UcxLink() override;

  transport::Outcome try_send(uint32_t channel, const transport::FrameHeader& header, std::span<const std::byte> payload) override;
  uint64_t released_bytes(uint32_t channel) const override { return sender_.released_bytes(channel); }
  transport::Outcome peek(uint32_t channel, std::span<std::byte> landing, transport::Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;
  const Status& failure() const override { return failure_; }
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  transport::LinkEstimate estimate() const override { return estimate_; }
  std::string describe() const override { return description_; }

  // What the transport has it do now and then: receive what waits, return credit, notice a failure.
  void look();
  // Fails the link if the peer's process has ended.
  void look_at_process();

 private:
  void note_failure();
  void say_goodbye();
  void fail(Status why);
  void return_credit();
  void release_memory();
  bool is_using_memory() const { return sender_.is_reading() || receiver_.is_landing(); }

  Worker& worker_;
  Parts parts_;
  const size_t max_frame_bytes_;
  const std::string description_;
  const transport::LinkEstimate estimate_;
  Sender sender_;
  Receiver receiver_;
  // Worker::progress_once() of peek() by channel, and of try_send().
  std::array<uint64_t, transport::kChannelCount> seen_by_channel_{};
  uint64_t seen_by_send_ = 0;
  Status failure_;
};

}  // namespace tutti::transports::ucx
