// SPDX-License-Identifier: Apache-2.0
// Fills the buffers of one call and counts the wrong elements after it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "collective.hpp"
#include "numbers.hpp"

namespace tutti::perf {

// One rank's buffers in one call. `receive` has a guard before it and room for one behind; in place, both are one buffer.
struct CheckedCall {
  const Collective& collective;
  const Numbers& numbers;
  Geometry geometry;
  size_t element_bytes;
  uint32_t seed;
  std::byte* send;     // out of place only
  std::byte* receive;  // in place: the one buffer
};

// Writes the rank's send data, and a pattern over the rest of the receive buffer and its guards.
void prepare(const CheckedCall& call);

// Elements that differ from what they must be; the guards count too, byte by byte.
size_t count_wrong(const CheckedCall& call);

}  // namespace tutti::perf
