// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "base/status.hpp"

namespace tutti::transports::ofi {

// Why a link failed. The first reason stays, as others may only follow from it.
class Failure {
 public:
  bool ok() const { return status_.ok(); }
  const Status& status() const { return status_; }
  void note(Status why) {
    if (status_.ok()) {
      status_ = std::move(why);
    }
  }

 private:
  Status status_;
};

}  // namespace tutti::transports::ofi
