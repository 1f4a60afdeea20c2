// SPDX-License-Identifier: Apache-2.0
// Where the chunks of one call lie and how long they are: what turns a schedule, which knows no sizes, into addresses. All in elements.
#pragma once

#include <cstdint>
#include <span>

#include "schedule/schedule.hpp"

namespace tutti::schedule {

// Block lengths and displacements of a V collective, in elements. A displacement array may be empty: blocks then follow one another.
struct VariableBlocks {
  std::span<const uint64_t> send_counts;  // all_to_all, scatter on root: by destination
  std::span<const uint64_t> send_displacements;
  std::span<const uint64_t> receive_counts;  // all_gather, reduce_scatter, all_to_all; gather on root: by source
  std::span<const uint64_t> receive_displacements;
};

struct LayoutRequest {
  Problem problem;
  uint32_t rank = 0;
  uint32_t chunk_count = 1;
  uint32_t parts = 1;
  // Equal blocks. all_reduce, reduce, broadcast, barrier, send, receive: the vector's length. Others: a block's length. On gather_v/scatter_v
  // away from the root: the calling rank's own block length.
  uint64_t element_count = 0;
  VariableBlocks variable;  // Blocks::variable only; the arrays outlive the layout
  uint64_t element_bytes = 1;
};

class Layout {
 public:
  explicit Layout(const LayoutRequest& request);

  // Elements in chunks [first, first + count), as Schedule's numbering has them; known on the ranks that send or receive the chunk.
  uint64_t length(uint32_t first_chunk, uint32_t chunk_count) const;
  // Elements from the start of the buffer to the slot.
  uint64_t offset(Span span) const;
  // Elements of scratch a schedule with `scratch_slots` slots needs.
  uint64_t scratch_elements(uint32_t scratch_slots) const;

 private:
  uint64_t block_length(uint32_t block) const;
  LayoutRequest request_;
  uint64_t slot_stride_ = 0;  // of a scratch slot; in a cut vector, of every slot
};

}  // namespace tutti::schedule
