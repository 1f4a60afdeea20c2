// SPDX-License-Identifier: Apache-2.0
#include "topology/quantity.hpp"

#include <fmt/format.h>

#include <array>
#include <span>

namespace tutti::topology {
namespace {

constexpr uint64_t kMostBytesPerS = 1'000'000'000'000'000'000;
constexpr uint64_t kMostNs = 1'000'000'000'000;
// So that a fraction times the largest unit stays within 64 bits.
constexpr size_t kMostFractionDigits = 6;

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 11> kBandwidths{{{"B/s", 1},
                                            {"kB/s", 1'000},
                                            {"MB/s", 1'000'000},
                                            {"GB/s", 1'000'000'000},
                                            {"TB/s", 1'000'000'000'000},
                                            {"MiB/s", uint64_t{1} << 20},
                                            {"GiB/s", uint64_t{1} << 30},
                                            {"TiB/s", uint64_t{1} << 40},
                                            {"Mbit/s", 125'000},
                                            {"Gbit/s", 125'000'000},
                                            {"Tbit/s", 125'000'000'000}}};
constexpr std::array<Unit, 4> kDurations{{{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}}};
constexpr std::array<Unit, 1> kShares{{{"%", 10}}};
constexpr std::array<Unit, 1> kRatios{{{":1", 1'000}}};

std::string names(std::span<const Unit> units) {
  std::string text;
  for (const Unit& unit : units) {
    text += fmt::format("{}\"{}\"", text.empty() ? "" : ", ", unit.name);
  }
  return text;
}

struct Bounds {
  uint64_t least;
  uint64_t most;
};

tl::unexpected<Status> refuse(std::string_view text, std::string_view complaint) {
  return tl::make_unexpected(invalid_argument("\"{}\" {}", text.substr(0, 64), complaint));
}

bool is_digit(char character) { return character >= '0' && character <= '9'; }

// Takes digits off the front of `rest`; false: more than fit.
bool take_digits(std::string_view& rest, uint64_t& value, size_t most) {
  size_t count = 0;
  for (value = 0; count < rest.size() && is_digit(rest[count]); ++count) {
    if (count == most) {
      return false;
    }
    value = value * 10 + static_cast<uint64_t>(rest[count] - '0');
  }
  rest.remove_prefix(count);
  return true;
}

Result<uint64_t> parse(std::string_view text, std::span<const Unit> units, Bounds bounds) {
  std::string_view rest = text;
  if (rest.starts_with('-')) {
    return refuse(text, "is negative");
  }
  if (rest.empty() || !is_digit(rest.front())) {
    return refuse(text, "does not begin with a number");
  }
  uint64_t whole = 0;
  uint64_t fraction = 0;
  uint64_t scale = 1;
  if (!take_digits(rest, whole, 18)) {
    return refuse(text, "is too large");
  }
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const size_t before = rest.size();
    if (!take_digits(rest, fraction, kMostFractionDigits)) {
      return refuse(text, fmt::format("has more than {} digits after the point", kMostFractionDigits));
    }
    for (size_t digits = before - rest.size(); digits > 0; --digits) {
      scale *= 10;
    }
    if (scale == 1) {
      return refuse(text, "has no digits after the point");
    }
  }
  while (rest.starts_with(' ')) {
    rest.remove_prefix(1);
  }
  if (rest.empty()) {
    return refuse(text, fmt::format("has no unit: one of {}", names(units)));
  }
  for (const Unit& unit : units) {
    if (rest == unit.name) {
      if (whole > bounds.most / unit.factor) {
        return refuse(text, "is too large");
      }
      const uint64_t value = whole * unit.factor + fraction * unit.factor / scale;
      if (value < bounds.least) {
        return refuse(text, "is too small");
      }
      if (value > bounds.most) {
        return refuse(text, "is too large");
      }
      return value;
    }
  }
  return refuse(text, fmt::format("has the unit \"{}\", which is none of {}", rest.substr(0, 16), names(units)));
}

std::string in_unit(uint64_t value, std::span<const Unit> ascending) {
  const Unit* chosen = &ascending.front();
  for (const Unit& unit : ascending) {
    if (value >= unit.factor) {
      chosen = &unit;
    }
  }
  return fmt::format("{:.4g} {}", static_cast<double>(value) / static_cast<double>(chosen->factor), chosen->name);
}

Result<uint32_t> narrow(const Result<uint64_t>& wide) {
  return wide.map([](uint64_t value) { return static_cast<uint32_t>(value); });
}

}  // namespace

Result<uint64_t> parse_bandwidth(std::string_view text) { return parse(text, kBandwidths, {.least = 1, .most = kMostBytesPerS}); }
Result<uint64_t> parse_duration(std::string_view text) { return parse(text, kDurations, {.least = 0, .most = kMostNs}); }
Result<uint32_t> parse_share(std::string_view text) { return narrow(parse(text, kShares, {.least = 1, .most = 1'000})); }
Result<uint32_t> parse_ratio(std::string_view text) { return narrow(parse(text, kRatios, {.least = 1'000, .most = 1'000'000})); }

std::string format_bandwidth(uint64_t bytes_per_s) { return in_unit(bytes_per_s, std::span(kBandwidths).first(5)); }
std::string format_duration(uint64_t ns) { return in_unit(ns, kDurations); }
std::string format_share(uint32_t per_mille) { return fmt::format("{:.4g} %", static_cast<double>(per_mille) / 10); }

}  // namespace tutti::topology
