// SPDX-License-Identifier: Apache-2.0
// What a socket of a link is called in its handshake. A link has one socket, or several *rails*: sockets over which its frames are spread, and which
// may be lost and made again while one of them is left.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace tutti::transports::tcp {

inline constexpr size_t kMaxRails = 16;

struct RailName {
  uint8_t session = 0;      // which of the connections between the two ranks; the one who connects counts them
  uint8_t incarnation = 0;  // how often this rail has been made again
  uint8_t count = 1;        // of rails that the one who connects tries; 1: a link of one socket
  uint8_t rail = 0;
  bool may_change = false;  // whether the link's sockets may be changed for others, of a later session

  bool operator==(const RailName&) const = default;
};

// The purpose that the accepting side of a handshake claims, and that of the only socket of a link's first session.
inline constexpr uint64_t kLinkPurpose = 0x7475'7463'0000'0000;

inline constexpr uint64_t kMayChangeBit = 0x8000;

// The purpose that the connecting side claims.
constexpr uint64_t purpose_of(const RailName& name) {
  return kLinkPurpose | uint64_t{name.session} << 24 | uint64_t{name.incarnation} << 16 | (name.may_change ? kMayChangeBit : 0) |
         uint64_t{static_cast<uint8_t>(name.count - 1)} << 8 | name.rail;
}

// Empty for a purpose of something else, or of a rail that cannot be.
constexpr std::optional<RailName> rail_name_of(uint64_t purpose) {
  const RailName name{.session = static_cast<uint8_t>(purpose >> 24),
                      .incarnation = static_cast<uint8_t>(purpose >> 16),
                      .count = static_cast<uint8_t>((purpose >> 8 & 0x7f) + 1),
                      .rail = static_cast<uint8_t>(purpose),
                      .may_change = (purpose & kMayChangeBit) != 0};
  const bool sound = name.count <= kMaxRails && name.rail < name.count && purpose_of(name) == purpose;
  return sound ? std::optional(name) : std::nullopt;
}

}  // namespace tutti::transports::tcp
