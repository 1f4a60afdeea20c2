// SPDX-License-Identifier: Apache-2.0
// Unequal blocks: of the `block` elements the pair of ranks has room for, rank a sends rank b between half and all, depending on a + b.
// The matrix is symmetric, so that one array of counts and displacements serves both directions and in place.
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

struct Blocks {
  std::vector<size_t> counts;
  std::vector<size_t> displacements;
};

size_t count_at(size_t room, int position, int rank_count) {
  return room - room / 2 * static_cast<size_t>(position) / static_cast<size_t>(rank_count);
}

size_t count_between(const Geometry& geometry, int a, int b) {
  return count_at(geometry.layout.call_count, (a + b) % geometry.rank_count, geometry.rank_count);
}

Blocks blocks_of(const Geometry& geometry, int rank) {
  Blocks blocks;
  for (int peer = 0; peer < geometry.rank_count; ++peer) {
    blocks.counts.push_back(count_between(geometry, rank, peer));
    blocks.displacements.push_back(static_cast<size_t>(peer) * geometry.layout.call_count);
  }
  return blocks;
}

class AlltoAllV final : public Collective {
 public:
  std::string_view name() const override { return "AlltoAllV"; }

  Layout layout(size_t count, int rank_count) const override {
    const size_t block = count / static_cast<size_t>(rank_count);
    const size_t whole = block * static_cast<size_t>(rank_count);
    return {.send_count = whole, .receive_count = whole, .call_count = block};
  }

  // What a rank sends and receives: each row of the matrix holds the same counts in another order.
  size_t size_count(const Layout& layout, int rank_count) const override {
    size_t sum = 0;
    for (int position = 0; position < rank_count; ++position) sum += count_at(layout.call_count, position, rank_count);
    return sum;
  }

  double bus_factor(int rank_count) const override { return share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    const Blocks blocks = blocks_of(call.geometry, call.geometry.rank);
    return tuttiAlltoAllV(call.send, blocks.counts.data(), blocks.displacements.data(), call.receive, blocks.counts.data(),
                          blocks.displacements.data(), call.datatype.code, call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t room = geometry.layout.call_count;
    const Blocks received = blocks_of(geometry, geometry.rank);
    std::vector<Block> blocks;
    for (int peer = 0; peer < geometry.rank_count; ++peer) {
      const auto index = static_cast<size_t>(peer);
      const size_t first = received.displacements[index];
      const size_t count = received.counts[index];
      blocks.push_back({first, count, Content::input, peer, static_cast<size_t>(geometry.rank) * room});
      const Block gap_before_next = geometry.place == Place::in_place
                                        ? Block{first + count, room - count, Content::input, geometry.rank, first + count}
                                        : Block{first + count, room - count, Content::untouched, 0, 0};
      blocks.push_back(gap_before_next);
    }
    return blocks;
  }
};

}  // namespace

const Collective& collectives::alltoallv() {
  static const AlltoAllV instance;
  return instance;
}

}  // namespace tutti::perf
