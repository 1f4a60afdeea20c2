// SPDX-License-Identifier: Apache-2.0
#include "comm/operators.hpp"

namespace tutti::comm {

tuttiRedOp_t Operators::add(const CustomOperator& custom) {
  const std::lock_guard lock(mutex_);
  // Numbers are not used again, so that a destroyed operator is recognised.
  const int number = next_++;
  operators_[number] = custom;
  return static_cast<tuttiRedOp_t>(number);
}

Status Operators::remove(tuttiRedOp_t op) {
  const int number = static_cast<int>(op);
  if (number >= 0 && number < tuttiNumOps) {
    return invalid_argument("tuttiRedOpDestroy: op is {}, a built-in operator", number);
  }
  const std::lock_guard lock(mutex_);
  if (operators_.erase(number) == 0) {
    return invalid_argument("tuttiRedOpDestroy: op is {}, which no operator of this communicator has", number);
  }
  return {};
}

std::optional<CustomOperator> Operators::find(tuttiRedOp_t op) const {
  const std::lock_guard lock(mutex_);
  const auto found = operators_.find(static_cast<int>(op));
  return found == operators_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace tutti::comm
