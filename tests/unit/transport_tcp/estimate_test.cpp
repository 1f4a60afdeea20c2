// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/estimate.hpp"

#include <gtest/gtest.h>

#include <array>

#include "base/interfaces.hpp"

namespace tutti::transports::tcp::test {
namespace {

constexpr uint64_t kTenGigabit = 10'000'000'000;

TEST(TcpEstimate, AddsUpInterfacesAndTakesTheShortestWay) {
  const SocketFigures one{.interface = "nic0", .round_trip_ns = 40'000, .interface_bits_per_s = kTenGigabit};
  SocketFigures second = one;
  second.round_trip_ns = 30'000;
  SocketFigures other = one;
  other.interface = "nic1";
  const auto alone = estimate_between_hosts(std::array{one});
  EXPECT_EQ(alone.source, "round trip while connecting; speed of the interfaces");
  EXPECT_TRUE(alone.copies_out);
  EXPECT_LT(alone.bandwidth_bytes_per_s, kTenGigabit / 8);
  EXPECT_GT(alone.bandwidth_bytes_per_s, kTenGigabit / 8 * 9 / 10);
  const auto two_sockets = estimate_between_hosts(std::array{one, second});
  EXPECT_EQ(two_sockets.bandwidth_bytes_per_s, alone.bandwidth_bytes_per_s) << "of one interface";
  EXPECT_LT(two_sockets.latency_ns, alone.latency_ns);
  EXPECT_EQ(estimate_between_hosts(std::array{one, other}).bandwidth_bytes_per_s, 2 * alone.bandwidth_bytes_per_s);
}

TEST(TcpEstimate, SmallDifferencesOfTheRoundTripDoNotMatter) {
  SocketFigures figures{.interface = "nic0", .round_trip_ns = 35'000, .interface_bits_per_s = kTenGigabit};
  const auto first = estimate_between_hosts(std::array{figures});
  figures.round_trip_ns = 60'000;
  EXPECT_EQ(estimate_between_hosts(std::array{figures}).latency_ns, first.latency_ns);
}

TEST(TcpEstimate, SaysWhatIsNotKnown) {
  const auto nothing = estimate_between_hosts(std::array{SocketFigures{}});
  EXPECT_EQ(nothing.source, "default for 10 Gbit/s Ethernet");
  EXPECT_GT(nothing.bandwidth_bytes_per_s, 0u);
  const SocketFigures no_speed{.interface = "nic0", .round_trip_ns = 35'000, .interface_bits_per_s = {}};
  EXPECT_EQ(estimate_between_hosts(std::array{no_speed}).source, "round trip while connecting; default for 10 Gbit/s Ethernet");
}

TEST(TcpEstimate, FindsTheInterfaceOfASocket) {
  const auto any = SocketAddress::resolve("127.0.0.1", 0);
  ASSERT_TRUE(any);
  const auto listener = listen_on(*any, 1);
  ASSERT_TRUE(listener);
  const auto address = local_address(*listener);
  ASSERT_TRUE(address);
  const auto socket = begin_connect(*address);
  ASSERT_TRUE(socket);
  const SocketFigures figures = figures_of(socket->get());
  EXPECT_EQ(figures.interface, "lo");
  EXPECT_FALSE(figures.interface_bits_per_s.has_value()) << "loopback has no speed";
  EXPECT_TRUE(figures.round_trip_ns.has_value());
  const SocketFigures none = figures_of(-1);
  EXPECT_EQ(none.interface, "");
  EXPECT_FALSE(none.round_trip_ns.has_value());
}

}  // namespace
}  // namespace tutti::transports::tcp::test
