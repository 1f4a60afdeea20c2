// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/pmix.hpp"

#include <pmix.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>

#include "bootstrap/unique_id.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

Status pmix_failure(pmix_status_t error, std::string_view operation) {
  return failure(tuttiSystemError, "{}: {}", operation, PMIx_Error_string(error));
}

// The process's attachment to its server. Kept until the process exits, since a server takes a client that finalises and comes back for two; the
// library counts its users, so an MPI library's own use is not disturbed.
class Session {
 public:
  static Session& instance() {
    static Session session;
    return session;
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() {
    // A forked child has its parent's memory but not its attachment.
    if (attached_ && ::getpid() == owner_) {
      PMIx_Finalize(nullptr, 0);
    }
  }

  // Calls of all threads take their turn: they number the keys.
  std::mutex& mutex() { return mutex_; }
  Status attach() {
    if (attached_ && ::getpid() != owner_) {
      return invalid_usage("tuttiCommInitFromEnv: a forked child of a launched process has no place of its own");
    }
    if (!attached_) {
      if (const pmix_status_t error = PMIx_Init(&self_, nullptr, 0); error != PMIX_SUCCESS) {
        return pmix_failure(error, "PMIx_Init");
      }
      attached_ = true;
      owner_ = ::getpid();
    }
    return {};
  }
  const pmix_proc_t& self() const { return self_; }
  uint64_t next_call() { return call_++; }

 private:
  Session() = default;

  std::mutex mutex_;
  bool attached_ = false;
  pid_t owner_ = 0;
  pmix_proc_t self_{};
  uint64_t call_ = 0;
};

pmix_proc_t process_of(const Session& session, pmix_rank_t rank) {
  pmix_proc_t process = session.self();
  process.rank = rank;
  return process;
}

struct ReleaseValue {
  void operator()(pmix_value_t* value) const { PMIX_VALUE_RELEASE(value); }
};
using Value = std::unique_ptr<pmix_value_t, ReleaseValue>;

Result<Value> get(const pmix_proc_t& process, const std::string& key) {
  pmix_value_t* value = nullptr;
  if (const pmix_status_t error = PMIx_Get(&process, key.c_str(), nullptr, 0, &value); error != PMIX_SUCCESS) {
    return tl::make_unexpected(pmix_failure(error, fmt::format("PMIx_Get of {}", key)));
  }
  return Value(value);
}

Status publish(const std::string& key, Bytes bytes) {
  pmix_value_t value{};
  value.type = PMIX_BYTE_OBJECT;
  value.data.bo.bytes = reinterpret_cast<char*>(bytes.data());
  value.data.bo.size = bytes.size();
  if (const pmix_status_t error = PMIx_Put(PMIX_GLOBAL, key.c_str(), &value); error != PMIX_SUCCESS) {
    return pmix_failure(error, fmt::format("PMIx_Put of {}", key));
  }
  const pmix_status_t error = PMIx_Commit();
  return error == PMIX_SUCCESS ? Status() : pmix_failure(error, "PMIx_Commit");
}

// Shared with the callback, which may come after the wait has been given up.
struct FenceState {
  std::mutex mutex;
  std::condition_variable ended;
  std::optional<pmix_status_t> result;
};

void on_fence_end(pmix_status_t result, void* data) {
  const std::unique_ptr<std::shared_ptr<FenceState>> state(static_cast<std::shared_ptr<FenceState>*>(data));
  const std::lock_guard lock((*state)->mutex);
  (*state)->result = result;
  (*state)->ended.notify_all();
}

// Waits until every rank is here, and hands out what has been published.
Status fence(const Session& session, const Settings& settings) {
  const pmix_proc_t all = process_of(session, PMIX_RANK_WILDCARD);
  pmix_info_t collect{};
  std::strncpy(collect.key, PMIX_COLLECT_DATA, sizeof collect.key - 1);
  collect.value.type = PMIX_BOOL;
  collect.value.data.flag = true;
  const auto state = std::make_shared<FenceState>();
  auto handed_out = std::make_unique<std::shared_ptr<FenceState>>(state);
  const pmix_status_t error = PMIx_Fence_nb(&all, 1, &collect, 1, on_fence_end, handed_out.get());
  if (error == PMIX_OPERATION_SUCCEEDED) {
    return {};  // at once, without the callback
  }
  if (error != PMIX_SUCCESS) {
    return pmix_failure(error, "PMIx_Fence");
  }
  static_cast<void>(handed_out.release());  // the callback's now
  std::unique_lock lock(state->mutex);
  const auto has_ended = [&] { return state->result.has_value(); };
  if (settings.timeout_ms == 0) {
    state->ended.wait(lock, has_ended);
  } else if (!state->ended.wait_for(lock, std::chrono::milliseconds(settings.timeout_ms), has_ended)) {
    return timeout_error("tuttiCommInitFromEnv: waited {} ms in PMIx_Fence for the other ranks", settings.timeout_ms);
  }
  return *state->result == PMIX_SUCCESS ? Status() : pmix_failure(*state->result, "PMIx_Fence");
}

// Rank 0 makes the id and publishes it, or why it could not.
Bytes make_announcement(const Settings& settings) {
  const Result<tuttiUniqueId> id = create_unique_id(settings);
  if (!id) {
    return encode_status(id.error());
  }
  return Writer().u32(tuttiSuccess).bytes(std::as_bytes(std::span(id->internal))).take();
}

Result<tuttiUniqueId> read_announcement(std::span<const std::byte> announcement) {
  Reader reader(announcement);
  tuttiUniqueId id;
  if (reader.u32() == static_cast<uint32_t>(tuttiSuccess) && reader.rest().size() == sizeof id.internal) {
    std::memcpy(id.internal, reader.rest().data(), sizeof id.internal);
    return id;
  }
  return tl::make_unexpected(
      decode_status(announcement).value_or(internal_error("rank 0 published something through PMIx that is no id")));
}

Result<uint32_t> job_size(const Session& session) {
  const Result<Value> size = get(process_of(session, PMIX_RANK_WILDCARD), PMIX_JOB_SIZE);
  if (!size) {
    return tl::make_unexpected(size.error());
  }
  if ((*size)->type != PMIX_UINT32 || session.self().rank >= (*size)->data.uint32) {
    return tl::make_unexpected(failure(tuttiSystemError, "PMIx gave rank {} and no fitting job size", session.self().rank));
  }
  return (*size)->data.uint32;
}

}  // namespace

bool launched_by_pmix() { return std::getenv("PMIX_RANK") != nullptr && std::getenv("PMIX_NAMESPACE") != nullptr; }

Result<Placement> placement_from_pmix(const Settings& settings) {
  Session& session = Session::instance();
  const std::lock_guard lock(session.mutex());
  TUTTI_UNEXPECTED_IF_ERROR(session.attach());
  const Result<uint32_t> rank_count = job_size(session);
  if (!rank_count) {
    return tl::make_unexpected(rank_count.error());
  }
  const std::string key = fmt::format("tutti.id.{}", session.next_call());
  const uint32_t rank = session.self().rank;
  Bytes announcement;
  if (rank == 0) {
    announcement = make_announcement(settings);
    TUTTI_UNEXPECTED_IF_ERROR(publish(key, announcement));
  }
  TUTTI_UNEXPECTED_IF_ERROR(fence(session, settings));
  if (rank != 0) {
    const Result<Value> published = get(process_of(session, 0), key);
    if (!published) {
      return tl::make_unexpected(published.error());
    }
    if ((*published)->type != PMIX_BYTE_OBJECT) {
      return tl::make_unexpected(internal_error("rank 0 published something through PMIx that is no id"));
    }
    const auto bytes = std::as_bytes(std::span((*published)->data.bo.bytes, (*published)->data.bo.size));
    announcement.assign(bytes.begin(), bytes.end());
  }
  const Result<tuttiUniqueId> id = read_announcement(announcement);
  if (!id) {
    return tl::make_unexpected(id.error());
  }
  return Placement{.rank = rank, .rank_count = *rank_count, .id = *id, .launcher = "PMIx"};
}

}  // namespace tutti::bootstrap
