// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/worker.hpp"

#include <sched.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "transports/ucx/address.hpp"
#include "transports/ucx/words.hpp"

namespace tutti::transports::ucx {

namespace {

// How long what has been sent may take to leave an endpoint that is closed. Over tcp UCX waits for a peer that looks at its worker.
constexpr uint64_t kClosingNs = 50'000'000;
// How long a peer may take to receive what it is about to, when memory is let go.
constexpr uint64_t kPatienceNs = 200'000'000;
constexpr uint64_t kImpatienceNs = 1'000'000'000;
constexpr size_t kSlotsPerBlock = 16;
constexpr ucp_tag_t kWholeTag = ~ucp_tag_t{0};
constexpr int kMaxUnexpected = 100'000;
// UCX asks for a peer's state this often, instead of every 20 s.
constexpr const char* kKeepAliveInterval = "300ms";

Status ucx_error(ucs_status_t status, const char* what) {
  return failure(tuttiSystemError, "{}: {}", what, words_of(status));
}

// What UCX prints of itself, whose parts it has no functions for.
template <typename Print>
std::string printed(Print print) {
  char* text = nullptr;
  size_t byte_count = 0;
  std::FILE* const stream = ::open_memstream(&text, &byte_count);
  if (stream == nullptr) {
    return {};
  }
  print(stream);
  std::fclose(stream);
  std::string result(text, byte_count);
  std::free(text);
  return result;
}

// The words "transport/device" that follow `mark` in lines that have `key`, each once.
std::string names_in(std::string_view text, std::string_view key, std::string_view mark) {
  std::string names;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const size_t key_at = line.find(key);
    const size_t mark_at = key_at == std::string_view::npos ? key_at : line.find(mark, key_at + key.size());
    if (mark_at == std::string_view::npos) {
      continue;
    }
    line = line.substr(mark_at + mark.size());
    line = line.substr(0, line.find_first_of(". \t"));
    if (!line.empty() && names.find(line) == std::string::npos) {
      names += names.empty() ? "" : ", ";
      names += line;
    }
  }
  return names;
}

bool is_set(const char* variable) { return std::getenv(variable) != nullptr; }

// Whether transports through shared memory may be used, to which a setting then applies; of a setting that applies to nothing UCX complains.
bool may_share_memory() {
  const char* const value = std::getenv("UCX_TLS");
  if (value == nullptr || *value == '^') {
    return true;
  }
  return has_word(value, {"all", "sm", "shm", "mm", "posix", "sysv"});
}

}  // namespace

std::string words_of(ucs_status_t status) { return std::string("UCX: ") + ucs_status_string(status); }

std::string Endpoint::lanes() const {
  if (handle_ == nullptr) {
    return "closed";
  }
  return names_in(printed([&](std::FILE* stream) { ucp_ep_print_info(handle_, stream); }), "]:", ":");
}

void Endpoint::on_error(void* endpoint, ucp_ep_h, ucs_status_t status) {
  auto& self = *static_cast<Endpoint*>(endpoint);
  if (self.failure_.ok()) {
    self.failure_ = remote_error("{}", words_of(status));
  }
}

Result<std::unique_ptr<Worker>> Worker::create(uint32_t peer_count) {
  std::unique_ptr<Worker> worker(new Worker());
  TUTTI_UNEXPECTED_IF_ERROR(worker->open(peer_count));
  return worker;
}

Status Worker::open(uint32_t peer_count) {
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) {
    return ucx_error(status, "ucp_config_read");
  }
  if (!is_set("UCX_KEEPALIVE_INTERVAL")) {
    (void)ucp_config_modify(config, "KEEPALIVE_INTERVAL", kKeepAliveInterval);
  }
  // Off by default in UCX, which then has no shared memory for endpoints whose errors are to be told.
  if (may_share_memory() && !is_set("UCX_MM_ERROR_HANDLING")) {
    (void)ucp_config_modify(config, "MM_ERROR_HANDLING", "y");
  }
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_ESTIMATED_NUM_EPS | UCP_PARAM_FIELD_NAME | UCP_PARAM_FIELD_MT_WORKERS_SHARED;
  params.features = UCP_FEATURE_TAG | UCP_FEATURE_RMA;
  params.estimated_num_eps = peer_count;
  params.name = "tutti";
  params.mt_workers_shared = 0;
  status = ucp_init(&params, config, &context_);
  ucp_config_release(config);
  if (status != UCS_OK) {
    context_ = nullptr;
    return ucx_error(status, "ucp_init");
  }
  resources_ = names_in(printed([&](std::FILE* stream) { ucp_context_print_info(context_, stream); }), "resource", "-- ");
  ucp_worker_params_t worker_params{};
  worker_params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  worker_params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  status = ucp_worker_create(context_, &worker_params, &worker_);
  if (status != UCS_OK) {
    worker_ = nullptr;
    return ucx_error(status, "ucp_worker_create");
  }
  return {};
}

Worker::~Worker() {
  for (Operation& operation : operations_) {
    if (operation.request != nullptr) {
      abandon(operation);
    }
  }
  if (worker_ != nullptr) {
    wait_for_closing();
    for (Closing& closing : closing_) {
      give_up(*closing.endpoint);
    }
    closing_.clear();
    for (int turn = 0; turn < 16; ++turn) {
      progress();
    }
    for (void* const request : ending_) {
      ucp_request_free(request);
    }
    drop_unexpected();
    ucp_worker_destroy(worker_);
  }
  if (context_ != nullptr) {
    ucp_cleanup(context_);
  }
}

Result<std::vector<std::byte>> Worker::address() const {
  size_t byte_count = 0;
  for (const uint32_t flags : {uint32_t{0}, uint32_t{UCP_WORKER_ADDRESS_FLAG_NET_ONLY}}) {
    ucp_worker_attr_t attributes{};
    attributes.field_mask = UCP_WORKER_ATTR_FIELD_ADDRESS | UCP_WORKER_ATTR_FIELD_ADDRESS_FLAGS;
    attributes.address_flags = flags;
    if (const ucs_status_t status = ucp_worker_query(worker_, &attributes); status != UCS_OK) {
      return tl::make_unexpected(ucx_error(status, "ucp_worker_query"));
    }
    const auto* const begin = reinterpret_cast<const std::byte*>(attributes.address);
    std::vector<std::byte> bytes(begin, begin + attributes.address_length);
    ucp_worker_release_address(worker_, attributes.address);
    if (bytes.size() <= kMaxWorkerAddressBytes) {
      return bytes;
    }
    byte_count = bytes.size();
  }
  return tl::make_unexpected(failure(tuttiSystemError,
                                     "the address of all of UCX's devices takes {} bytes, of which {} can be told: choose some by UCX_NET_DEVICES or "
                                     "UCX_TLS",
                                     byte_count, kMaxWorkerAddressBytes));
}

Result<std::unique_ptr<Endpoint>> Worker::connect(std::span<const std::byte> address, Errors errors) {
  std::unique_ptr<Endpoint> endpoint(new Endpoint(errors));
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(address.data());
  params.err_mode = errors == Errors::reported ? UCP_ERR_HANDLING_MODE_PEER : UCP_ERR_HANDLING_MODE_NONE;
  params.err_handler.cb = &Endpoint::on_error;
  params.err_handler.arg = endpoint.get();
  if (const ucs_status_t status = ucp_ep_create(worker_, &params, &endpoint->handle_); status != UCS_OK) {
    endpoint->handle_ = nullptr;
    return tl::make_unexpected(ucx_error(status, "ucp_ep_create"));
  }
  return endpoint;
}

void Worker::close(std::unique_ptr<Endpoint> endpoint) {
  if (endpoint->handle_ == nullptr) {
    closing_.push_back({std::move(endpoint), nullptr, Deadline::after_ns(monotonic_clock(), 0)});
    return;
  }
  Closing closing{std::move(endpoint), nullptr, Deadline::after_ns(monotonic_clock(), kClosingNs)};
  if (closing.endpoint->failure_.ok()) {
    ucp_request_param_t param{};
    void* const request = ucp_ep_flush_nbx(closing.endpoint->handle_, &param);
    closing.flush = UCS_PTR_IS_PTR(request) ? request : nullptr;
  }
  if (!has_ended(closing)) {
    closing_.push_back(std::move(closing));
  }
}

// What is flushed must not wait for the peer to close its end too, hence no graceful closing. An endpoint without error handling has no other.
void Worker::give_up(Endpoint& endpoint) {
  if (endpoint.handle_ == nullptr) {
    return;
  }
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = endpoint.errors_ == Errors::reported ? UCP_EP_CLOSE_FLAG_FORCE : 0;
  void* const request = ucp_ep_close_nbx(std::exchange(endpoint.handle_, nullptr), &param);
  if (UCS_PTR_IS_PTR(request)) {
    ending_.push_back(request);
  }
}

bool Worker::has_ended(Closing& closing) {
  if (closing.flush != nullptr) {
    const bool flushed = ucp_request_check_status(closing.flush) != UCS_INPROGRESS;
    if (!flushed && closing.endpoint->failure_.ok() && !closing.deadline.passed(monotonic_clock())) {
      return false;
    }
    if (flushed) {
      ucp_request_free(closing.flush);
    } else {
      ending_.push_back(closing.flush);
    }
    closing.flush = nullptr;
  }
  give_up(*closing.endpoint);
  // UCX may call the endpoint's handler until it is done with it.
  return closing.endpoint->handle_ == nullptr && ending_.empty();
}

size_t Worker::advance_closing() {
  std::erase_if(ending_, [](void* request) {
    const bool ended = ucp_request_check_status(request) != UCS_INPROGRESS;
    if (ended) {
      ucp_request_free(request);
    }
    return ended;
  });
  return std::erase_if(closing_, [this](Closing& closing) { return has_ended(closing); });
}

void Worker::wait_for_closing() {
  const Deadline limit = Deadline::after_ns(monotonic_clock(), 3 * kClosingNs);
  while (!(closing_.empty() && ending_.empty()) && !limit.passed(monotonic_clock())) {
    if (progress() == 0) {
      ::sched_yield();
    }
  }
}

Operation* Worker::begin(Owner* owner) {
  if (free_operations_.empty()) {
    free_operations_.push_back(&operations_.emplace_back());
  }
  Operation* const operation = free_operations_.back();
  free_operations_.pop_back();
  operation->owner = owner;
  operation->worker = this;
  return operation;
}

void Worker::end(Operation* operation) {
  if (operation->slot != nullptr) {
    put_slot(operation->slot);
  }
  *operation = Operation();
  free_operations_.push_back(operation);
}

ucs_status_t Worker::send(const Endpoint& endpoint, Tag tag, std::span<const std::byte> bytes, Operation& operation) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.cb.send = &Worker::on_sent;
  param.user_data = &operation;
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  void* const request = ucp_tag_send_nbx(endpoint.handle_, bytes.data(), bytes.size(), tag, &param);
  operation.request = UCS_PTR_IS_PTR(request) ? request : nullptr;
  return UCS_PTR_IS_PTR(request) ? UCS_INPROGRESS : UCS_PTR_RAW_STATUS(request);
}

// What has come already is asked for first: UCX 1.13 does not say how long a message was that meets its receive at once.
ucs_status_t Worker::receive(Tag tag, std::span<std::byte> memory, Operation& operation, size_t* received_bytes) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.cb.recv = &Worker::on_received;
  param.user_data = &operation;
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  ucp_tag_recv_info_t info{};
  const ucp_tag_message_h message = ucp_tag_probe_nb(worker_, tag, kWholeTag, 1, &info);
  void* const request = message != nullptr ? ucp_tag_msg_recv_nbx(worker_, memory.data(), memory.size(), message, &param)
                                           : ucp_tag_recv_nbx(worker_, memory.data(), memory.size(), tag, kWholeTag, &param);
  operation.request = UCS_PTR_IS_PTR(request) ? request : nullptr;
  operation.receives = true;
  *received_bytes = info.length;
  return UCS_PTR_IS_PTR(request) ? UCS_INPROGRESS : UCS_PTR_RAW_STATUS(request);
}

// UCX complains of messages that nobody has received when a worker goes: what peers said when this rank had closed its links already.
void Worker::drop_unexpected() {
  ucp_tag_recv_info_t info{};
  for (int count = 0; count < kMaxUnexpected; ++count) {
    const ucp_tag_message_h message = ucp_tag_probe_nb(worker_, 0, 0, 1, &info);
    if (message == nullptr) {
      break;
    }
    ucp_request_param_t param{};
    void* const request = ucp_tag_msg_recv_nbx(worker_, nullptr, 0, message, &param);
    if (UCS_PTR_IS_PTR(request)) {
      ucp_request_free(request);
    }
  }
}

void Worker::abandon(Operation& operation) {
  operation.owner = nullptr;
  if (operation.receives) {
    ucp_request_cancel(worker_, operation.request);
  }
}

void Worker::on_sent(void* request, ucs_status_t status, void* operation) {
  ucp_request_free(request);
  finish(*static_cast<Operation*>(operation), status, 0);
}

void Worker::on_received(void* request, ucs_status_t status, const ucp_tag_recv_info_t* info, void* operation) {
  const size_t received_bytes = status == UCS_OK ? info->length : 0;
  ucp_request_free(request);
  finish(*static_cast<Operation*>(operation), status, received_bytes);
}

void Worker::finish(Operation& operation, ucs_status_t status, size_t received_bytes) {
  operation.request = nullptr;
  if (operation.owner != nullptr) {
    operation.owner->completed(operation, status, received_bytes);
  } else {
    operation.worker->end(&operation);
  }
}

std::byte* Worker::take_slot() {
  if (free_slots_.empty()) {
    slots_.push_back(std::make_unique_for_overwrite<std::byte[]>(kSlotsPerBlock * kMessageBytes));
    for (size_t index = kSlotsPerBlock; index-- > 0;) {
      free_slots_.push_back(slots_.back().get() + index * kMessageBytes);
    }
  }
  std::byte* const slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

size_t Worker::progress() {
  ++progress_count_;
  size_t done = ucp_worker_progress(worker_);
  if (!closing_.empty() || !ending_.empty()) {
    done += advance_closing();
  }
  return done;
}

size_t Worker::progress_once(uint64_t& seen) {
  const size_t done = seen == progress_count_ ? progress() : 0;
  seen = progress_count_;
  return done;
}

Deadline Worker::patience() {
  return Deadline::after_ns(monotonic_clock(), monotonic_clock().now_ns() < impatient_until_ns_ ? 0 : kPatienceNs);
}

void Worker::lost_patience() { impatient_until_ns_ = monotonic_clock().now_ns() + kImpatienceNs; }

}  // namespace tutti::transports::ucx
