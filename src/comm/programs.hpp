// SPDX-License-Identifier: Apache-2.0
// Turns calls into requests of the engine. What calls of one shape share, plan and sizes, is made once and looked up from then on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/insert_only_table.hpp"
#include "base/status.hpp"
#include "comm/call.hpp"
#include "comm/operators.hpp"
#include "engine/operation.hpp"
#include "planner/planner.hpp"

namespace tutti::comm {

// Thread-safe.
class Programs {
 public:
  struct Setup {
    Position position;
    std::shared_ptr<planner::Planner> planner;
    std::string name;  // of the communicator, for messages
    engine::Data data = engine::Data::real;
  };
  // `operators` outlives this.
  Programs(Setup setup, const Operators& operators);

  // All that can be found wrong with a call here and now.
  Status check(const Call& call) const;
  // What a call asks of the engine. Errors: as check(), and what cannot be planned. Programs that the request does not own live as long as this.
  Result<engine::Request> request_for(const Call& call);

  planner::Planner& planner() const { return *planner_; }

 private:
  // What calls may differ in and yet share a program: the buffers, as long as they are in place alike.
  struct Shape {
    schedule::Collective collective = schedule::Collective::all_reduce;
    schedule::InPlace in_place = schedule::InPlace::no;
    tuttiDataType_t datatype = tuttiInt8;
    tuttiRedOp_t op = tuttiSum;
    int root = 0;
    size_t count = 0;

    bool operator==(const Shape&) const = default;
    uint64_t hash() const;
  };
  struct Known {
    Known(const Shape& its_shape, const engine::Program::Parts& parts) : shape(its_shape), program(parts) {}
    const Shape shape;
    const engine::Program program;
  };

  static bool is_rememberable(const Call& call);
  // Whether nothing is wrong with the buffers of a call of this shape.
  static bool fit(const Call& call, const Known& known);
  Shape shape_of(const Call& call) const;
  const Known* find(const Shape& shape) const;
  const Known* remember(const Shape& shape, const engine::Program::Parts& parts);
  engine::Request request_with(const Known& known, const Call& call) const;
  Result<engine::Request> request_anew(const Call& call);
  schedule::LayoutRequest layout_request(const Call& call, const schedule::Problem& problem, const schedule::Schedule& schedule) const;
  void set_buffers(const Call& call, engine::Request* request) const;
  Status set_schedules(const Call& call, const schedule::Problem& problem, engine::Program::Parts* parts);
  Status set_operator(const Call& call, engine::Program::Parts* parts) const;

  const Position position_;
  const std::shared_ptr<planner::Planner> planner_;
  const Operators& operators_;
  const std::string name_;
  const engine::Data data_;

  // What barriers exchange; its value means nothing. Touched by the executor's owner only.
  const std::byte barrier_input_{0};
  mutable std::byte barrier_output_{0};

  InsertOnlyTable<Known> table_;  // by Shape::hash(); read without the mutex, written under it
  std::mutex mutex_;              // guards known_
  std::vector<std::unique_ptr<const Known>> known_;
  // The one used last. Release; pairs with the acquire in find().
  mutable std::atomic<const Known*> last_{nullptr};
};

}  // namespace tutti::comm
