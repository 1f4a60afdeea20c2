// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class AllReduce final : public Collective {
 public:
  std::string_view name() const override { return "AllReduce"; }
  bool reduces() const override { return true; }

  Layout layout(size_t count, int) const override {
    return {.send_count = count, .receive_count = count, .call_count = count};
  }

  double bus_factor(int rank_count) const override { return 2 * share_of_peers(rank_count); }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiAllReduce(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.op, call.comm,
                          call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    return {{0, geometry.layout.receive_count, Content::reduction, 0, 0}};
  }
};

}  // namespace

const Collective& collectives::all_reduce() {
  static const AllReduce instance;
  return instance;
}

}  // namespace tutti::perf
