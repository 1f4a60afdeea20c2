// SPDX-License-Identifier: Apache-2.0
// How ranks find each other: interfaces, addresses, order of the calls, and what makes a peer unreachable.
#include <thread>

#include "tcp_world.hpp"

namespace tutti::transports::tcp::test {
namespace {

SocketAddress socket_address(std::string_view host, uint16_t port) {
  const auto address = SocketAddress::resolve(host, port);
  EXPECT_TRUE(address.has_value());
  return *address;
}

TEST(TcpAddress, DecodesWhatWasEncoded) {
  const Address address{.host = 0x0123456789abcdef, .sockets = {socket_address("192.0.2.1", 4711), socket_address("::1", 4712)}};
  const auto bytes = encode(address);
  EXPECT_LE(bytes.size(), transport::kMaxAddressBytes);
  const auto decoded = decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->host, address.host);
  ASSERT_EQ(decoded->sockets.size(), 2u);
  EXPECT_EQ(decoded->sockets[0].to_string(), "192.0.2.1:4711");
  EXPECT_EQ(decoded->sockets[1].to_string(), "[::1]:4712");
}

TEST(TcpAddress, RejectsEveryTruncationAndEveryWrongCount) {
  const auto bytes = encode({.host = 1, .sockets = {socket_address("192.0.2.1", 4711)}});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode(std::span(bytes).first(size))) << size;
  }
  auto longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(decode(longer));
  auto counted = bytes;
  counted[12] = std::byte{255};
  EXPECT_FALSE(decode(counted));
  auto other = bytes;
  other[0] = std::byte{0};
  EXPECT_FALSE(decode(other));
}

TEST(TcpAddress, TheLargestFitsTheLimit) {
  const Address address{.host = 1, .sockets = std::vector<SocketAddress>(100, socket_address("::1", 1))};
  EXPECT_LE(encode(address).size(), transport::kMaxAddressBytes);
  EXPECT_EQ(decode(encode(address))->sockets.size(), kMaxSocketAddresses);
}

TEST(TcpAddress, LoopbackComesFirstOnOneHostAndNeverOnTwo) {
  const Address one{.host = 1, .sockets = {socket_address("192.0.2.1", 1), socket_address("127.0.0.1", 2)}};
  Address other{.host = 1, .sockets = {socket_address("192.0.2.2", 3), socket_address("127.0.0.1", 4), socket_address("::1", 5)}};
  const auto text = [](const std::vector<SocketAddress>& addresses) {
    std::vector<std::string> texts;
    for (const SocketAddress& address : addresses) {
      texts.push_back(address.to_string());
    }
    return texts;
  };
  EXPECT_EQ(text(transport::ways(one.place(), other.place())), (std::vector<std::string>{"127.0.0.1:4", "192.0.2.2:3"})) << "one has no IPv6";
  other.host = 2;
  EXPECT_EQ(text(transport::ways(one.place(), other.place())), std::vector<std::string>{"192.0.2.2:3"});
  EXPECT_EQ(text(transport::ways(other.place(), Address{.host = 1, .sockets = {socket_address("127.0.0.1", 2)}}.place())), std::vector<std::string>{});
}

TEST(TcpConnect, IsAPlainTransportOfThisName) {
  EXPECT_EQ(type().name, "tcp");
  EXPECT_EQ(type().preference, 10);
  EXPECT_TRUE(type().automatic);
}

TEST(TcpConnect, ConnectsManyRanks) {
  const ManualClock clock;
  World world(5, clock);
  world.connect_all();
  for (uint32_t rank = 0; rank < 5; ++rank) {
    for (uint32_t peer = 0; peer < 5; ++peer) {
      EXPECT_EQ(world[rank].link(peer) != nullptr, rank != peer);
    }
  }
}

TEST(TcpConnect, TheAcceptingRankMayBeAskedLater) {
  const ManualClock clock;
  World world(2, clock);
  world[0].connect(1, world[1].address());
  ASSERT_TRUE(world.poll_until([&] { return world[0].state(1) == PeerState::connected; }));
  for (int turn = 0; turn < 100'000; ++turn) {
    world.poll();
  }
  EXPECT_EQ(world[1].link(0), nullptr);
  world[1].connect(0, world[0].address());
  ASSERT_TRUE(world.poll_until([&] { return world[1].state(0) == PeerState::connected; }));
  ASSERT_EQ(world.link(0, 1).try_send(kChannel, {}, payload_of(1, 10)), Outcome::done);
  Frame frame;
  EXPECT_TRUE(world.poll_until([&] { return world.link(1, 0).peek(kChannel, {}, &frame) == Outcome::done; }));
}

TEST(TcpConnect, CanConnectAgainAfterADisconnect) {
  const ManualClock clock;
  World world(2, clock);
  world.connect_all();
  world[0].disconnect(1);
  world[1].disconnect(0);
  EXPECT_EQ(world[0].state(1), PeerState::unreachable);
  EXPECT_EQ(world[0].reason(1), "disconnected");
  world.connect_all();
  EXPECT_NE(world[0].link(1), nullptr);
}

TEST(TcpConnect, RanksOfOneHostUseIpv6WhenOnlyThatIsThere) {
  const ManualClock clock;
  World world(2, clock);
  auto address = *decode(world[1].address());
  std::erase_if(address.sockets, [](const SocketAddress& socket) { return socket.family() != AF_INET6 || !socket.is_loopback(); });
  if (address.sockets.empty()) {
    GTEST_SKIP() << "this machine has no ::1";
  }
  world[0].connect(1, encode(address));
  world[1].connect(0, world[0].address());
  ASSERT_TRUE(world.poll_until([&] { return world[0].link(1) != nullptr && world[1].link(0) != nullptr; }));
  EXPECT_TRUE(world.link(0, 1).describe().starts_with("tcp [::1]:")) << world.link(0, 1).describe();
}

TEST(TcpConnect, ListensOnTheSelectedInterfacesOnly) {
  const ManualClock clock;
  RankOptions options;
  options.settings.socket_interfaces = "=lo";
  World world(2, clock, options);
  const std::optional<Address> address = decode(world[0].address());
  ASSERT_TRUE(address && !address->sockets.empty());
  for (const SocketAddress& socket : address->sockets) {
    EXPECT_TRUE(socket.is_loopback()) << socket.to_string();
    EXPECT_NE(socket.port(), 0);
  }
  world.connect_all();
}

TEST(TcpConnect, NamesASelectionThatMatchesNoInterface) {
  const ManualClock clock;
  const transport::Secret secret = secret_of(1);
  Settings settings;
  settings.socket_interfaces = "=nosuch0";
  const auto created = type().create({.rank = 0,
                                      .rank_count = 2,
                                      .communicator_id = 1,
                                      .secret = secret,
                                      .host_id = "here",
                                      .clock = clock,
                                      .settings = settings});
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().code(), tuttiInvalidArgument);
  EXPECT_NE(created.error().message().find("=nosuch0"), std::string::npos);
}

TEST(TcpConnect, OtherHostsDoNotUseLoopback) {
  const ManualClock clock;
  RankOptions options;
  options.settings.socket_interfaces = "=lo";
  Rank here(0, 2, clock, options);
  options.host_id = "another host";
  Rank there(1, 2, clock, options);
  here.transport->connect(1, there.transport->address());
  there.transport->connect(0, here.transport->address());
  EXPECT_EQ(here.transport->state(1), PeerState::unreachable);
  EXPECT_EQ(here.transport->reason(1), "no address in common");
  EXPECT_EQ(there.transport->state(0), PeerState::unreachable);
}

TEST(TcpConnect, AnAddressThatMakesNoSenseIsUnreachable) {
  const ManualClock clock;
  World world(2, clock);
  world[0].connect(1, payload_of(1, 77));
  EXPECT_EQ(world[0].state(1), PeerState::unreachable);
  EXPECT_EQ(world[0].reason(1), "its address makes no sense");
  EXPECT_EQ(world[0].link(1), nullptr);
}

TEST(TcpConnect, ARefusedWayIsGivenUpForTheNextOne) {
  const ManualClock clock;
  World world(2, clock);
  auto address = *decode(world[1].address());
  SocketAddress closed = socket_address("127.0.0.1", 0);
  closed.set_port(local_address(*listen_on(closed, 1))->port());  // the listener is gone by the end of this line
  address.sockets.insert(address.sockets.begin(), closed);
  world[0].connect(1, encode(address));
  world[1].connect(0, world[0].address());
  EXPECT_TRUE(world.poll_until([&] { return world[0].link(1) != nullptr && world[1].link(0) != nullptr; }));
}

TEST(TcpConnect, APeerThatIsGoneIsUnreachable) {
  const ManualClock clock;
  World world(2, clock);
  const auto address = world[1].address();
  world.destroy(1);
  world[0].connect(1, address);
  ASSERT_TRUE(world.poll_until([&] { return world[0].state(1) != PeerState::connecting; }));
  EXPECT_EQ(world[0].state(1), PeerState::unreachable);
  EXPECT_NE(world[0].reason(1).find("ECONNREFUSED"), std::string::npos) << world[0].reason(1);
}

TEST(TcpConnect, WaitingForAPeerEndsWithTheTimeout) {
  ManualClock clock;
  RankOptions options;
  options.settings.timeout_ms = 1000;
  World world(2, clock, options);
  world[1].connect(0, world[0].address());  // rank 0 would have to connect, but never does
  world.poll();
  EXPECT_EQ(world[1].state(0), PeerState::connecting);
  clock.advance_ns(999'000'000);
  world.poll();
  EXPECT_EQ(world[1].state(0), PeerState::connecting);
  clock.advance_ns(1'000'000);
  world.poll();
  EXPECT_EQ(world[1].state(0), PeerState::unreachable);
  EXPECT_EQ(world[1].reason(0), "it did not connect in time");
}

TEST(TcpConnect, TwoSecretsDoNotConnect) {
  ManualClock clock;
  RankOptions options;
  Rank one(0, 2, clock, options);
  options.secret = secret_of(8);
  Rank other(1, 2, clock, options);
  one.transport->connect(1, other.transport->address());
  other.transport->connect(0, one.transport->address());
  for (int turn = 0; turn < kTurnLimit && one.transport->state(1) == PeerState::connecting; ++turn) {
    one.transport->poll();
    other.transport->poll();
  }
  EXPECT_EQ(one.transport->state(1), PeerState::unreachable);
  EXPECT_NE(one.transport->reason(1).find("wrong secret"), std::string::npos) << one.transport->reason(1);
  EXPECT_EQ(other.transport->link(0), nullptr);
}

}  // namespace
}  // namespace tutti::transports::tcp::test
