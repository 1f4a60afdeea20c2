// SPDX-License-Identifier: Apache-2.0
// Each rank sends to the next and receives from the one before, as a ring.
#include "collectives/collectives.hpp"

namespace tutti::perf {
namespace {

int next_of(const Geometry& geometry) { return (geometry.rank + 1) % geometry.rank_count; }
int previous_of(const Geometry& geometry) { return (geometry.rank + geometry.rank_count - 1) % geometry.rank_count; }

class SendRecv final : public Collective {
 public:
  std::string_view name() const override { return "SendRecv"; }
  // A buffer cannot be sent and received into at once.
  bool works_in_place() const override { return false; }

  Layout layout(size_t count, int) const override {
    return {.send_count = count, .receive_count = count, .call_count = count};
  }

  double bus_factor(int) const override { return 1; }

  tuttiResult_t enqueue(const Call& call) const override {
    const size_t count = call.geometry.layout.call_count;
    if (const auto result = tuttiGroupStart(); result != tuttiSuccess) return result;
    const auto sent = tuttiSend(call.send, count, call.datatype.code, next_of(call.geometry), call.comm, call.stream);
    const auto received =
        tuttiRecv(call.receive, count, call.datatype.code, previous_of(call.geometry), call.comm, call.stream);
    const auto ended = tuttiGroupEnd();  // also after a failure, so that the group is closed
    if (sent != tuttiSuccess) return sent;
    return received != tuttiSuccess ? received : ended;
  }

  std::vector<Block> result(const Geometry& geometry) const override {
    return {{0, geometry.layout.receive_count, Content::input, previous_of(geometry), 0}};
  }
};

}  // namespace

const Collective& collectives::sendrecv() {
  static const SendRecv instance;
  return instance;
}

}  // namespace tutti::perf
