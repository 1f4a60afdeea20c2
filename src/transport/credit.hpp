// SPDX-License-Identifier: Apache-2.0
// Flow control by credit. Each channel has a window: so many units may have been sent on it that the peer has not freed. What a unit is, the transport says.
// Both ends count since the link began, modulo 2^32. So news may be told as what has been freed in all, and then one that is lost or overtaken does no
// harm; or as what has been freed since the last one, where all arrive in order.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "transport/transport.hpp"

namespace tutti::transport {

using UnitsByChannel = std::array<uint32_t, kChannelCount>;

template <typename UnitsOf>
constexpr UnitsByChannel units_by_channel(const UnitsOf& units_of) {
  UnitsByChannel units{};
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    units[channel] = units_of(channel);
  }
  return units;
}

// The books of the end that sends.
class HeldCredit {
 public:
  // The peer's windows, or less of them.
  explicit HeldCredit(const UnitsByChannel& window_units) : window_units_(window_units) {}

  bool covers(uint32_t channel, uint32_t units) const { return spent_units_[channel] - freed_units_[channel] + units <= window_units_[channel]; }
  // A frame of `units` is sent; only when they are covered.
  void spend(uint32_t channel, uint32_t units) { spent_units_[channel] += units; }
  uint32_t spent_units(uint32_t channel) const { return spent_units_[channel]; }

  // What the peer tells: that it has freed so much more. False when so much was never sent.
  [[nodiscard]] bool add(uint32_t channel, uint32_t units) {
    if (units > spent_units_[channel] - freed_units_[channel]) {
      return false;
    }
    freed_units_[channel] += units;
    return true;
  }
  // The same as a total; an old one tells nothing.
  [[nodiscard]] bool set_total(uint32_t channel, uint32_t total_units) {
    const uint32_t more_units = total_units - freed_units_[channel];
    return more_units >= 1u << 31 || add(channel, more_units);
  }
  uint32_t freed_units(uint32_t channel) const { return freed_units_[channel]; }

 private:
  UnitsByChannel window_units_;
  UnitsByChannel spent_units_{};
  UnitsByChannel freed_units_{};
};

// The books of the end that receives.
class GivenCredit {
 public:
  struct Terms {
    UnitsByChannel window_units{};
    UnitsByChannel due_units{};  // when so many have been freed that the peer has not been told of, it may be waiting for them
  };
  explicit GivenCredit(const Terms& terms) : terms_(terms) {}

  // A frame of `units` has come, in its order. False when it exceeds left_units().
  [[nodiscard]] bool accept(uint32_t channel, uint32_t units) {
    if (units > left_units(channel)) {
      return false;
    }
    accepted_units_[channel] += units;
    return true;
  }
  uint32_t left_units(uint32_t channel) const { return terms_.window_units[channel] - (accepted_units_[channel] - told_units_[channel]); }
  // Where frames come in any order: whether one may be sent that ends at the unit `end_units`.
  bool covers(uint32_t channel, uint32_t end_units) const { return end_units - told_units_[channel] <= terms_.window_units[channel]; }

  // The next frame, of `units`, is no longer needed.
  void free(uint32_t channel, uint32_t units) {
    freed_units_[channel] += units;
    untold_channels_ |= 1u << channel;
    if (untold_units(channel) >= terms_.due_units[channel]) {
      make_due(channel);
    }
  }
  uint32_t freed_units(uint32_t channel) const { return freed_units_[channel]; }

  struct News {
    uint32_t channel = 0;
    uint32_t units = 0;  // freed since the peer was told last
    uint32_t total = 0;  // freed since the link began
  };
  // What to tell with the next header: of a channel that is due, so that repeated calls serve all that are, or of the one that has freed the most.
  News next() const;
  void note_told(const News& news) {
    told_units_[news.channel] = news.total;
    untold_channels_ &= ~(1u << news.channel);
    due_channels_ &= ~(1u << news.channel);
  }
  // Both of them.
  News tell() {
    const News news = next();
    note_told(news);
    return news;
  }
  // What the peer knows already, for a header that will be long on its way.
  News old_news() const { return {.channel = 0, .units = 0, .total = told_units_[0]}; }
  // What was told may have been lost.
  void tell_again();

  // Whether something is worth a header of its own.
  bool is_due() const { return due_channels_ != 0; }
  void make_due(uint32_t channel) { due_channels_ |= 1u << channel; }

 private:
  uint32_t untold_units(uint32_t channel) const { return freed_units_[channel] - told_units_[channel]; }

  Terms terms_;
  UnitsByChannel accepted_units_{};
  UnitsByChannel freed_units_{};
  UnitsByChannel told_units_{};   // the most that the peer may have been told of
  uint32_t untold_channels_ = 0;  // one bit each: those that have freed more than that
  uint32_t due_channels_ = 0;
};

}  // namespace tutti::transport
