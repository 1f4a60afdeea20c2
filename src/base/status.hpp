// SPDX-License-Identifier: Apache-2.0
// How a fallible function answers: Status, or Result<T> when it also gives a value.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "tutti/tutti.h"

namespace tutti {

// A result code with a message. Success holds nothing, so passing it on costs one pointer.
class [[nodiscard]] Status {
 public:
  Status() = default;  // success
  Status(tuttiResult_t code, std::string message);
  Status(const Status& other) noexcept : failure_(other.failure_) {
    if (failure_ != nullptr) {
      share();
    }
  }
  Status(Status&& other) noexcept : failure_(std::exchange(other.failure_, nullptr)) {}
  Status& operator=(Status other) noexcept {
    std::swap(failure_, other.failure_);
    return *this;
  }
  ~Status() {
    if (failure_ != nullptr) [[unlikely]] {
      let_go();
    }
  }

  bool ok() const { return failure_ == nullptr; }
  tuttiResult_t code() const { return failure_ == nullptr ? tuttiSuccess : failure_->code; }
  const std::string& message() const {
    static const std::string none;
    return failure_ == nullptr ? none : failure_->message;
  }

 private:
  struct Failure {
    const tuttiResult_t code;
    const std::string message;
    std::atomic<uint32_t> owners{1};  // statuses that hold it
  };
  void share() const;
  void let_go() const;

  Failure* failure_ = nullptr;  // null: success; shared with the copies of this status
};

template <typename T>
using Result = tl::expected<T, Status>;

template <typename... Args>
Status failure(tuttiResult_t code, fmt::format_string<Args...> format, Args&&... args) {
  return Status(code, fmt::format(format, std::forward<Args>(args)...));
}

// The usual failures, with a fmt format: invalid_argument("tuttiSend: peer is {}", peer).
#define TUTTI_DEFINE_FAILURE(name, code)                              \
  template <typename... Args>                                         \
  Status name(fmt::format_string<Args...> format, Args&&... args) {   \
    return failure(code, format, std::forward<Args>(args)...);        \
  }
TUTTI_DEFINE_FAILURE(invalid_argument, tuttiInvalidArgument)
TUTTI_DEFINE_FAILURE(invalid_usage, tuttiInvalidUsage)
TUTTI_DEFINE_FAILURE(internal_error, tuttiInternalError)
TUTTI_DEFINE_FAILURE(remote_error, tuttiRemoteError)
TUTTI_DEFINE_FAILURE(mismatch_error, tuttiMismatch)
TUTTI_DEFINE_FAILURE(timeout_error, tuttiTimeout)
TUTTI_DEFINE_FAILURE(aborted_error, tuttiAborted)
TUTTI_DEFINE_FAILURE(unsupported_error, tuttiUnsupported)
#undef TUTTI_DEFINE_FAILURE

// A failed system call: "connect to 10.0.0.1:7000: Connection refused (ECONNREFUSED)". `error` is an errno value.
Status system_error(int error, std::string_view operation);

}  // namespace tutti

// Returns from the enclosing function when `expression`, a Status, is a failure.
#define TUTTI_RETURN_IF_ERROR(expression)                                    \
  do {                                                                       \
    if (::tutti::Status tutti_status = (expression); !tutti_status.ok()) {   \
      return tutti_status;                                                   \
    }                                                                        \
  } while (false)
// The same inside a function that returns Result<T>.
#define TUTTI_UNEXPECTED_IF_ERROR(expression)                                \
  do {                                                                       \
    if (::tutti::Status tutti_status = (expression); !tutti_status.ok()) {   \
      return tl::make_unexpected(std::move(tutti_status));                   \
    }                                                                        \
  } while (false)
