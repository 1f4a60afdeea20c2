// SPDX-License-Identifier: Apache-2.0
// Ranks of one communicator that one thread brought up together. That thread also ends them one after the other, so the first must not wait for
// the others: all but the last one to leave only say so, and the last one waits for all.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/status.hpp"
#include "comm/communicator.hpp"

namespace tutti::api {

class Cohort {
 public:
  // Before any member leaves.
  void join() { ++present_; }

  // A member, which has begun to finalise, leaves. The last one's call blocks until all of them have parted from their peers, and returns the
  // first failure.
  Status leave(std::shared_ptr<comm::Communicator> member);
  // A member has been aborted, or has never come up.
  Status drop_out() { return leave(nullptr); }

 private:
  std::mutex mutex_;  // guards both
  size_t present_ = 0;
  std::vector<std::shared_ptr<comm::Communicator>> leaving_;
};

}  // namespace tutti::api
