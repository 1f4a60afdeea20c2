// SPDX-License-Identifier: Apache-2.0
// A rank's side of the service behind an id. A state machine carried on by poll(): reaching (connecting and authenticating, again and again
// over the addresses an id names), joined, failed.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/connection.hpp"
#include "bootstrap/exchange.hpp"
#include "bootstrap/ticket.hpp"

namespace tutti::bootstrap {

class SocketExchange final : public Exchange {
 public:
  struct Place {
    uint32_t rank = 0;
    uint32_t rank_count = 1;
  };
  // `clock` outlives it.
  SocketExchange(Ticket ticket, Place place, const Clock& clock);
  SocketExchange(const SocketExchange&) = delete;
  SocketExchange& operator=(const SocketExchange&) = delete;
  // Says goodbye, as far as possible without waiting.
  ~SocketExchange() override;

  uint32_t rank() const override { return place_.rank; }
  uint32_t rank_count() const override { return place_.rank_count; }
  const Key& secret() const override { return secret_; }
  uint64_t job_id() const override { return job_id_; }
  Status begin_all_gather(std::span<const std::byte> contribution) override;
  Result<std::optional<std::vector<Bytes>>> poll() override;
  std::string waiting_for() const override;
  void abandon(const Status& why) override;

 private:
  void reach();
  void begin_attempt();
  void finish_connecting();
  void authenticate();
  // The attempt came to nothing; the next address is tried after a pause.
  void attempt_failed(std::string why);
  Status read_frames();
  Status handle(const Frame& frame);
  Status handle_round(const Frame& frame);
  bool joined() const { return connection_ && joined_; }
  const SocketAddress& current_address() const { return addresses_[attempt_ % addresses_.size()]; }

  const Clock& clock_;
  Place place_;
  std::vector<SocketAddress> addresses_;  // every address with every port, the likeliest first
  Key handshake_key_;
  Key secret_;
  uint64_t job_id_;

  Descriptor connecting_;                    // until the connection stands
  std::unique_ptr<Connection> connection_;   // from then on
  bool joined_ = false;
  uint64_t attempt_ = 0;
  uint64_t attempt_limit_ns_ = 0;
  uint64_t next_attempt_ns_ = 0;
  std::string last_trouble_;

  uint64_t round_ = 0;
  std::shared_ptr<const Bytes> unsent_;      // this rank's contribution, while it cannot be sent yet
  bool round_running_ = false;
  std::optional<std::vector<Bytes>> result_;
  std::optional<MissingRanks> missing_;
  Status failure_;
};

}  // namespace tutti::bootstrap
