// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class AlltoAll final : public Collective {
 public:
  std::string_view name() const override { return "AlltoAll"; }

  Layout layout(size_t count, int rank_count) const override {
    const size_t block = count / static_cast<size_t>(rank_count);
    const size_t whole = block * static_cast<size_t>(rank_count);
    return {.send_count = whole, .receive_count = whole, .call_count = block};
  }

  double bus_factor(int rank_count) const override { return share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiAlltoAll(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t block = geometry.layout.call_count;
    std::vector<Block> blocks;
    for (int rank = 0; rank < geometry.rank_count; ++rank) {
      blocks.push_back({static_cast<size_t>(rank) * block, block, Content::input, rank,
                        static_cast<size_t>(geometry.rank) * block});
    }
    return blocks;
  }
};

}  // namespace

const Collective& collectives::alltoall() {
  static const AlltoAll instance;
  return instance;
}

}  // namespace tutti::perf
