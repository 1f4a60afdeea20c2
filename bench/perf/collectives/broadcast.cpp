// SPDX-License-Identifier: Apache-2.0
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

class Broadcast final : public Collective {
 public:
  std::string_view name() const override { return "Broadcast"; }
  bool has_root() const override { return true; }

  Layout layout(size_t count, int) const override {
    return {.send_count = count, .receive_count = count, .call_count = count};
  }

  double bus_factor(int) const override { return 1; }

  tuttiResult_t enqueue(const Call& call) const override {
    return tuttiBroadcast(call.send, call.receive, call.geometry.layout.call_count, call.datatype.code, call.geometry.root,
                          call.comm, call.stream);
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    return {{0, geometry.layout.receive_count, Content::input, geometry.root, 0}};
  }
};

}  // namespace

const Collective& collectives::broadcast() {
  static const Broadcast instance;
  return instance;
}

}  // namespace tutti::perf
