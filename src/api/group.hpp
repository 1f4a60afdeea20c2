// SPDX-License-Identifier: Apache-2.0
// Calls between tuttiGroupStart and tuttiGroupEnd, per thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "api/objects.hpp"
#include "comm/call.hpp"

namespace tutti::api {

// A communicator that is to come up at the end of the group.
struct PendingInitialisation {
  std::shared_ptr<comm::Communicator> communicator;
  tuttiComm_t* handle = nullptr;  // where the application wants it
};

class Group {
 public:
  static Group& of_thread();

  bool is_open() const { return depth_ != 0; }
  Status start();
  Status end();

  // Takes a call that has been checked; its arrays are copied. The communicator is not pinned: another thread may end it before the group does.
  void add(std::shared_ptr<CommunicatorObject> object, const comm::Call& call, std::shared_ptr<engine::Stream> stream);
  void add(PendingInitialisation pending) { initialisations_.push_back(std::move(pending)); }
  // A call of the group was wrong: the group will fail with it.
  void note(const Status& status);

 private:
  struct PendingCall {
    std::shared_ptr<CommunicatorObject> object;
    comm::Call call;
    std::array<std::vector<size_t>, 4> tables;
    std::shared_ptr<engine::Stream> stream;

    comm::Communicator& communicator() const { return *object->communicator; }
  };

  Status run();
  Status check_sizes() const;
  Status enqueue_calls();

  uint32_t depth_ = 0;
  Status first_failure_;
  std::vector<PendingCall> calls_;
  std::vector<PendingInitialisation> initialisations_;
};

// Brings communicators up together and gives out their handles; those that fail leave NULL.
Status bring_up(std::vector<PendingInitialisation>& pending);

}  // namespace tutti::api
