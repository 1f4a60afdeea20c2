// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class Reduce final : public Collective {
 public:
  std::string_view name() const override { return "Reduce"; }
  bool reduces() const override { return true; }
  bool has_root() const override { return true; }

  Layout layout(size_t count, int) const override {
    return {.send_count = count, .receive_count = count, .call_count = count};
  }

  double bus_factor(int) const override { return 1; }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiReduce(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.op,
                       call.geometry.root, call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    const size_t count = geometry.layout.receive_count;
    if (geometry.rank == geometry.root) return {{0, count, Content::reduction, 0, 0}};
    if (geometry.place == Place::in_place) return {{0, count, Content::input, geometry.rank, 0}};
    return {{0, count, Content::untouched, 0, 0}};
  }
};

}  // namespace

const Collective& collectives::reduce() {
  static const Reduce instance;
  return instance;
}

}  // namespace tutti::perf
