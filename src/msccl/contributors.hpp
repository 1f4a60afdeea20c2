// SPDX-License-Identifier: Apache-2.0
// Sets of ranks, each known by a number: whose contributions are in a chunk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tutti::msccl {

class Contributors {
 public:
  explicit Contributors(uint32_t rank_count);

  using Id = uint32_t;
  static constexpr Id kOverlap = UINT32_MAX;
  static constexpr Id kTooMany = UINT32_MAX - 1;

  // That rank alone.
  static Id only(uint32_t rank) { return rank; }
  // Both together; kOverlap if they have a rank in common, kTooMany if there are more sets than can be kept.
  Id unite(Id left, Id right);
  bool is_everyone(Id id) const { return sizes_[id] == rank_count_; }
  uint32_t lowest(Id id) const;
  // "{0,1,5}"
  std::string text(Id id) const;

 private:
  using Words = std::vector<uint64_t>;

  uint32_t rank_count_;
  std::vector<Words> sets_;
  std::vector<uint32_t> sizes_;
  std::map<Words, Id> id_of_;
  std::map<std::pair<Id, Id>, Id> unions_;
};

}  // namespace tutti::msccl
