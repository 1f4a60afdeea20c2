// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class Barrier final : public Collective {
 public:
  std::string_view name() const override { return "Barrier"; }
  bool works_in_place() const override { return false; }
  bool carries_data() const override { return false; }

  Layout layout(size_t, int) const override { return {}; }
  double bus_factor(int) const override { return 0; }
  tuttiResult_t enqueue(const Call& call) const override { return tuttiBarrier(call.comm, call.stream); }
  std::vector<Block> result(const Geometry&) const override { return {}; }
};

}  // namespace

const Collective& collectives::barrier() {
  static const Barrier instance;
  return instance;
}

}  // namespace tutti::perf
