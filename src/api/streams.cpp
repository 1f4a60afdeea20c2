// SPDX-License-Identifier: Apache-2.0
#include "api/objects.hpp"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::api;

engine::Engine& process_engine() { return engine::Engine::process(); }

// The first error of completed work, or that work is still running.
Status state_of(const std::shared_ptr<engine::Stream>& stream, uint64_t count) {
  if (!stream->has_completed(count)) {
    return failure(tuttiInProgress, "work on the stream has not completed");
  }
  return stream->take_failure();
}

struct Record {
  std::shared_ptr<engine::Stream> stream;
  uint64_t count = 0;
};

Record record_of(EventObject& event) {
  const std::lock_guard lock(event.mutex);
  return {event.stream, event.count};
}

}  // namespace

extern "C" {

tuttiResult_t tuttiStreamCreate(tuttiStream_t* stream) {
  return guarded([&]() -> Status {
    if (stream == nullptr) {
      return invalid_argument("tuttiStreamCreate: stream is NULL");
    }
    *stream = static_cast<tuttiStream_t>(streams().insert(std::make_shared<StreamObject>()));
    return *stream == nullptr ? failure(tuttiSystemError, "tuttiStreamCreate: too many streams") : Status();
  });
}

tuttiResult_t tuttiStreamDestroy(tuttiStream_t stream) {
  return guarded([&]() -> Status {
    {
      const auto pin = pin_stream(stream, "tuttiStreamDestroy");
      if (!pin) {
        return pin.error();
      }
      process_engine().wait_for((*pin)->stream, (*pin)->stream->issued());
    }
    streams().remove(stream);
    return {};
  });
}

tuttiResult_t tuttiStreamSynchronize(tuttiStream_t stream) {
  return guarded([&]() -> Status {
    const auto pin = pin_stream(stream, "tuttiStreamSynchronize");
    if (!pin) {
      return pin.error();
    }
    process_engine().wait_for((*pin)->stream, (*pin)->stream->issued());
    return (*pin)->stream->take_failure();
  });
}

tuttiResult_t tuttiStreamQuery(tuttiStream_t stream) {
  return guarded([&]() -> Status {
    const auto pin = pin_stream(stream, "tuttiStreamQuery");
    return pin ? state_of((*pin)->stream, (*pin)->stream->issued()) : pin.error();
  });
}

tuttiResult_t tuttiStreamWaitEvent(tuttiStream_t stream, tuttiEvent_t event) {
  return guarded([&]() -> Status {
    const auto stream_pin = pin_stream(stream, "tuttiStreamWaitEvent");
    if (!stream_pin) {
      return stream_pin.error();
    }
    const auto event_pin = pin_event(event, "tuttiStreamWaitEvent");
    if (!event_pin) {
      return event_pin.error();
    }
    if (Record record = record_of(**event_pin); record.stream != nullptr && record.stream != (*stream_pin)->stream) {
      process_engine().wait_on_stream((*stream_pin)->stream, std::move(record.stream), record.count);
    }
    return {};
  });
}

tuttiResult_t tuttiStreamLaunchHostFunc(tuttiStream_t stream, tuttiHostFunction_t function, void* userData) {
  return guarded([&]() -> Status {
    const auto pin = pin_stream(stream, "tuttiStreamLaunchHostFunc");
    if (!pin) {
      return pin.error();
    }
    if (function == nullptr) {
      return invalid_argument("tuttiStreamLaunchHostFunc: function is NULL");
    }
    process_engine().launch_host_function((*pin)->stream, function, userData);
    return {};
  });
}

tuttiResult_t tuttiEventCreate(tuttiEvent_t* event) {
  return guarded([&]() -> Status {
    if (event == nullptr) {
      return invalid_argument("tuttiEventCreate: event is NULL");
    }
    *event = static_cast<tuttiEvent_t>(events().insert(std::make_shared<EventObject>()));
    return *event == nullptr ? failure(tuttiSystemError, "tuttiEventCreate: too many events") : Status();
  });
}

tuttiResult_t tuttiEventDestroy(tuttiEvent_t event) {
  return guarded([&]() -> Status {
    if (const auto pin = pin_event(event, "tuttiEventDestroy"); !pin) {
      return pin.error();
    }
    events().remove(event);
    return {};
  });
}

tuttiResult_t tuttiEventRecord(tuttiEvent_t event, tuttiStream_t stream) {
  return guarded([&]() -> Status {
    const auto event_pin = pin_event(event, "tuttiEventRecord");
    if (!event_pin) {
      return event_pin.error();
    }
    const auto stream_pin = pin_stream(stream, "tuttiEventRecord");
    if (!stream_pin) {
      return stream_pin.error();
    }
    const std::lock_guard lock((*event_pin)->mutex);
    (*event_pin)->stream = (*stream_pin)->stream;
    (*event_pin)->count = (*stream_pin)->stream->issued();
    return {};
  });
}

tuttiResult_t tuttiEventSynchronize(tuttiEvent_t event) {
  return guarded([&]() -> Status {
    const auto pin = pin_event(event, "tuttiEventSynchronize");
    if (!pin) {
      return pin.error();
    }
    if (const Record record = record_of(**pin); record.stream != nullptr) {
      process_engine().wait_for(record.stream, record.count);
    }
    return {};
  });
}

tuttiResult_t tuttiEventQuery(tuttiEvent_t event) {
  return guarded([&]() -> Status {
    const auto pin = pin_event(event, "tuttiEventQuery");
    if (!pin) {
      return pin.error();
    }
    const Record record = record_of(**pin);
    const bool completed = record.stream == nullptr || record.stream->has_completed(record.count);
    return completed ? Status() : failure(tuttiInProgress, "the work the event stands for has not completed");
  });
}

}  // extern "C"
