// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class Gather final : public Collective {
 public:
  std::string_view name() const override { return "Gather"; }
  bool has_root() const override { return true; }

  Layout layout(size_t count, int rank_count) const override {
    const size_t block = count / static_cast<size_t>(rank_count);
    return {.send_count = block,
            .receive_count = block * static_cast<size_t>(rank_count),
            .call_count = block,
            .in_place_send_stride = block};
  }

  double bus_factor(int rank_count) const override { return share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiGather(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.geometry.root,
                       call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t block = geometry.layout.call_count;
    std::vector<Block> blocks;
    for (int rank = 0; rank < geometry.rank_count; ++rank) {
      const bool arrives = geometry.rank == geometry.root;
      const bool own_in_place = geometry.place == Place::in_place && rank == geometry.rank;
      const Content content = arrives || own_in_place ? Content::input : Content::untouched;
      blocks.push_back({static_cast<size_t>(rank) * block, block, content, rank, 0});
    }
    return blocks;
  }
};

}  // namespace

const Collective& collectives::gather() {
  static const Gather instance;
  return instance;
}

}  // namespace tutti::perf
