// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/socket_search.hpp"

#include <utility>

#include "transports/tcp/rail_name.hpp"
#include "transports/tcp/socket_link.hpp"

namespace tutti::transports::tcp {

namespace {

constexpr uint64_t kConnecting_ns = 2'000'000'000;
// After an attempt that did not connect all of them.
constexpr uint64_t kRetryPause_ns = 1'000'000'000;

}  // namespace

std::vector<Way> ways_of(const std::vector<int>& sockets) {
  std::vector<Way> ways;
  for (const int socket : sockets) {
    const auto to = peer_end(socket);
    auto from = own_end(socket);
    if (to && from) {
      from->set_port(0);
      ways.push_back({*to, from});
    }
  }
  return ways;
}

SocketSearch::SocketSearch(Setup setup, const Identity& identity, const Clock& clock)
    : setup_(std::move(setup)), identity_(identity), clock_(&clock), retry_at_(Deadline::after_ns(clock, 0)) {}

std::optional<Gathered> SocketSearch::advance(uint8_t& session) {
  if (!probe_) {
    if (trial_.sockets(clock_->now_ns()) != sockets_per_way_ && retry_at_.passed(*clock_)) {
      begin(session++);
    }
    return std::nullopt;
  }
  const RailProbe::State state = probe_->advance();
  if (state == RailProbe::State::probing) {
    return std::nullopt;
  }
  std::optional<Gathered> gathered;
  if (state == RailProbe::State::found && probe_->has_all()) {
    gathered = probe_->take();
    sockets_per_way_ = trial_.sockets(clock_->now_ns());
    plan_ = probe_->plan();
  } else {
    retry_at_ = Deadline::after_ns(*clock_, kRetryPause_ns);  // fewer would leave out an interface
  }
  probe_.reset();
  return gathered;
}

void SocketSearch::begin(uint8_t session) {
  const uint64_t sockets_per_way = trial_.sockets(clock_->now_ns());
  std::vector<Way> plan;
  for (uint64_t socket = 0; socket < sockets_per_way; ++socket) {
    for (const Way& way : setup_.ways) {
      if (plan.size() < kMaxRails) {
        plan.push_back(way);
      }
    }
  }
  probe_.emplace(RailProbe::Setup{setup_.rank, session, true, std::move(plan)}, identity_, *clock_, Deadline::after_ns(*clock_, kConnecting_ns));
}

}  // namespace tutti::transports::tcp
