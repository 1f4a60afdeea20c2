// SPDX-License-Identifier: Apache-2.0
#include "api/group.hpp"

#include <algorithm>
#include <map>

namespace tutti::api {

namespace {
constexpr uint32_t kMaxDepth = 1 << 20;
}

Group& Group::of_thread() {
  thread_local Group group;
  return group;
}

Status Group::start() {
  if (depth_ == kMaxDepth) {
    return invalid_usage("tuttiGroupStart: {} groups are open already", depth_);
  }
  ++depth_;
  return {};
}

Status Group::end() {
  if (depth_ == 0) {
    return invalid_usage("tuttiGroupEnd: no group is open in this thread");
  }
  if (--depth_ != 0) {
    return {};
  }
  const Status outcome = first_failure_.ok() ? run() : first_failure_;
  calls_.clear();
  initialisations_.clear();
  first_failure_ = Status();
  return outcome;
}

void Group::note(const Status& status) {
  if (first_failure_.ok()) {
    first_failure_ = status;
  }
}

void Group::add(std::shared_ptr<CommunicatorObject> object, const comm::Call& call, std::shared_ptr<engine::Stream> stream) {
  const uint32_t rank_count = object->communicator->rank_count();
  PendingCall& pending = calls_.emplace_back(PendingCall{std::move(object), call, {}, std::move(stream)});
  if (call.op >= tuttiNumOps) {  // as in NCCL, an operator may be destroyed once the call has returned
    pending.call.custom = pending.communicator().operators().find(call.op);
  }
  const size_t** const tables[] = {&pending.call.send_counts, &pending.call.send_displacements, &pending.call.receive_counts,
                                   &pending.call.receive_displacements};
  for (size_t index = 0; index < std::size(tables); ++index) {
    if (*tables[index] != nullptr) {
      pending.tables[index].assign(*tables[index], *tables[index] + rank_count);
      *tables[index] = pending.tables[index].data();
    }
  }
}

Status Group::run() {
  TUTTI_RETURN_IF_ERROR(bring_up(initialisations_));
  TUTTI_RETURN_IF_ERROR(check_sizes());
  return enqueue_calls();
}

Status Group::check_sizes() const {
  std::map<const comm::Communicator*, size_t> counts;
  for (const PendingCall& pending : calls_) {
    TUTTI_RETURN_IF_ERROR(pending.communicator().check_usable(pending.call.function));
    if (++counts[&pending.communicator()] > engine::kQueueCapacity) {
      return invalid_usage("tuttiGroupEnd: more than {} calls of one communicator in a group", engine::kQueueCapacity);
    }
  }
  return {};
}

// All calls of one stream start where its first one does, so that they run side by side. Whatever can be wrong shows before the first is enqueued.
Status Group::enqueue_calls() {
  std::vector<engine::Request> requests;
  requests.reserve(calls_.size());
  for (const PendingCall& pending : calls_) {
    auto request = pending.communicator().prepare(pending.call);
    if (!request) {
      return request.error();
    }
    requests.push_back(std::move(*request));
  }
  std::map<const engine::Stream*, engine::Stream::Ticket> starts;
  for (size_t index = 0; index < calls_.size(); ++index) {
    comm::Communicator& communicator = calls_[index].communicator();
    const auto& stream = calls_[index].stream != nullptr ? calls_[index].stream : communicator.own_stream();
    const auto start = starts.try_emplace(stream.get(), engine::Stream::Ticket{stream->issued()}).first;
    TUTTI_RETURN_IF_ERROR(communicator.submit(std::move(requests[index]), stream, &start->second));
  }
  return {};
}

Status bring_up(std::vector<PendingInitialisation>& pending) {
  std::vector<std::shared_ptr<comm::Communicator>> blocking;
  for (const PendingInitialisation& one : pending) {
    if (one.communicator->config().blocking) {
      blocking.push_back(one.communicator);
    }
  }
  Status outcome = comm::Communicator::initialise(blocking);
  bool in_background = false;
  std::map<uint64_t, std::shared_ptr<Cohort>> cohorts;  // by job
  for (PendingInitialisation& one : pending) {
    *one.handle = nullptr;
    if (!one.communicator->config().blocking) {
      comm::Communicator::initialise_in_background(one.communicator);
      in_background = true;
    } else if (one.communicator->state() != comm::State::ready) {
      continue;
    }
    auto& cohort = cohorts[one.communicator->job_id()];
    cohort = cohort != nullptr ? cohort : std::make_shared<Cohort>();
    *one.handle = static_cast<tuttiComm_t>(communicators().insert(std::make_shared<CommunicatorObject>(one.communicator, cohort)));
    if (*one.handle == nullptr) {
      return failure(tuttiSystemError, "too many communicators");
    }
    cohort->join();
  }
  if (outcome.ok() && in_background) {
    outcome = failure(tuttiInProgress, "initialisation goes on in the background");
  }
  return outcome;
}

}  // namespace tutti::api
