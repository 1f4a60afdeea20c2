// SPDX-License-Identifier: Apache-2.0
// Operators made at run time on one communicator.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>

#include "base/status.hpp"
#include "reduce/reduce.hpp"

namespace tutti::comm {

struct CustomOperator {
  tuttiRedFunction_t function = nullptr;  // null: a pre-multiplied sum
  void* context = nullptr;
  tuttiDataType_t datatype = tuttiInt8;  // of the scalar
  std::array<std::byte, 8> scalar{};
};

class Operators {
 public:
  tuttiRedOp_t add(const CustomOperator& custom);
  // Errors: tuttiInvalidArgument for a built-in operator or one that is not there.
  Status remove(tuttiRedOp_t op);
  std::optional<CustomOperator> find(tuttiRedOp_t op) const;

 private:
  mutable std::mutex mutex_;
  std::map<int, CustomOperator> operators_;
  int next_ = tuttiNumOps;
};

}  // namespace tutti::comm
