// SPDX-License-Identifier: Apache-2.0
#include "reduce/user_function.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "base/types.hpp"

namespace tutti::reduce {

namespace {

// Folds every input after the first into `accumulator`, which holds the first.
void fold(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, size_t offset_bytes,
          void* accumulator, size_t count) {
  for (const void* input : inputs.subspan(1)) {
    op.function(static_cast<const std::byte*>(input) + offset_bytes, accumulator, count, datatype, op.context);
  }
}

// The target is also an input that is needed later than the first write: each piece is gathered beside it.
void reduce_in_pieces(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target,
                      size_t count) {
  constexpr size_t kPieceBytes = 16 * 1024;  // stays in the first-level cache
  alignas(64) std::byte piece[kPieceBytes];
  const size_t element_bytes = size_of(datatype);
  const size_t most = kPieceBytes / element_bytes;
  for (size_t done = 0; done < count;) {
    const size_t now = std::min(most, count - done);
    const size_t offset_bytes = done * element_bytes;
    std::memcpy(piece, static_cast<const std::byte*>(inputs[0]) + offset_bytes, now * element_bytes);
    fold(op, datatype, inputs, offset_bytes, piece, now);
    std::memcpy(static_cast<std::byte*>(target) + offset_bytes, piece, now * element_bytes);
    done += now;
  }
}

}  // namespace

void reduce_by_function(const Operator& op, tuttiDataType_t datatype, std::span<const void* const> inputs, void* target,
                        size_t count) {
  const auto rest = inputs.subspan(1);
  if (std::find(rest.begin(), rest.end(), target) == rest.end()) {
    if (inputs[0] != target) std::memcpy(target, inputs[0], count * size_of(datatype));
    fold(op, datatype, inputs, 0, target, count);
  } else if (inputs.size() == 2 && inputs[0] != target) {
    op.function(inputs[0], target, count, datatype, op.context);
  } else {
    reduce_in_pieces(op, datatype, inputs, target, count);
  }
}

}  // namespace tutti::reduce
