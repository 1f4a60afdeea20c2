// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/socket_exchange.hpp"

#include <algorithm>
#include <utility>

#include "base/little_endian.hpp"
#include "base/log.hpp"
#include "bootstrap/service.hpp"

namespace tutti::bootstrap {

namespace {

constexpr int kLineBacklog = 64;  // more than a rank of the largest job has predecessors

std::vector<SocketAddress> every_port_of(const Ticket& ticket) {
  std::vector<SocketAddress> addresses;
  for (uint16_t i = 0; i < ticket.port_count; ++i) {
    for (SocketAddress address : ticket.addresses) {
      address.set_port(following_port(address.port(), i));
      addresses.push_back(address);
    }
  }
  return addresses;
}

}  // namespace

SocketExchange::SocketExchange(std::vector<Ticket> tickets, Place place, const Clock& clock)
    : clock_(clock),
      place_(place),
      lines_key_(handshake_key(tickets.front().secret)),
      secret_(derive_key(tickets.front().secret, "tutti links", 0)),
      job_id_(load_little_endian<uint64_t>(derive_key(tickets.front().secret, "tutti job id", 0).data())),
      successors_(line_count(place.rank_count)),
      predecessors_(line_count(place.rank_count)),
      gathering_(place, static_cast<uint32_t>(roots_of(place, static_cast<uint32_t>(tickets.size())).size()), *this, clock),
      arrived_(line_count(place.rank_count)) {
  const auto root_count = static_cast<uint32_t>(tickets.size());
  for (const uint32_t root : roots_of(place, root_count)) {
    const Ticket& ticket = tickets[root];
    const auto elsewhere = std::ranges::find_if(ticket.addresses, [](const SocketAddress& address) { return !address.is_loopback(); });
    roots_.push_back({.end = {}, .share = share_of(root, root_count, place.rank_count), .elsewhere = {}});
    roots_.back().elsewhere = elsewhere == ticket.addresses.end() ? std::nullopt : std::optional(*elsewhere);
    roots_.back().end.caller = std::make_unique<Caller>(
        Caller::Setup{.addresses = every_port_of(ticket),
                      .key = handshake_key(ticket.secret),
                      .claim = {.rank = place.rank, .rank_count = place.rank_count, .purpose = kRootPurpose},
                      .expected_rank = kRootRank,
                      .expected = "a bootstrap service"},
        clock);
  }
}

SocketExchange::~SocketExchange() {
  gathering_.leave();
  for_each_line([](const Line&, End& end) {
    if (end.connection) {
      // Input that lies unread would turn the end into a reset.
      end.connection->turn();
      end.connection->finish_sending();
    }
  });
}

Status SocketExchange::begin_all_gather(std::span<const std::byte> contribution) {
  if (contribution.size() > kMaxContributionBytes) {
    return invalid_argument("bootstrap: rank {} contributes {} bytes; at most {} are allowed", rank(), contribution.size(),
                            kMaxContributionBytes);
  }
  if (!gathering_.is_running()) {
    blocks_.clear();
    append_block(&blocks_, contribution);
  }
  return gathering_.begin_round();
}

Result<std::optional<std::vector<Bytes>>> SocketExchange::poll() {
  TUTTI_UNEXPECTED_IF_ERROR(gathering_.failure());
  if (!gathering_.is_running()) {
    return tl::make_unexpected(invalid_usage("bootstrap: rank {} polls although no round runs", rank()));
  }
  for (uint32_t index = 0; index < roots_.size(); ++index) {
    reach_root(index);
  }
  carry_connections();
  gathering_.tick();
  flush();
  TUTTI_UNEXPECTED_IF_ERROR(gathering_.failure());
  if (!gathering_.has_all() || has_output()) {
    return std::nullopt;
  }
  gathering_.end_round();
  flush();
  return result();
}

// ---- Connections ---------------------------------------------------------------------------------------------------

SocketExchange::End& SocketExchange::end_of(const Line& line) {
  switch (line.kind) {
    case Line::Kind::root: return roots_[line.index].end;
    case Line::Kind::successor: return successors_[line.index];
    case Line::Kind::predecessor: break;
  }
  return predecessors_[line.index];
}

template <typename Do>
void SocketExchange::for_each_line(Do act) {
  for (uint32_t index = 0; index < roots_.size(); ++index) {
    act(Line{Line::Kind::root, index}, roots_[index].end);
  }
  for (uint32_t step = 0; step < successors_.size(); ++step) {
    act(Line{Line::Kind::successor, step}, successors_[step]);
    act(Line{Line::Kind::predecessor, step}, predecessors_[step]);
  }
}

void SocketExchange::reach_root(uint32_t index) {
  Root& root = roots_[index];
  if (root.end.connection || root.end.closed || gathering_.has_met()) {
    return;
  }
  root.end.connection = root.end.caller->poll();
  if (root.end.connection && root.end.connection->state() == Connection::State::open) {
    register_at(root);
  }
  if (root.end.connection) {
    gathering_.up({Line::Kind::root, index});
  }
}

void SocketExchange::register_at(Root& root) {
  if (const Status opened = open_door(*root.end.connection, root.elsewhere); !opened.ok()) {
    return gathering_.fail(opened);
  }
  root.end.connection->send(FrameType::registration, encode_registration({.share = root.share, .address = address_}));
}

// Others reach this rank by the address by which it reached the root; on the root's host, by that of the root's.
Status SocketExchange::open_door(const Connection& connection, const std::optional<SocketAddress>& elsewhere) {
  if (door_) {
    return {};
  }
  Result<SocketAddress> here = local_address(connection.socket());
  if (!here) {
    return here.error();
  }
  SocketAddress address = here->is_loopback() && elsewhere ? *elsewhere : *here;
  address.set_port(0);
  here->set_port(0);
  Result<Descriptor> listener = listen_on(address, kLineBacklog);
  if (!listener) {
    listener = listen_on(*here, kLineBacklog);
  }
  const Result<SocketAddress> bound = listener ? local_address(*listener) : tl::make_unexpected(listener.error());
  if (!bound) {
    return Status(bound.error().code(), fmt::format("bootstrap: rank {}: {}", rank(), bound.error().message()));
  }
  address_ = *bound;
  Door::Setup setup{.listeners = {},
                    .key = lines_key_,
                    .claim = {.rank = place_.rank, .rank_count = place_.rank_count, .purpose = kLinePurpose},
                    .max_payload_bytes = kMaxLineFrameBytes};
  setup.listeners.push_back(std::move(*listener));
  door_ = std::make_unique<Door>(std::move(setup), clock_);
  return {};
}

void SocketExchange::open(uint32_t step, const SocketAddress& address) {
  successors_[step].caller = std::make_unique<Caller>(
      Caller::Setup{.addresses = {address},
                    .key = lines_key_,
                    .claim = {.rank = place_.rank, .rank_count = place_.rank_count, .purpose = kLinePurpose},
                    .expected_rank = gathering_.successor(step),
                    .expected = "the rank that should be there"},
      clock_);
}

bool SocketExchange::agrees(const Handshake::Claim& claim) {
  if (claim.rank_count == place_.rank_count) {
    return true;
  }
  gathering_.fail(mismatch_error("bootstrap: rank {} was started as one of {} ranks, rank {} as one of {}", claim.rank, claim.rank_count, rank(),
                                 place_.rank_count));
  return false;
}

void SocketExchange::admit(Connection connection) {
  const Handshake::Claim claim = connection.peer_claim();
  if (claim.purpose != kLinePurpose || !agrees(claim)) {
    return;
  }
  for (uint32_t step = 0; step < predecessors_.size(); ++step) {
    if (gathering_.predecessor(step) == claim.rank && !predecessors_[step].connection) {
      predecessors_[step].connection = std::make_unique<Connection>(std::move(connection));
      return gathering_.up({Line::Kind::predecessor, step});
    }
  }
  log::warn("bootstrap: rank {} refused a connection of rank {}", rank(), claim.rank);
}

void SocketExchange::carry_connections() {
  for (uint32_t step = 0; step < successors_.size(); ++step) {
    End& end = successors_[step];
    if (end.caller && !end.connection) {
      end.connection = end.caller->poll();
      if (end.connection && agrees(end.connection->peer_claim())) {
        gathering_.up({Line::Kind::successor, step});
      }
    }
  }
  set_.clear();
  const bool has_all_lines = std::ranges::all_of(predecessors_, [](const End& end) { return end.connection != nullptr; });
  if (door_ && !has_all_lines) {
    door_->watch(&set_);
  }
  for_each_line([&](const Line&, End& end) {
    if (end.connection) {
      set_.add(*end.connection);
    }
  });
  set_.wait(0);
  if (door_ && !has_all_lines) {
    door_->attend();
    for (Connection& connection : door_->take_proven()) {
      admit(std::move(connection));
    }
  }
  for_each_line([&](const Line& line, End& end) {
    if (end.connection && !end.closed) {
      read(line);
    }
  });
}

void SocketExchange::read(const Line& line) {
  End& end = end_of(line);
  while (auto frame = end.connection->next_frame()) {
    if (frame->type == FrameType::blocks) {
      take_blocks(line, std::move(*frame));
    } else {
      gathering_.receive(line, *frame);
    }
  }
  if (end.connection->state() == Connection::State::closed) {
    end.closed = true;
    gathering_.down(line, line.kind == Line::Kind::root ? fmt::format("at {}: {}", end.caller->address().to_string(), end.connection->close_reason())
                                                        : end.connection->close_reason());
  }
}

void SocketExchange::send(const Line& line, const std::shared_ptr<const Bytes>& frame) { end_of(line).connection->send(frame); }

bool SocketExchange::has_output() {
  bool has_output = false;
  for_each_line([&](const Line&, End& end) { has_output = has_output || (end.connection && end.connection->has_output()); });
  return has_output;
}

void SocketExchange::flush() {
  for_each_line([](const Line&, End& end) {
    if (end.connection) {
      end.connection->flush();
    }
  });
}

// ---- Blocks --------------------------------------------------------------------------------------------------------

void SocketExchange::send_blocks(uint32_t step, uint32_t count) {
  const std::span blocks = std::span(blocks_).first(*size_of_blocks(blocks_, count));
  const Bytes payload = Writer().u64(gathering_.round()).bytes(blocks).take();
  send({Line::Kind::predecessor, step}, std::make_shared<const Bytes>(encode_frame(FrameType::blocks, payload)));
}

void SocketExchange::keep_blocks(uint32_t step) {
  blocks_.insert(blocks_.end(), arrived_[step].front().begin(), arrived_[step].front().end());
  arrived_[step].pop_front();
  if (blocks_.size() > kMaxRoundBytes + sizeof(uint32_t) * place_.rank_count) {
    gathering_.fail(remote_error("bootstrap: the contributions to round {} exceed {} bytes", gathering_.round(), kMaxRoundBytes));
  }
}

void SocketExchange::take_blocks(const Line& line, Frame frame) {
  Reader reader(frame.payload);
  const auto number = reader.u64();
  const bool is_successor = line.kind == Line::Kind::successor;
  if (number && is_successor && size_of_blocks(reader.rest(), gathering_.block_count(line.index)) == reader.rest().size()) {
    arrived_[line.index].emplace_back(reader.rest().begin(), reader.rest().end());
    if (gathering_.take_blocks(line.index, *number)) {
      return;
    }
  }
  gathering_.fail(remote_error("bootstrap: rank {} sent blocks that do not belong to round {}",
                               is_successor ? gathering_.successor(line.index) : gathering_.predecessor(line.index), gathering_.round()));
}

std::vector<Bytes> SocketExchange::result() const {
  std::vector<Bytes> contributions(place_.rank_count);
  Reader reader(blocks_);
  for (uint32_t i = 0; i < place_.rank_count; ++i) {
    const auto bytes = *reader.bytes(*reader.u32());  // there are as many, as was checked when they arrived
    contributions[(uint64_t{place_.rank} + i) % place_.rank_count].assign(bytes.begin(), bytes.end());
  }
  return contributions;
}

// ---- Waiting and giving up -----------------------------------------------------------------------------------------

std::string SocketExchange::waiting_for() const {
  for (const Root& root : roots_) {
    if (!root.end.connection && !gathering_.has_met()) {
      const std::string& trouble = root.end.caller->last_trouble();
      return fmt::format("the root at {}{}", root.end.caller->first_address().to_string(),
                         trouble.empty() ? "" : fmt::format(" (last attempt: {})", trouble));
    }
  }
  for (uint32_t step = 0; step < successors_.size(); ++step) {
    const End& end = successors_[step];
    if (end.caller && !end.connection && !end.caller->last_trouble().empty()) {
      return fmt::format("{} (rank {} at {}: {})", gathering_.waiting_for(), gathering_.successor(step), end.caller->address().to_string(),
                         end.caller->last_trouble());
    }
  }
  return gathering_.waiting_for();
}

void SocketExchange::abandon(const Status& why) {
  gathering_.abandon(why);
  flush();
}

}  // namespace tutti::bootstrap
