// SPDX-License-Identifier: Apache-2.0
// Frames over UCX's UCP: one worker for each communicator, one endpoint for each peer (docs/design/ucx.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/authentication.hpp"
#include "transport/look_pace.hpp"
#include "transport/transport.hpp"
#include "transports/ucx/address.hpp"
#include "transports/ucx/introduction.hpp"
#include "transports/ucx/link.hpp"
#include "transports/ucx/worker.hpp"

namespace tutti::transports::ucx {

const transport::TransportType& type();

class UcxTransport final : public transport::Transport {
 public:
  // Errors: tuttiSystemError with UCX's words.
  static Result<std::unique_ptr<transport::Transport>> create(const transport::TransportContext& context);
  ~UcxTransport() override;

  std::vector<std::byte> address() const override { return encode(address_, key_, rank_); }
  void connect(uint32_t peer, std::span<const std::byte> peer_address) override;
  void disconnect(uint32_t peer) override;
  transport::PeerState state(uint32_t peer) const override { return peers_[peer].state; }
  std::string reason(uint32_t peer) const override { return peers_[peer].reason; }
  transport::Link* link(uint32_t peer) override { return peers_[peer].link.get(); }
  std::optional<int> preference() const override;
  size_t poll() override;

 private:
  struct Peer {
    transport::PeerState state = transport::PeerState::unreachable;
    std::string reason = "never asked to connect";
    Deadline deadline = Deadline::none();
    std::unique_ptr<Endpoint> endpoint;  // until it is the link's
    std::unique_ptr<Introduction> introduction;
    bool is_same_host = false;
    ProcessWatch watch;  // until it is the link's
    bool is_watched = false;
    std::unique_ptr<UcxLink> link;
  };

  explicit UcxTransport(const transport::TransportContext& context);
  Status open(const std::string& host_id);
  size_t advance_connecting();
  void advance_peer(uint32_t rank);
  void establish(uint32_t rank);
  void give_up(Peer& peer, std::string reason);
  void look_at_links();

  const uint32_t rank_;
  const Clock& clock_;
  const Settings& settings_;
  const Key key_;
  Address address_;
  std::unique_ptr<Worker> worker_;
  std::vector<Peer> peers_;
  size_t connecting_count_ = 0;
  size_t watched_count_ = 0;
  uint64_t seen_ = 0;  // Worker::progress_once()
  transport::LookPace process_pace_{50'000'000, 4096};  // a death is told within a second
};

}  // namespace tutti::transports::ucx
