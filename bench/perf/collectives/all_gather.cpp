// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class AllGather final : public Collective {
 public:
  std::string_view name() const override { return "AllGather"; }

  Layout layout(size_t count, int rank_count) const override {
    const size_t block = count / static_cast<size_t>(rank_count);
    return {.send_count = block,
            .receive_count = block * static_cast<size_t>(rank_count),
            .call_count = block,
            .in_place_send_stride = block};
  }

  double bus_factor(int rank_count) const override { return share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiAllGather(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t block = geometry.layout.call_count;
    std::vector<Block> blocks;
    for (int rank = 0; rank < geometry.rank_count; ++rank) {
      blocks.push_back({static_cast<size_t>(rank) * block, block, Content::input, rank, 0});
    }
    return blocks;
  }
};

}  // namespace

const Collective& collectives::all_gather() {
  static const AllGather instance;
  return instance;
}

}  // namespace tutti::perf
