// SPDX-License-Identifier: Apache-2.0
// A rank's side of the bootstrap over sockets: a gathering (gathering.hpp) with its input and output, carried on by poll(). Beside its lines, two for
// each doubling of the number of ranks, it has a connection to its root until the first round has ended.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "bootstrap/caller.hpp"
#include "bootstrap/connection.hpp"
#include "bootstrap/door.hpp"
#include "bootstrap/exchange.hpp"
#include "bootstrap/gathering.hpp"
#include "bootstrap/poll_set.hpp"
#include "bootstrap/ticket.hpp"

namespace tutti::bootstrap {

class SocketExchange final : public Exchange, private Gathering::Wires {
 public:
  // `tickets` of all roots, equal on all ranks, at least one and no more than there are ranks. `clock` outlives it.
  SocketExchange(std::vector<Ticket> tickets, Place place, const Clock& clock);
  SocketExchange(Ticket ticket, Place place, const Clock& clock) : SocketExchange(std::vector<Ticket>{std::move(ticket)}, place, clock) {}
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
  // One end of a line: called, if it is this rank that calls, then connected.
  struct End {
    std::unique_ptr<Caller> caller;
    std::unique_ptr<Connection> connection;
    bool closed = false;  // and said so
  };
  struct Root {
    End end;
    Share share;
    std::optional<SocketAddress> elsewhere;  // an address of the root's host that others may reach
  };

  void open(uint32_t step, const SocketAddress& address) override;
  void send(const Line& line, const std::shared_ptr<const Bytes>& frame) override;
  void send_blocks(uint32_t step, uint32_t count) override;
  void keep_blocks(uint32_t step) override;

  End& end_of(const Line& line);
  template <typename Do>
  void for_each_line(Do act);
  void reach_root(uint32_t index);
  void register_at(Root& root);
  Status open_door(const Connection& connection, const std::optional<SocketAddress>& elsewhere);
  void carry_connections();
  void admit(Connection connection);
  // Of the other end of a line between ranks.
  bool agrees(const Handshake::Claim& claim);
  void read(const Line& line);
  void take_blocks(const Line& line, Frame frame);
  bool has_output();
  void flush();
  std::vector<Bytes> result() const;

  const Clock& clock_;
  const Place place_;
  const Key lines_key_;
  const Key secret_;
  const uint64_t job_id_;
  std::vector<Root> roots_;
  std::vector<End> successors_;
  std::vector<End> predecessors_;
  std::unique_ptr<Door> door_;
  SocketAddress address_;  // of the door
  PollSet set_;
  Gathering gathering_;

  Bytes blocks_;                            // of the running round, from this rank's on
  std::vector<std::deque<Bytes>> arrived_;  // by step: blocks that have not been kept yet; at most two
};

}  // namespace tutti::bootstrap
