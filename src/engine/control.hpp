// SPDX-License-Identifier: Apache-2.0
// What executors tell each other beside data, on the control channel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/status.hpp"
#include "engine/signature.hpp"

namespace tutti::engine {

// "I wait for you in this call: is it what you called?" Sent by a rank whose operation makes no progress.
struct Inquiry {
  uint64_t sequence = 0;
  Signature signature;
  uint32_t chain = 0;  // of all calls up to this one
};
// "I wait in that call too." The answer to an inquiry.
struct Waiting {
  uint64_t sequence = 0;
};
// "The communicator has failed, and this is why." Everyone who gets it fails with the same words.
struct FailureNotice {
  Status status;
};
// "Nothing more will come from me, and I need nothing more from you."
struct Goodbye {};

// "Rank `origin` needs a link to rank `target`." Passed on from rank to rank until it is there.
struct LinkRequest {
  uint32_t origin = 0;
  uint32_t target = 0;
};

using ControlMessage = std::variant<Inquiry, Waiting, FailureNotice, Goodbye, LinkRequest>;

// Longer texts are cut.
inline constexpr size_t kMaxControlBytes = 512;

std::vector<std::byte> encode(const ControlMessage& message);
// Empty for bytes that make no sense.
std::optional<ControlMessage> decode_control(std::span<const std::byte> bytes);

}  // namespace tutti::engine
