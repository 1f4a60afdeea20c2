// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include <algorithm>
#include <cstring>
#include <span>

#include "rank.hpp"

namespace tutti::perf {
namespace {

constexpr auto kUntouched = std::byte{0xA5};

size_t receive_bytes(const CheckedCall& call) {
  const Layout& layout = call.geometry.layout;
  const size_t count = call.geometry.place == Place::in_place ? std::max(layout.send_count, layout.receive_count)
                                                              : layout.receive_count;
  return count * call.element_bytes;
}

// Where the rank's send data lies.
std::byte* send_data(const CheckedCall& call) {
  if (call.geometry.place == Place::out_of_place) return call.send;
  const size_t first = static_cast<size_t>(call.geometry.rank) * call.geometry.layout.in_place_send_stride;
  return call.receive + first * call.element_bytes;
}

bool is_untouched(std::span<const std::byte> bytes) {
  // Each byte equals its neighbour, and the first the pattern: as fast as memory.
  return bytes.empty() ||
         (bytes[0] == kUntouched && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

size_t count_touched(std::span<const std::byte> bytes, size_t element_bytes) {
  if (is_untouched(bytes)) return 0;
  size_t touched = 0;
  for (size_t at = 0; at < bytes.size(); at += element_bytes) {
    touched += is_untouched(bytes.subspan(at, element_bytes)) ? 0 : 1;
  }
  return touched;
}

size_t count_wrong_in(const Block& block, const CheckedCall& call) {
  const std::byte* const actual = call.receive + block.first * call.element_bytes;
  switch (block.content) {
    case Content::untouched: return count_touched({actual, block.count * call.element_bytes}, call.element_bytes);
    case Content::input:
      return call.numbers.count_wrong_input({call.seed, block.source_rank, block.source_first}, block.count, actual);
    case Content::reduction:
      return call.numbers.count_wrong_reduction({call.seed, 0, block.source_first}, block.count, actual);
  }
  return 0;
}

}  // namespace

void prepare(const CheckedCall& call) {
  const size_t bytes = receive_bytes(call);
  std::memset(call.receive - Buffer::kGuardBytes, static_cast<int>(kUntouched), bytes + 2 * Buffer::kGuardBytes);
  call.numbers.write_input({call.seed, call.geometry.rank, 0}, call.geometry.layout.send_count, send_data(call));
}

size_t count_wrong(const CheckedCall& call) {
  size_t wrong = 0;
  for (const Block& block : call.collective.result(call.geometry)) wrong += count_wrong_in(block, call);
  wrong += count_touched({call.receive - Buffer::kGuardBytes, Buffer::kGuardBytes}, 1);
  wrong += count_touched({call.receive + receive_bytes(call), Buffer::kGuardBytes}, 1);
  return wrong;
}

}  // namespace tutti::perf
