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
#include <vector>

#include "bootstrap/announcement.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

// Whom a timeout's message may name, and how long it may take to find out.
constexpr uint32_t kMaxAskedRanks = 1024;
constexpr std::chrono::milliseconds kRollCallLimit{500};

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

// Shared with callbacks, which may come after the wait has been given up.
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

struct RollCall {
  std::mutex mutex;
  std::condition_variable answered;
  std::vector<uint8_t> present;  // by rank
  uint32_t unanswered = 0;
};
struct Question {
  std::shared_ptr<RollCall> roll_call;
  uint32_t rank;
};

void on_answer(pmix_status_t result, pmix_value_t*, void* data) {
  const std::unique_ptr<Question> question(static_cast<Question*>(data));
  RollCall& roll_call = *question->roll_call;
  const std::lock_guard lock(roll_call.mutex);
  roll_call.present[question->rank] = result == PMIX_SUCCESS;
  --roll_call.unanswered;
  roll_call.answered.notify_all();
}

pmix_info_t flag(const char* key) {
  pmix_info_t info{};
  std::strncpy(info.key, key, sizeof info.key - 1);
  info.value.type = PMIX_BOOL;
  info.value.data.flag = true;
  return info;
}

// Which of the first ranks have not published `key`: a server answers for one of them once it has, so whoever has not been answered for soon.
MissingRanks missing_ranks(const Session& session, const std::string& key, uint32_t rank_count) {
  const uint32_t asked_count = std::min(rank_count, kMaxAskedRanks);
  const auto roll_call = std::make_shared<RollCall>();
  roll_call->present.resize(asked_count);
  for (uint32_t rank = 0; rank < asked_count; ++rank) {
    const pmix_proc_t process = process_of(session, rank);
    auto question = std::make_unique<Question>(Question{roll_call, rank});
    {
      const std::lock_guard lock(roll_call->mutex);
      ++roll_call->unanswered;
    }
    const pmix_status_t error = PMIx_Get_nb(&process, key.c_str(), nullptr, 0, on_answer, question.get());
    if (error == PMIX_SUCCESS) {
      static_cast<void>(question.release());  // the callback's now
    } else {
      const std::lock_guard lock(roll_call->mutex);
      roll_call->present[rank] = error == PMIX_OPERATION_SUCCEEDED;
      --roll_call->unanswered;
    }
  }
  std::unique_lock lock(roll_call->mutex);
  roll_call->answered.wait_for(lock, kRollCallLimit, [&] { return roll_call->unanswered == 0; });
  MissingRanks missing;
  for (uint32_t rank = 0; rank < asked_count; ++rank) {
    if (roll_call->present[rank] == 0 && ++missing.count <= kMaxListedRanks) {
      missing.listed.push_back(rank);
    }
  }
  return missing;
}

struct Meeting {
  std::string key;  // that each rank publishes before it waits
  uint32_t rank_count;
  uint64_t timeout_ms;
};

// Why a fence came to nothing: it ended with an error, as when a client has died before it came, or not in time.
Status unmet(const Session& session, const Meeting& meeting, std::optional<pmix_status_t> error) {
  const MissingRanks missing = missing_ranks(session, meeting.key, meeting.rank_count);
  if (error && missing.count == 0) {
    return pmix_failure(*error, "PMIx_Fence");
  }
  if (error) {
    return remote_error("tuttiCommInitFromEnv: PMIx_Fence ended without {}: {}", to_string(missing), PMIx_Error_string(*error));
  }
  return timeout_error("tuttiCommInitFromEnv: waited {} ms in PMIx_Fence for {}", meeting.timeout_ms,
                       missing.count == 0 ? "other ranks" : to_string(missing));
}

// Waits until every rank is here, and hands out what has been published.
Status fence(const Session& session, const Meeting& meeting) {
  const pmix_proc_t all = process_of(session, PMIX_RANK_WILDCARD);
  const pmix_info_t collect = flag(PMIX_COLLECT_DATA);
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
  if (meeting.timeout_ms == 0) {
    state->ended.wait(lock, has_ended);
  } else {
    state->ended.wait_for(lock, std::chrono::milliseconds(meeting.timeout_ms), has_ended);
  }
  const std::optional<pmix_status_t> result = state->result;
  lock.unlock();
  return result == PMIX_SUCCESS ? Status() : unmet(session, meeting, result);
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
  // The others publish nothing under it: that they are here.
  Bytes announcement = rank == 0 ? make_announcement(settings) : Bytes();
  TUTTI_UNEXPECTED_IF_ERROR(publish(key, announcement));
  TUTTI_UNEXPECTED_IF_ERROR(fence(session, {.key = key, .rank_count = *rank_count, .timeout_ms = settings.timeout_ms}));
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
  const Result<tuttiUniqueId> id = read_announcement(announcement, "PMIx");
  if (!id) {
    return tl::make_unexpected(id.error());
  }
  return Placement{.rank = rank, .rank_count = *rank_count, .id = *id, .launcher = "PMIx"};
}

}  // namespace tutti::bootstrap
