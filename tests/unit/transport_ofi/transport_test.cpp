// SPDX-License-Identifier: Apache-2.0
// Transports with their sentinels on loopback, over a fabric that keeps no order.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "sim/virtual_clock.hpp"
#include "transports/ofi/ofi.hpp"
#include "unit/transport_ofi/link_world.hpp"

namespace tutti::transports::ofi::test {
namespace {

using transport::PeerState;

class OfiTransportTest : public testing::Test {
 protected:
  void make(uint32_t rank_count, uint64_t seed) {
    fabric_ = std::make_unique<FakeFabric>(FakeOptions{.seed = seed});
    settings_.socket_interfaces = "=lo";
    secret_.fill(std::byte{0x5a});
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      auto made = OfiTransport::create_with({.rank = rank,
                                             .rank_count = rank_count,
                                             .communicator_id = 1,
                                             .secret = secret_,
                                             .host_id = "here",
                                             .clock = clock_,
                                             .settings = settings_},
                                            fabric_->make_endpoint());
      ASSERT_TRUE(made) << made.error().message();
      transports_.push_back(std::move(*made));
    }
    for (uint32_t rank = 0; rank < rank_count; ++rank) {
      for (uint32_t peer = 0; peer < rank_count; ++peer) {
        if (peer != rank) {
          transports_[rank]->connect(peer, transports_[peer]->address());
        }
      }
    }
    ASSERT_TRUE(run_until([&] {
      for (uint32_t rank = 0; rank < rank_count; ++rank) {
        for (uint32_t peer = 0; peer < rank_count; ++peer) {
          if (peer != rank && transports_[rank]->state(peer) != PeerState::connected) {
            return false;
          }
        }
      }
      return true;
    })) << transports_[0]->reason(1);
  }
  bool run_until(const std::function<bool()>& condition) {
    for (int turns = 0; turns < kTurnLimit; ++turns) {
      if (condition()) {
        return true;
      }
      for (const auto& transport : transports_) {
        if (transport != nullptr) {
          (void)transport->poll();
        }
      }
      clock_.advance_by(1'000);
    }
    return condition();
  }

  transport::Secret secret_{};
  Settings settings_;
  sim::VirtualClock clock_;
  std::unique_ptr<FakeFabric> fabric_;
  std::vector<std::unique_ptr<transport::Transport>> transports_;
};

TEST_F(OfiTransportTest, FramesThatWereSentArriveAfterTheSenderIsGone) {
  make(3, 11);
  const std::vector<std::byte> payload = pattern(3'000, 1);
  for (uint64_t index = 0; index < 5; ++index) {
    ASSERT_TRUE(run_until([&] { return transports_[0]->link(1)->try_send(kChannel, {.call = index, .message_bytes = 0}, payload) == Outcome::done; }));
  }
  transports_[0].reset();
  transport::Link& survivor = *transports_[1]->link(0);
  ASSERT_TRUE(run_until([&] { return !survivor.failure().ok(); }));
  EXPECT_EQ(survivor.failure().message(), "connection closed by the peer");
  for (uint64_t index = 0; index < 5; ++index) {
    Frame frame;
    ASSERT_EQ(survivor.peek(kChannel, {}, &frame), Outcome::done);
    EXPECT_EQ(frame.header.call, index);
    EXPECT_TRUE(std::ranges::equal(frame.payload, payload));
    survivor.pop(kChannel);
  }
  Frame frame;
  EXPECT_EQ(survivor.peek(kChannel, {}, &frame), Outcome::failed);
  EXPECT_TRUE(run_until([&] { return !transports_[2]->link(0)->failure().ok(); }));
  EXPECT_TRUE(transports_[1]->link(2)->failure().ok());
}

TEST_F(OfiTransportTest, WithoutAnEndpointThatReachesItAPeerIsUnreachableWithAReason) {
  make(2, 12);
  const Address own = *decode(transports_[0]->address());
  const auto reason_for = [&](const Address& address) {
    transports_[0]->disconnect(1);
    transports_[0]->connect(1, encode(address));
    EXPECT_EQ(transports_[0]->state(1), PeerState::unreachable);
    return transports_[0]->reason(1);
  };
  Address other = own;
  other.provider = "verbs;ofi_rxm";
  EXPECT_EQ(reason_for(other), "it uses libfabric's verbs;ofi_rxm, this rank fake");
  other = own;
  other.sockets.clear();
  EXPECT_EQ(reason_for(other), "no address in common");
}

TEST_F(OfiTransportTest, SentinelsAreAcceptedOnThePortsThatTheUserGives) {
  // Eight neighbours of one that was free a moment ago, of which two are enough.
  const auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
  const uint16_t first = std::min<uint16_t>(local_address(*listener)->port(), 65'528);
  settings_.socket_ports = {.first = first, .last = static_cast<uint16_t>(first + 7)};
  make(2, 14);
  for (const auto& transport : transports_) {
    const std::optional<Address> address = decode(transport->address());
    ASSERT_TRUE(address && !address->sockets.empty());
    for (const SocketAddress& socket : address->sockets) {
      EXPECT_TRUE(socket.port() >= first && socket.port() <= first + 7) << socket.to_string();
    }
  }
}

TEST_F(OfiTransportTest, SoftwareIsPreferredToNothingOnly) {
  make(2, 13);
  EXPECT_EQ(type().preference, 20);
  ASSERT_TRUE(transports_[0]->preference());
  EXPECT_LT(*transports_[0]->preference(), 10) << "below tcp";
}

}  // namespace
}  // namespace tutti::transports::ofi::test
