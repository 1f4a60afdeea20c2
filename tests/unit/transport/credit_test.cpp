// SPDX-License-Identifier: Apache-2.0
#include "transport/credit.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace tutti::transport {
namespace {

constexpr uint32_t kWindow = 10;
constexpr uint32_t kDue = 4;

constexpr UnitsByChannel everywhere(uint32_t units) {
  return units_by_channel([&](uint32_t) { return units; });
}

class CreditTest : public testing::Test {
 protected:
  // As if so much had been sent, popped and told long ago.
  void advance(uint32_t channel, uint32_t units) {
    while (units > 0) {
      const uint32_t step = std::min(units, 1u << 30);
      units -= step;
      held_.spend(channel, step);
      given_.free(channel, step);
      ASSERT_TRUE(held_.set_total(channel, given_.freed_units(channel)));
      given_.note_told({.channel = channel, .units = step, .total = given_.freed_units(channel)});
    }
  }

  HeldCredit held_{everywhere(kWindow)};
  GivenCredit given_{{.window_units = everywhere(kWindow), .due_units = everywhere(kDue)}};
};

TEST_F(CreditTest, IsForAWindowThatOpensAsThePeerFrees) {
  EXPECT_TRUE(held_.covers(1, kWindow));
  EXPECT_FALSE(held_.covers(1, kWindow + 1));
  held_.spend(1, 7);
  EXPECT_TRUE(held_.covers(1, 3));
  EXPECT_FALSE(held_.covers(1, 4));
  EXPECT_TRUE(held_.covers(2, kWindow)) << "another channel";
  EXPECT_TRUE(held_.add(1, 5));
  EXPECT_TRUE(held_.covers(1, 8));
  EXPECT_FALSE(held_.covers(1, 9));
  EXPECT_FALSE(held_.add(1, 3)) << "2 units have not been freed yet";
  EXPECT_TRUE(held_.add(1, 2));
}

TEST_F(CreditTest, OldNewsDoNotLowerIt) {
  held_.spend(3, 9);
  EXPECT_TRUE(held_.set_total(3, 8));
  EXPECT_TRUE(held_.set_total(3, 2));
  EXPECT_EQ(held_.freed_units(3), 8u);
  EXPECT_FALSE(held_.set_total(3, 10)) << "so much was never sent";
}

TEST_F(CreditTest, OfThePeerIsWhatItHasBeenTold) {
  EXPECT_TRUE(given_.accept(1, 8));
  EXPECT_FALSE(given_.accept(1, 3));
  EXPECT_EQ(given_.left_units(1), 2u);
  given_.free(1, 8);
  EXPECT_EQ(given_.left_units(1), 2u) << "it does not know yet";
  EXPECT_FALSE(given_.covers(1, kWindow + 1));
  EXPECT_EQ(given_.tell().units, 8u);
  EXPECT_TRUE(given_.covers(1, kWindow + 8));
  EXPECT_FALSE(given_.covers(1, kWindow + 9));
  EXPECT_TRUE(given_.accept(1, kWindow));
}

TEST_F(CreditTest, NewsIsOfTheChannelWithTheMost) {
  EXPECT_EQ(given_.tell().units, 0u);
  given_.free(2, 1);
  given_.free(5, 3);
  EXPECT_FALSE(given_.is_due());
  const GivenCredit::News first = given_.tell();
  EXPECT_EQ(first.channel, 5u);
  EXPECT_EQ(first.units, 3u);
  given_.free(5, 2);
  const GivenCredit::News second = given_.tell();
  EXPECT_EQ(second.channel, 5u);
  EXPECT_EQ(second.units, 2u);
  EXPECT_EQ(second.total, 5u);
  EXPECT_EQ(given_.tell().channel, 2u);
}

TEST_F(CreditTest, WhatIsDueGoesFirst) {
  given_.free(6, kDue);
  given_.free(1, kDue - 1);
  given_.make_due(7);
  EXPECT_EQ(given_.tell().channel, 6u);
  EXPECT_TRUE(given_.is_due());
  EXPECT_EQ(given_.next().channel, 7u);
  EXPECT_EQ(given_.next().channel, 7u) << "it has not been told yet";
  given_.note_told(given_.next());
  EXPECT_FALSE(given_.is_due());
  EXPECT_EQ(given_.tell().channel, 1u);
}

TEST_F(CreditTest, WhatMayHaveBeenLostIsToldAgain) {
  given_.free(0, 2);
  given_.free(4, 3);
  EXPECT_EQ(given_.old_news().total, 0u);
  (void)given_.tell();
  (void)given_.tell();
  EXPECT_EQ(given_.old_news().total, 2u);
  EXPECT_FALSE(given_.is_due());
  given_.tell_again();
  EXPECT_EQ(given_.tell().total, 2u);
  EXPECT_EQ(given_.tell().total, 3u);
  EXPECT_FALSE(given_.is_due()) << "of other channels there is nothing to tell";
}

TEST_F(CreditTest, CountsGoOnBehindTheLastOf32Bits) {
  advance(1, UINT32_MAX - 3);
  held_.spend(1, kWindow);
  EXPECT_FALSE(held_.covers(1, 1));
  given_.free(1, 6);
  EXPECT_TRUE(given_.covers(1, UINT32_MAX - 3 + kWindow));
  const GivenCredit::News news = given_.tell();
  EXPECT_EQ(news.total, 2u);
  EXPECT_TRUE(held_.set_total(1, news.total));
  EXPECT_TRUE(held_.set_total(1, UINT32_MAX - 1)) << "old news";
  EXPECT_TRUE(held_.covers(1, 6));
  EXPECT_FALSE(held_.covers(1, 7));
}

}  // namespace
}  // namespace tutti::transport
