// SPDX-License-Identifier: Apache-2.0
#include "api/objects.hpp"
#include "tutti/tutti.h"

namespace {
using namespace tutti;
using namespace tutti::api;
}  // namespace

extern "C" {

tuttiResult_t tuttiGetVersion(int* version) {
  return guarded([&]() -> Status {
    if (version == nullptr) {
      return invalid_argument("tuttiGetVersion: version is NULL");
    }
    *version = TUTTI_VERSION_CODE;
    return {};
  });
}

const char* tuttiGetErrorString(tuttiResult_t result) {
  switch (result) {
    case tuttiSuccess: return "no error";
    case tuttiUnhandledCudaError: return "unhandled device error";
    case tuttiSystemError: return "a system call failed";
    case tuttiInternalError: return "internal error";
    case tuttiInvalidArgument: return "invalid argument";
    case tuttiInvalidUsage: return "invalid usage";
    case tuttiRemoteError: return "a peer died or its link broke";
    case tuttiInProgress: return "in progress";
    case tuttiMismatch: return "ranks called different collectives or disagree about their arguments";
    case tuttiTimeout: return "a wait for a peer outlasted the timeout";
    case tuttiAborted: return "the communicator was aborted";
    case tuttiUnsupported: return "not supported";
    case tuttiNumResults: break;
  }
  return "unknown result code";
}

const char* tuttiGetLastError(tuttiComm_t comm) {
  thread_local std::string text;
  if (comm == nullptr) {
    text = last_error_of_thread();
    return text.c_str();
  }
  const auto pin = communicators().pin(comm);
  if (!pin) {
    text = "the communicator was never made or has been destroyed";
    return text.c_str();
  }
  text = pin->communicator->failure().message();
  if (text.empty()) {
    const std::lock_guard lock(pin->mutex);
    text = pin->last_error;
  }
  return text.c_str();
}

}  // extern "C"
