// SPDX-License-Identifier: Apache-2.0
#include "api/objects.hpp"

namespace tutti::api {

namespace {

std::string& thread_error() {
  thread_local std::string text;
  return text;
}

template <typename Object>
Result<typename HandleTable<Object>::Pin> pin(HandleTable<Object>& table, const void* handle, std::string_view function,
                                              std::string_view argument) {
  if (handle == nullptr) {
    return tl::make_unexpected(invalid_argument("{}: {} is NULL", function, argument));
  }
  auto pinned = table.pin(handle);
  if (!pinned) {
    return tl::make_unexpected(
        invalid_argument("{}: {} is {}, which was never made or has been destroyed", function, argument, handle));
  }
  return pinned;
}

}  // namespace

// The tables are never destroyed: other static objects' destructors may still call.
HandleTable<CommunicatorObject>& communicators() {
  static auto* const table = new HandleTable<CommunicatorObject>;
  return *table;
}
HandleTable<StreamObject>& streams() {
  static auto* const table = new HandleTable<StreamObject>;
  return *table;
}
HandleTable<EventObject>& events() {
  static auto* const table = new HandleTable<EventObject>;
  return *table;
}

Result<CommunicatorPin> pin_communicator(tuttiComm_t comm, std::string_view function) {
  return pin(communicators(), comm, function, "comm");
}
Result<HandleTable<StreamObject>::Pin> pin_stream(tuttiStream_t stream, std::string_view function) {
  return pin(streams(), stream, function, "stream");
}
Result<HandleTable<EventObject>::Pin> pin_event(tuttiEvent_t event, std::string_view function) {
  return pin(events(), event, function, "event");
}

Result<std::shared_ptr<engine::Stream>> find_stream(tuttiStream_t stream, std::string_view function) {
  if (stream == nullptr) {
    return std::shared_ptr<engine::Stream>();
  }
  auto pinned = pin_stream(stream, function);
  if (!pinned) {
    return tl::make_unexpected(pinned.error());
  }
  return (*pinned)->stream;
}

tuttiResult_t report(const Status& status) {
  if (!status.ok()) {
    thread_error() = status.message();
  }
  return status.code();
}

void keep_error(CommunicatorObject& object, const Status& status) {
  if (!status.ok()) {
    const std::lock_guard lock(object.mutex);
    object.last_error = status.message();
  }
}

const std::string& last_error_of_thread() { return thread_error(); }

}  // namespace tutti::api
