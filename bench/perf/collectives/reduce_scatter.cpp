// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class ReduceScatter final : public Collective {
 public:
  std::string_view name() const override { return "ReduceScatter"; }
  bool reduces() const override { return true; }

  Layout layout(size_t count, int rank_count) const override {
    const size_t block = count / static_cast<size_t>(rank_count);
    return {.send_count = block * static_cast<size_t>(rank_count),
            .receive_count = block,
            .call_count = block,
            .in_place_receive_stride = block};
  }

  double bus_factor(int rank_count) const override { return share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiReduceScatter(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.op, call.comm,
                              call.stream);
  }

  // In place the other ranks' blocks may be used as scratch, so they are not checked.
  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t block = geometry.layout.call_count;
    const size_t own = static_cast<size_t>(geometry.rank) * block;
    return {{geometry.place == Place::in_place ? own : 0, block, Content::reduction, 0, own}};
  }
};

}  // namespace

const Collective& collectives::reduce_scatter() {
  static const ReduceScatter instance;
  return instance;
}

}  // namespace tutti::perf
