// SPDX-License-Identifier: Apache-2.0
// Messages, addresses and the choice of a provider, which are all functions of what they are given.
#include <gtest/gtest.h>

#include <array>

#include "transports/ofi/address.hpp"
#include "transports/ofi/providers.hpp"
#include "transports/ofi/wire.hpp"

namespace tutti::transports::ofi::test {
namespace {

TEST(OfiWire, AHeaderComesBackAsItWas) {
  const Header header{.token = 0x0102'0304'0506'0708,
                      .source = 77,
                      .kind = Kind::data,
                      .channel = 3,
                      .credit_channel = 7,
                      .number = 0xffff'fff0,
                      .popped = 12,
                      .landed = 13,
                      .generation = 0xfffe,
                      .obeyed_generation = 2,
                      .frame = {.call = ~0ULL, .message_bytes = 1ULL << 40}};
  std::array<std::byte, kHeaderBytes> bytes;
  encode(header, bytes);
  EXPECT_EQ(decode_header(bytes), header);
  EXPECT_EQ(origin_of(bytes)->token, header.token);
  EXPECT_EQ(origin_of(bytes)->source, header.source);
  EXPECT_FALSE(decode_header(std::span(bytes).first(kHeaderBytes - 1)));
  bytes[15] = std::byte{1};
  EXPECT_FALSE(decode_header(bytes));
}

TEST(OfiWire, NumbersGoOnBehindTheLastOf32Bits) {
  EXPECT_EQ(widen(5, 3), 5u);
  EXPECT_EQ(widen(2, 5), 2u);
  EXPECT_EQ(widen(1, 0xffff'fffeULL), 0x1'0000'0001ULL);
  EXPECT_EQ(widen(0xffff'ffff, 0x1'0000'0001ULL), 0xffff'ffffULL);
}

TEST(OfiAddress, ItComesBackAsItWasAndNothingLikeItIsTaken) {
  const Address address{.host = 42,
                        .provider = "tcp;ofi_rxm",
                        .name = {std::byte{1}, std::byte{2}},
                        .sockets = {*SocketAddress::resolve("127.0.0.1", 5), *SocketAddress::resolve("::1", 6)}};
  std::vector<std::byte> bytes = encode(address);
  const auto decoded = decode(bytes);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->host, address.host);
  EXPECT_EQ(decoded->provider, address.provider);
  EXPECT_EQ(decoded->name, address.name);
  ASSERT_EQ(decoded->sockets.size(), 2u);
  EXPECT_EQ(decoded->sockets[1].to_string(), "[::1]:6");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode(std::span(bytes).first(length))) << length;
  }
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode(bytes));
}

std::vector<Offer> offers_of(std::initializer_list<std::pair<const char*, const char*>> providers) {
  std::vector<Offer> offers;
  size_t order = 9;
  for (const auto& [provider, domain] : providers) {
    offers.push_back({.provider = provider, .domain = domain, .interface = {}, .interface_order = order--, .place = Nearness::Place::unknown, .info = nullptr});
  }
  return offers;
}

TEST(OfiProviders, AnAdapterIsTakenUnaskedAndSoftwareIsNot) {
  const auto software = offers_of({{"shm", "shm"}, {"tcp;ofi_rxm", "lo"}, {"tcp;ofi_rxm", "eth0"}, {"udp;ofi_rxd", "eth0"}});
  EXPECT_EQ(*choose(software, {.provider = {}}), nullptr);
  const Offer* const best = *choose(software, {.provider = {}, .takes_software = true});
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best->domain, "eth0") << "the interface that comes first among those allowed";
  const auto both = offers_of({{"tcp;ofi_rxm", "eth0"}, {"verbs;ofi_rxm", "mlx5_0"}, {"verbs;ofi_rxm", "mlx5_1"}, {"verbs;ofi_rxm", "mlx5_1"}});
  EXPECT_EQ((*choose(both, {.provider = {}, .rank = 0}))->domain, "mlx5_0");
  EXPECT_EQ((*choose(both, {.provider = {}, .rank = 1}))->domain, "mlx5_1");
  EXPECT_EQ((*choose(both, {.provider = {}, .rank = 2}))->domain, "mlx5_0");
  EXPECT_EQ((*choose(both, {.provider = "tcp"}))->provider, "tcp;ofi_rxm");
  const auto efa = offers_of({{"verbs;ofi_rxm", "mlx5_0"}, {"efa", "rdmap0"}});
  EXPECT_EQ((*choose(efa, {.provider = {}}))->provider, "efa");
}

TEST(OfiProviders, RanksTakeTurnsAtTheAdaptersThatAreNear) {
  auto offers = offers_of({{"verbs;ofi_rxm", "mlx5_0"}, {"verbs;ofi_rxm", "mlx5_1"}, {"verbs;ofi_rxm", "mlx5_2"}, {"verbs;ofi_rxm", "mlx5_3"}});
  for (Offer& offer : offers) {
    offer.place = offer.domain > "mlx5_1" ? Nearness::Place::near : Nearness::Place::far;
  }
  EXPECT_EQ((*choose(offers, {.provider = {}, .rank = 0}))->domain, "mlx5_2");
  EXPECT_EQ((*choose(offers, {.provider = {}, .rank = 1}))->domain, "mlx5_3");
  EXPECT_EQ((*choose(offers, {.provider = {}, .rank = 2}))->domain, "mlx5_2");
}

TEST(OfiProviders, AProviderThatIsNotThereIsAnErrorThatListsWhatIs) {
  const auto offers = offers_of({{"shm", "shm"}, {"tcp;ofi_rxm", "lo"}, {"tcp;ofi_rxm", "eth0"}});
  EXPECT_EQ((*choose(offers, {.provider = "tcp;ofi_rxm"}))->provider, "tcp;ofi_rxm");
  const auto missing = choose(offers, {.provider = "efa", .takes_software = true});
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code(), tuttiInvalidArgument);
  EXPECT_EQ(missing.error().message(), "TUTTI_OFI_PROVIDER: \"efa\" is not offered by libfabric here; there are: shm, tcp");
  EXPECT_NE(choose({}, {.provider = "efa"}).error().message().find("there are: none"), std::string::npos);
}

TEST(OfiProviders, EveryEstimateSaysWhereItComesFrom) {
  for (const char* provider : {"efa", "verbs;ofi_rxm", "tcp;ofi_rxm", "shm", "udp;ofi_rxd"}) {
    for (const Distance distance : {Distance::same_host, Distance::other_host}) {
      const transport::LinkEstimate estimate = estimate_of(provider, distance);
      EXPECT_GT(estimate.latency_ns, 0u);
      EXPECT_GT(estimate.bandwidth_bytes_per_s, 0u);
      EXPECT_FALSE(estimate.source.empty());
    }
  }
}

}  // namespace
}  // namespace tutti::transports::ofi::test
