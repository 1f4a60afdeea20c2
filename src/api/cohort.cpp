// SPDX-License-Identifier: Apache-2.0
#include "api/cohort.hpp"

namespace tutti::api {

Status Cohort::leave(std::shared_ptr<comm::Communicator> member) {
  std::vector<std::shared_ptr<comm::Communicator>> all;
  {
    const std::lock_guard lock(mutex_);
    if (member != nullptr) {
      leaving_.push_back(std::move(member));
    }
    if (--present_ != 0) {
      return {};
    }
    all = std::move(leaving_);
  }
  return comm::Communicator::finish_finalizing(all);
}

}  // namespace tutti::api
