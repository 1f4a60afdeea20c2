// SPDX-License-Identifier: Apache-2.0
#include "msccl/contributors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>

namespace tutti::msccl {
namespace {

constexpr uint64_t kMostWords = uint64_t{1} << 22;  // of all sets

}  // namespace

Contributors::Contributors(uint32_t rank_count) : rank_count_(rank_count) {
  const size_t word_count = (size_t{rank_count} + 63) / 64;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    Words words(word_count);
    words[rank / 64] = uint64_t{1} << (rank % 64);
    id_of_.emplace(words, rank);
    sets_.push_back(std::move(words));
    sizes_.push_back(1);
  }
}

Contributors::Id Contributors::unite(Id left, Id right) {
  const auto [known, is_new] = unions_.try_emplace({left, right}, kOverlap);
  if (!is_new) {
    return known->second;
  }
  Words words = sets_[left];
  for (size_t index = 0; index < words.size(); ++index) {
    if ((words[index] & sets_[right][index]) != 0) {
      return kOverlap;
    }
    words[index] |= sets_[right][index];
  }
  const auto [there, is_first] = id_of_.try_emplace(words, static_cast<Id>(sets_.size()));
  if (is_first) {
    if ((sets_.size() + 1) * words.size() > kMostWords) {
      return kTooMany;
    }
    sets_.push_back(std::move(words));
    sizes_.push_back(sizes_[left] + sizes_[right]);
  }
  known->second = there->second;
  return there->second;
}

uint32_t Contributors::lowest(Id id) const {
  uint32_t word = 0;
  while (sets_[id][word] == 0) {
    ++word;
  }
  return word * 64 + static_cast<uint32_t>(std::countr_zero(sets_[id][word]));
}

std::string Contributors::text(Id id) const {
  std::vector<uint32_t> ranks;
  for (uint32_t rank = 0; rank < rank_count_; ++rank) {
    if ((sets_[id][rank / 64] >> (rank % 64) & 1) != 0) {
      ranks.push_back(rank);
    }
  }
  return fmt::format("{{{}}}", fmt::join(ranks, ","));
}

}  // namespace tutti::msccl
