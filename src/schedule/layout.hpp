// SPDX-License-Identifier: Apache-2.0
// Where the chunks of one call lie and how long they are: what turns a schedule, which knows no sizes, into addresses. All in elements.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

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

// Immutable once made, so any number of threads may ask it. length() and offset() take constant time and never allocate; sums and products
// that exceed 64 bits end at UINT64_MAX.
//
// A vector of n elements in c chunks: the stride is ceil(n / c), rounded up to a whole number of 64-byte lines unless that would leave
// a chunk empty that otherwise is not; chunk k covers [min(k * stride, n), min((k + 1) * stride, n)). A block of several parts is cut the
// same way.
class Layout {
 public:
  explicit Layout(const LayoutRequest& request);

  // Elements in chunks [first, first + count), as Schedule's numbering has them; known on the ranks that send or receive the chunk, 0 for
  // a variable block of which this rank knows nothing. With variable blocks chunk_count is 1.
  uint64_t length(uint32_t first_chunk, uint32_t chunk_count) const;
  // Elements from the start of the buffer to the slot; never past its end for a slot that exists.
  uint64_t offset(Span span) const;
  // Elements of scratch a schedule with `scratch_slots` slots needs.
  uint64_t scratch_elements(uint32_t scratch_slots) const;

 private:
  // How the slots of a user buffer are numbered.
  enum class Slots : uint8_t {
    chunks,     // the chunks of one vector
    own_block,  // the parts of the calling rank's block
    blocks,     // block after block
  };
  struct Side {
    Slots slots = Slots::chunks;
    std::span<const uint64_t> counts;         // variable blocks only
    std::span<const uint64_t> displacements;  // empty: `prefix`
    std::vector<uint64_t> prefix;
  };
  static Side make_side(Slots slots, std::span<const uint64_t> counts, std::span<const uint64_t> displacements);
  void make_equal_sides();
  void make_variable_sides();
  uint64_t largest_known_chunk() const;
  uint64_t variable_block_length(uint32_t block) const;
  uint64_t own_block_length() const;
  uint64_t stride_of(uint64_t element_count) const;
  uint64_t equal_blocks_before(uint64_t chunk) const;
  uint64_t offset_in(const Side& side, uint32_t slot) const;

  LayoutRequest request_;
  bool cut_vector_ = false;    // the problem is one vector, not blocks
  uint32_t cut_count_ = 1;     // chunks a vector, or a block, is cut into
  uint64_t stride_ = 0;        // from one chunk to the next within the vector or an equal block
  uint64_t slot_stride_ = 0;   // of a scratch slot: the largest chunk
  Side input_;
  Side output_;
};

}  // namespace tutti::schedule
