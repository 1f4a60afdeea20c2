// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/ucx.hpp"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/hash.hpp"
#include "base/log.hpp"
#include "transports/ucx/estimate.hpp"
#include "transports/ucx/words.hpp"

namespace tutti::transports::ucx {

namespace {

using transport::PeerState;

// Where adapters with remote access to memory join hosts, it comes before tcp (10); otherwise after it, since it has nothing that tcp lacks.
constexpr int kPreference = 5;
constexpr int kPreferenceWithAdapters = 15;


// Whether UCX_TLS asks by name for a transport that reads the peer's memory and reports no errors, as UCX leaves such out where errors must be told.
bool asks_for_unreported_errors() {
  const char* const value = std::getenv("UCX_TLS");
  return value != nullptr && has_word(value, {"cma", "knem", "xpmem"});
}

// The kernel lists adapters with remote access to memory there.
bool has_adapters() {
  std::error_code error;
  const std::filesystem::directory_iterator adapters("/sys/class/infiniband", error);
  return !error && adapters != std::filesystem::directory_iterator();
}

bool asks_for_ucx(std::string_view selection) {
  return selection.starts_with('^') ? has_word(selection.substr(1), {"tcp"}) : has_word(selection, {"ucx"});
}

}  // namespace

Result<std::unique_ptr<transport::Transport>> UcxTransport::create(const transport::TransportContext& context) {
  // UCX takes tens of milliseconds to look around, in vain where it has nothing that tcp lacks.
  if (!asks_for_ucx(context.settings.transports) && !has_adapters()) {
    return tl::make_unexpected(failure(tuttiSystemError, "no network adapter here; TUTTI_TRANSPORTS takes ucx by its name"));
  }
  std::unique_ptr<UcxTransport> transport(new UcxTransport(context));
  TUTTI_UNEXPECTED_IF_ERROR(transport->open(context.host_id));
  return transport;
}

UcxTransport::UcxTransport(const transport::TransportContext& context)
    : rank_(context.rank),
      clock_(context.clock),
      settings_(context.settings),
      key_(derive_key(context.secret, "ucx link", context.communicator_id)),
      peers_(context.rank_count) {}

Status UcxTransport::open(const std::string& host_id) {
  const auto process_id = static_cast<uint32_t>(::getpid());
  address_ = {.host = hash_of_text(host_id),
              .process_id = process_id,
              .process_start = start_of_process(process_id),
              .watches_process = asks_for_unreported_errors(),
              .worker = {}};
  auto worker = Worker::create(static_cast<uint32_t>(peers_.size()));
  if (!worker) {
    return worker.error();
  }
  worker_ = std::move(*worker);
  auto worker_address = worker_->address();
  if (!worker_address) {
    return worker_address.error();
  }
  address_.worker = std::move(*worker_address);
  log::info("ucx: rank {} has {}", rank_, worker_->resources());
  return {};
}

// All links say goodbye before any is waited for.
UcxTransport::~UcxTransport() {
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    disconnect(rank);
  }
  if (worker_ != nullptr) {
    worker_->wait_for_closing();
  }
}

std::optional<int> UcxTransport::preference() const {
  return has_remote_memory_access(worker_->resources()) ? kPreferenceWithAdapters : kPreference;
}

void UcxTransport::connect(uint32_t rank, std::span<const std::byte> peer_address) {
  assert(rank < peers_.size() && rank != rank_);
  Peer& peer = peers_[rank];
  if (peer.state != PeerState::unreachable) {
    return;
  }
  const std::optional<Address> theirs = decode(peer_address, key_, rank);
  if (!theirs) {
    peer.reason = "its address makes no sense, or was made with another secret";
    return;
  }
  peer.is_same_host = theirs->host == address_.host;
  const bool is_same_process = peer.is_same_host && theirs->process_id == address_.process_id && theirs->process_start == address_.process_start;
  // UCX looks for a peer's process too, but takes one for alive that has ended and that nobody has waited for yet.
  peer.watch = peer.is_same_host && !is_same_process ? ProcessWatch(theirs->process_id, theirs->process_start) : ProcessWatch();
  const bool sees_end = is_same_process || peer.watch.valid();
  const Errors errors = address_.watches_process && theirs->watches_process && sees_end ? Errors::watched : Errors::reported;
  auto endpoint = worker_->connect(theirs->worker, errors);
  if (!endpoint) {
    peer.reason = fmt::format("{}, over {}", endpoint.error().message(), worker_->resources());
    return;
  }
  peer.endpoint = std::move(*endpoint);
  peer.state = PeerState::connecting;
  peer.reason.clear();
  peer.deadline = Deadline::after_timeout_ms(clock_, settings_.timeout_ms);
  ++connecting_count_;
  peer.introduction = std::make_unique<Introduction>(
      *worker_, *peer.endpoint, key_, Introduction::Pair{.rank = rank_, .peer = rank, .rank_count = static_cast<uint32_t>(peers_.size())});
  advance_peer(rank);
}

void UcxTransport::disconnect(uint32_t rank) {
  assert(rank < peers_.size());
  Peer& peer = peers_[rank];
  if (peer.state == PeerState::connecting) {
    give_up(peer, {});
  }
  watched_count_ -= peer.is_watched ? 1 : 0;
  peer = Peer();
  peer.reason = "disconnected";
}

size_t UcxTransport::poll() {
  size_t done = worker_->progress_once(seen_);
  done += connecting_count_ > 0 ? advance_connecting() : 0;
  look_at_links();
  if (watched_count_ > 0 && process_pace_.is_due(clock_.now_ns(), false)) {
    for (Peer& peer : peers_) {
      if (peer.is_watched) {
        peer.link->look_at_process();
      }
    }
  }
  return done;
}

void UcxTransport::look_at_links() {
  for (Peer& peer : peers_) {
    if (peer.link != nullptr) {
      peer.link->look();
    }
  }
}

size_t UcxTransport::advance_connecting() {
  const size_t before = connecting_count_;
  for (uint32_t rank = 0; rank < peers_.size(); ++rank) {
    if (peers_[rank].state == PeerState::connecting) {
      advance_peer(rank);
    }
  }
  return before - connecting_count_;
}

void UcxTransport::advance_peer(uint32_t rank) {
  Peer& peer = peers_[rank];
  if (!peer.endpoint->failure().ok()) {
    return give_up(peer, peer.endpoint->failure().message());
  }
  if (peer.watch.has_ended()) {
    return give_up(peer, fmt::format("process {} ended", peer.watch.process_id()));
  }
  switch (peer.introduction->state()) {
    case Introduction::State::running:
      if (peer.deadline.passed(clock_)) {
        give_up(peer, "it did not answer in time");
      }
      break;
    case Introduction::State::proven: establish(rank); break;
    case Introduction::State::failed: give_up(peer, peer.introduction->reason()); break;
  }
}

void UcxTransport::establish(uint32_t rank) {
  Peer& peer = peers_[rank];
  peer.is_watched = peer.watch.valid();
  watched_count_ += peer.is_watched ? 1 : 0;
  peer.link = std::make_unique<UcxLink>(*worker_,
                                        UcxLink::Parts{.endpoint = std::move(peer.endpoint),
                                                       .outgoing_session = peer.introduction->outgoing_session(),
                                                       .incoming_session = peer.introduction->incoming_session(),
                                                       .is_same_host = peer.is_same_host,
                                                       .watch = std::move(peer.watch)},
                                        settings_);
  log::info("ucx: rank {} is connected: {}", rank, peer.link->describe());
  --connecting_count_;
  peer.state = PeerState::connected;
  peer.introduction.reset();
}

void UcxTransport::give_up(Peer& peer, std::string reason) {
  assert(peer.state == PeerState::connecting);
  --connecting_count_;
  peer.state = PeerState::unreachable;
  peer.reason = std::move(reason);
  worker_->give_up(*peer.endpoint);
  peer.introduction.reset();
  worker_->close(std::move(peer.endpoint));
}

const transport::TransportType& type() {
  static constexpr transport::TransportType instance{
      .name = "ucx", .preference = kPreference, .automatic = true, .create = &UcxTransport::create};
  return instance;
}

}  // namespace tutti::transports::ucx
