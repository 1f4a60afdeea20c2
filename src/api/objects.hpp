// SPDX-License-Identifier: Apache-2.0
// What stands behind the handles of the C API, and how every C function is guarded.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>

#include "api/cohort.hpp"
#include "api/handles.hpp"
#include "base/status.hpp"
#include "comm/communicator.hpp"
#include "engine/engine.hpp"

namespace tutti::api {

struct CommunicatorObject {
  CommunicatorObject(std::shared_ptr<comm::Communicator> made, std::shared_ptr<Cohort> together)
      : communicator(std::move(made)), cohort(std::move(together)) {}

  const std::shared_ptr<comm::Communicator> communicator;
  const std::shared_ptr<Cohort> cohort;
  std::atomic<bool> has_left{false};  // the cohort; exchanged by whoever ends the communicator, so that it leaves once
  std::mutex mutex;  // guards last_error
  std::string last_error;
};

struct StreamObject {
  const std::shared_ptr<engine::Stream> stream = std::make_shared<engine::Stream>();
};

struct EventObject {
  std::mutex mutex;  // guards the record
  std::shared_ptr<engine::Stream> stream;  // null: never recorded
  uint64_t count = 0;
};

HandleTable<CommunicatorObject>& communicators();
HandleTable<StreamObject>& streams();
HandleTable<EventObject>& events();

using CommunicatorPin = HandleTable<CommunicatorObject>::Pin;

// Says what is wrong with a handle that could not be pinned.
Status not_alive(const void* handle, std::string_view function, std::string_view argument);

template <typename Object>
Result<typename HandleTable<Object>::Pin> pin(HandleTable<Object>& table, const void* handle, std::string_view function,
                                              std::string_view argument) {
  Result<typename HandleTable<Object>::Pin> pinned(table.pin(handle));
  if (!*pinned) {
    pinned = tl::make_unexpected(not_alive(handle, function, argument));
  }
  return pinned;
}

// The object behind a handle. Errors: tuttiInvalidArgument naming the function, for NULL and for handles that are not alive.
inline Result<CommunicatorPin> pin_communicator(tuttiComm_t comm, std::string_view function) {
  return pin(communicators(), comm, function, "comm");
}
inline Result<HandleTable<StreamObject>::Pin> pin_stream(tuttiStream_t stream, std::string_view function) {
  return pin(streams(), stream, function, "stream");
}
inline Result<HandleTable<EventObject>::Pin> pin_event(tuttiEvent_t event, std::string_view function) {
  return pin(events(), event, function, "event");
}
// As above, but a NULL stream gives a null pointer: the communicator's own.
Result<std::shared_ptr<engine::Stream>> find_stream(tuttiStream_t stream, std::string_view function);

// Keeps the text of a failure for tuttiGetLastError, and for tuttiGetLastError(comm).
void keep_thread_error(const Status& failure);
void keep_communicator_error(CommunicatorObject& object, const Status& failure);
// The calling thread's last error.
const std::string& last_error_of_thread();

// Keeps the text, if it is a failure, and gives the code.
inline tuttiResult_t report(const Status& status) {
  if (status.ok()) {
    return tuttiSuccess;
  }
  keep_thread_error(status);
  return status.code();
}
inline void keep_error(CommunicatorObject& object, const Status& status) {
  if (!status.ok()) {
    keep_communicator_error(object, status);
  }
}

// Runs a C function's body: nothing is thrown into C, and nothing runs in a forked child.
template <typename Body>
tuttiResult_t guarded(Body&& body) noexcept {
  try {
    if (engine::Engine::has_forked()) {
      return report(invalid_usage("Tutti cannot be used in a process that was forked after its initialisation; use exec"));
    }
    return report(body());
  } catch (const std::bad_alloc&) {
    return report(failure(tuttiSystemError, "out of memory"));
  } catch (const std::exception& error) {
    return report(internal_error("unexpected exception: {}", error.what()));
  } catch (...) {
    return report(internal_error("unexpected exception"));
  }
}

// As guarded(), for a call on a communicator: body(Communicator&) -> Status. The text is kept for the communicator too.
template <typename Body>
tuttiResult_t guarded_on(tuttiComm_t comm, std::string_view function, Body&& body) noexcept {
  return guarded([&]() -> Status {
    auto pin = pin_communicator(comm, function);
    if (!pin) {
      return pin.error();
    }
    Status status = body(*(*pin)->communicator);
    keep_error(**pin, status);
    return status;
  });
}

}  // namespace tutti::api
