// SPDX-License-Identifier: Apache-2.0
#include "base/interfaces.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace tutti {
namespace {

using ::testing::HasSubstr;

std::array<std::byte, SocketAddress::kEncodedBytes> encoded(const SocketAddress& address) {
  std::array<std::byte, SocketAddress::kEncodedBytes> bytes{};
  address.encode(bytes);
  return bytes;
}

TEST(SocketAddress, ResolvesLiteralAddresses) {
  const auto four = SocketAddress::resolve("127.0.0.1", 4711);
  ASSERT_TRUE(four.has_value()) << four.error().message();
  EXPECT_EQ(four->to_string(), "127.0.0.1:4711");
  EXPECT_TRUE(four->is_loopback());
  const auto six = SocketAddress::resolve("::1", 4711);
  ASSERT_TRUE(six.has_value()) << six.error().message();
  EXPECT_EQ(six->to_string(), "[::1]:4711");
  EXPECT_TRUE(six->is_loopback());
  EXPECT_FALSE(six->is_link_local());
}

TEST(SocketAddress, AHostThatDoesNotExistIsNamed) {
  const auto address = SocketAddress::resolve("no such host", 1);
  ASSERT_FALSE(address.has_value());
  EXPECT_THAT(address.error().message(), HasSubstr("no such host"));
  EXPECT_FALSE(SocketAddress::resolve("", 1).has_value());
}

TEST(SocketAddress, SurvivesEncoding) {
  for (const char* host : {"10.1.2.3", "::1", "fe80::1%1", "2001:db8::5"}) {
    const auto address = SocketAddress::resolve(host, 65535);
    ASSERT_TRUE(address.has_value()) << host;
    const auto decoded = SocketAddress::decode(encoded(*address));
    ASSERT_TRUE(decoded.has_value()) << host;
    EXPECT_EQ(decoded->to_string(), address->to_string());
    EXPECT_EQ(decoded->length(), address->length());
    EXPECT_EQ(decoded->is_link_local(), std::string_view(host).starts_with("fe80"));
  }
}

TEST(SocketAddress, MalformedEncodingsAreRefused) {
  const auto good = encoded(*SocketAddress::resolve("10.1.2.3", 7));
  for (const size_t position : {size_t{0}, size_t{1}, size_t{8}, size_t{20}, size_t{27}}) {
    auto bad = good;
    bad[position] ^= std::byte{1};
    EXPECT_FALSE(SocketAddress::decode(bad).has_value()) << "byte " << position;
  }
  EXPECT_FALSE(SocketAddress::decode(encoded(SocketAddress())).has_value());
}

TEST(SocketAddress, OtherFamiliesAreRefused) {
  sockaddr local{};
  local.sa_family = AF_UNIX;
  EXPECT_EQ(SocketAddress::from_sockaddr(&local, sizeof local).error().code(), tuttiInvalidArgument);
  sockaddr_in cut{};
  cut.sin_family = AF_INET;
  EXPECT_FALSE(SocketAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&cut), 4).has_value());
}

std::string loopback_name() {
  const auto all = find_interfaces("");
  const auto found = std::find_if(all->begin(), all->end(), [](const Interface& i) { return i.address.is_loopback(); });
  return found == all->end() ? "" : found->name;
}

TEST(FindInterfaces, WithoutASelectionLoopbackIsLast) {
  const auto all = find_interfaces("");
  ASSERT_TRUE(all.has_value());
  ASSERT_FALSE(all->empty());
  EXPECT_TRUE(std::is_partitioned(all->begin(), all->end(), [](const Interface& i) { return !i.address.is_loopback(); }));
}

TEST(FindInterfaces, SelectsByPrefixExactNameAndExclusion) {
  const std::string name = loopback_name();
  ASSERT_GE(name.size(), 2u);
  for (const std::string& selection : {name.substr(0, 1), fmt::format("nothing0,{}", name), fmt::format("={}", name)}) {
    const auto chosen = find_interfaces(selection);
    ASSERT_TRUE(chosen.has_value()) << selection;
    EXPECT_TRUE(std::any_of(chosen->begin(), chosen->end(), [&](const Interface& i) { return i.name == name; })) << selection;
  }
  EXPECT_FALSE(find_interfaces(fmt::format("={}", name.substr(0, 1))).has_value());
  for (const std::string& selection : {fmt::format("^{}", name), fmt::format("^={}", name)}) {
    const auto others = find_interfaces(selection);
    EXPECT_TRUE(!others.has_value() ||
                std::none_of(others->begin(), others->end(), [&](const Interface& i) { return i.name == name; }))
        << selection;
  }
}

TEST(FindInterfaces, ASelectionThatMatchesNothingNamesWhatThereIs) {
  const auto none = find_interfaces("quux");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code(), tuttiInvalidArgument);
  EXPECT_THAT(none.error().message(), HasSubstr("\"quux\""));
  EXPECT_THAT(none.error().message(), HasSubstr(loopback_name()));
}

TEST(FindInterfaces, EmptyNamesAreRefused) {
  for (const char* selection : {",", "lo,", "^", "=", "^=", "lo,,eth"}) {
    const auto chosen = find_interfaces(selection);
    ASSERT_FALSE(chosen.has_value()) << selection;
    EXPECT_EQ(chosen.error().code(), tuttiInvalidArgument) << selection;
  }
}

TEST(Sockets, ConnectReachesTheListener) {
  const auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
  ASSERT_TRUE(listener.has_value()) << listener.error().message();
  const auto address = local_address(*listener);
  ASSERT_TRUE(address.has_value());
  EXPECT_NE(address->port(), 0);
  const auto connecting = begin_connect(*address);
  ASSERT_TRUE(connecting.has_value()) << connecting.error().message();
  pollfd waiting{.fd = listener->get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
  const Descriptor accepted(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
  EXPECT_TRUE(accepted.valid());
  EXPECT_EQ(pending_error(*connecting), 0);
}

TEST(Sockets, ATakenPortIsASystemErrorThatNamesTheAddress) {
  const auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
  ASSERT_TRUE(listener.has_value());
  const auto address = local_address(*listener);
  const auto second = listen_on(*address, 4);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code(), tuttiSystemError);
  EXPECT_THAT(second.error().message(), HasSubstr(address->to_string()));
}

TEST(Sockets, ARangeOfPortsIsUsedUpAndNeverLeft) {
  // Three neighbours that were free a moment ago; who else takes one in the meantime only makes the range shorter.
  uint16_t first = 0;
  {
    const auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
    first = std::min<uint16_t>(local_address(*listener)->port(), 65'533);
  }
  const PortRange ports{.first = first, .last = static_cast<uint16_t>(first + 2)};
  std::vector<Descriptor> listeners;
  auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4, ports);
  for (int count = 0; count < 10 && listener; ++count) {
    const uint16_t port = local_address(*listener)->port();
    EXPECT_TRUE(port >= ports.first && port <= ports.last) << port;
    listeners.push_back(std::move(*listener));
    listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4, ports);
  }
  ASSERT_FALSE(listener.has_value());
  EXPECT_LE(listeners.size(), 3u);
  EXPECT_THAT(listener.error().message(), HasSubstr("TUTTI_SOCKET_PORTS"));
  EXPECT_THAT(listener.error().message(), HasSubstr(fmt::to_string(ports.last)));
}

TEST(Sockets, AConnectionComesFromTheAddressItWasGiven) {
  const auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
  const auto connecting = begin_connect(*local_address(*listener), *SocketAddress::resolve("127.0.0.7", 0));
  ASSERT_TRUE(connecting.has_value()) << connecting.error().message();
  EXPECT_THAT(local_address(*connecting)->to_string(), HasSubstr("127.0.0.7:"));
}

// As one is that is still being checked for duplicates.
TEST(Sockets, AnAddressThatIsNotValidYetCanBeListenedOn) {
  EXPECT_TRUE(listen_on(*SocketAddress::resolve("192.0.2.1", 0), 4).has_value());
}

TEST(Sockets, ANetworkIsWhatTheFirstBitsSay) {
  const Interface interface{.name = "nic0", .address = *SocketAddress::resolve("10.1.2.3", 0), .network_bits = 22};
  EXPECT_TRUE(is_on_network(*SocketAddress::resolve("10.1.3.255", 7), interface));
  EXPECT_FALSE(is_on_network(*SocketAddress::resolve("10.1.4.1", 7), interface));
  EXPECT_FALSE(is_on_network(*SocketAddress::resolve("::1", 7), interface));
}

TEST(Sockets, ARefusedConnectionShowsAsPendingError) {
  auto listener = listen_on(*SocketAddress::resolve("127.0.0.1", 0), 4);
  ASSERT_TRUE(listener.has_value());
  const auto address = local_address(*listener);
  listener->reset();
  const auto connecting = begin_connect(*address);
  if (connecting.has_value()) {
    pollfd waiting{.fd = connecting->get(), .events = POLLOUT, .revents = 0};
    ASSERT_EQ(::poll(&waiting, 1, 10'000), 1);
    EXPECT_EQ(pending_error(*connecting), ECONNREFUSED);
  } else {
    EXPECT_THAT(connecting.error().message(), HasSubstr("ECONNREFUSED"));
  }
}

}  // namespace
}  // namespace tutti
