// SPDX-License-Identifier: Apache-2.0
#include "api/objects.hpp"

namespace tutti::api {

namespace {

std::string& thread_error() {
  thread_local std::string text;
  return text;
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

Status not_alive(const void* handle, std::string_view function, std::string_view argument) {
  return handle == nullptr ? invalid_argument("{}: {} is NULL", function, argument)
                           : invalid_argument("{}: {} is {}, which was never made or has been destroyed", function, argument, handle);
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

void keep_thread_error(const Status& failure) { thread_error() = failure.message(); }

void keep_communicator_error(CommunicatorObject& object, const Status& failure) {
  const std::lock_guard lock(object.mutex);
  object.last_error = failure.message();
}

const std::string& last_error_of_thread() { return thread_error(); }

}  // namespace tutti::api
