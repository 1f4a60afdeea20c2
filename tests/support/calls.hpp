// SPDX-License-Identifier: Apache-2.0
// Exercises by way of the public C API.
#pragma once

#include <string>
#include <utility>

#include "support/part.hpp"
#include "tutti/tutti.h"

namespace tutti::tests {

// An operator of a communicator for a reduction: a built-in one, or one made for the purpose and destroyed with this.
class OperatorHandle {
 public:
  OperatorHandle(const Exercise& exercise, int rank, tuttiComm_t comm);
  ~OperatorHandle();
  OperatorHandle(const OperatorHandle&) = delete;
  OperatorHandle& operator=(const OperatorHandle&) = delete;
  tuttiRedOp_t get() const { return op_; }
  tuttiResult_t made() const { return made_; }

 private:
  tuttiComm_t comm_;
  tuttiRedOp_t op_ = tuttiSum;
  bool custom_ = false;
  tuttiResult_t made_ = tuttiSuccess;
};

// Enqueues the call.
tuttiResult_t issue(const Part& part, tuttiComm_t comm, tuttiStream_t stream);

// The result, the library's text for it and the exercise; nothing for tuttiSuccess.
std::string describe_result(tuttiResult_t result, const Exercise& exercise, int rank, tuttiComm_t comm);

// Enqueues, waits, checks. Nothing when all is well.
std::string perform(const Exercise& exercise, int rank, tuttiComm_t comm);

}  // namespace tutti::tests
