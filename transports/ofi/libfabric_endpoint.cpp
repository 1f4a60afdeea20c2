// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/libfabric_endpoint.hpp"

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/fi_tagged.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace tutti::transports::ofi {

namespace {

static_assert(sizeof(fi_context2) <= sizeof(Operation::provider_words));

constexpr size_t kNameRoomBytes = 256;
constexpr size_t kCompletionQueueEntries = 4096;
constexpr size_t kMaxCompletionsAtOnce = 16;

Status libfabric_error(ssize_t error, std::string_view call) {
  return failure(tuttiSystemError, "{}: {}", call, fi_strerror(static_cast<int>(-error)));
}

// An object of libfabric's.
template <typename Object>
class Owned {
 public:
  Owned() = default;
  ~Owned() { reset(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;

  Object* get() const { return object_; }
  Object** receive() { return &object_; }
  void reset() {
    if (object_ != nullptr) {
      (void)fi_close(&std::exchange(object_, nullptr)->fid);
    }
  }

 private:
  Object* object_ = nullptr;
};

struct FreeInfo {
  void operator()(fi_info* info) const { fi_freeinfo(info); }
};

class LibfabricRegistration final : public Registration {
 public:
  LibfabricRegistration(fid_mr* region, const std::byte* begin) : begin_(begin) { *region_.receive() = region; }
  void* descriptor() const override { return fi_mr_desc(region_.get()); }
  // Without virtual addressing, addresses count from the registration's begin, which is null then.
  RemoteMemory remote(const std::byte* byte) const override {
    return {.address = reinterpret_cast<uintptr_t>(byte) - reinterpret_cast<uintptr_t>(begin_), .key = fi_mr_key(region_.get())};
  }

 private:
  Owned<fid_mr> region_;
  const std::byte* const begin_;
};

// Destroyed in the reverse order, as libfabric wants it.
struct Handles {
  std::unique_ptr<fi_info, FreeInfo> info;
  Owned<fid_fabric> fabric;
  Owned<fid_domain> domain;
  Owned<fid_av> addresses;
  Owned<fid_cq> queue;
  Owned<fid_ep> endpoint;
};

// Endpoints of libfabric's shm (1.17) look straight into the memory of others in the same process, and do not learn that one has been closed. So they are
// closed together, when the process uses none any more. Nobody makes their progress meanwhile, so they touch no memory but their own.
class Kept {
 public:
  static Kept& of_process() {
    static Kept* const instance = new Kept;  // never destroyed: endpoints may outlive main()
    return *instance;
  }
  void note_opened() {
    const std::lock_guard lock(mutex_);
    ++used_count_;
  }
  void keep(std::unique_ptr<Handles> handles) {
    const std::lock_guard lock(mutex_);
    kept_.push_back(std::move(handles));
    if (--used_count_ == 0) {
      kept_.clear();
    }
  }

 private:
  std::mutex mutex_;  // guards what follows
  size_t used_count_ = 0;
  std::vector<std::unique_ptr<Handles>> kept_;
};

class LibfabricEndpoint final : public Endpoint {
 public:
  LibfabricEndpoint() = default;
  ~LibfabricEndpoint() override;
  LibfabricEndpoint(const LibfabricEndpoint&) = delete;
  LibfabricEndpoint& operator=(const LibfabricEndpoint&) = delete;
  Status open(const Offer& offer);

  const Traits& traits() const override { return traits_; }
  std::vector<std::byte> name() const override { return name_; }
  std::string describe(std::span<const std::byte> name) const override;
  Result<uint64_t> add_peer(std::span<const std::byte> name) override;
  void remove_peer(uint64_t peer) override;
  Result<std::unique_ptr<Registration>> register_memory(std::span<const std::byte> memory, Access access) override;
  Posted inject(uint64_t peer, uint64_t tag, std::span<const std::byte> message) override {
    return posted(fi_tinject(handles_->endpoint.get(), message.data(), message.size(), peer, tag), "fi_tinject");
  }
  Posted send(uint64_t peer, uint64_t tag, std::span<const std::byte> message, void* descriptor, Operation& operation) override {
    return posted(fi_tsend(handles_->endpoint.get(), message.data(), message.size(), descriptor, peer, tag, &operation), "fi_tsend");
  }
  Posted receive(uint64_t tag, std::span<std::byte> buffer, void* descriptor, Operation& operation) override {
    return posted(fi_trecv(handles_->endpoint.get(), buffer.data(), buffer.size(), descriptor, FI_ADDR_UNSPEC, tag, 0, &operation), "fi_trecv");
  }
  Posted read(uint64_t peer, RemoteMemory source, std::span<std::byte> target, void* descriptor, Operation& operation) override {
    return posted(fi_read(handles_->endpoint.get(), target.data(), target.size(), descriptor, peer, source.address, source.key, &operation), "fi_read");
  }
  const std::string& error() const override { return error_; }
  size_t take(std::span<Completion> completions) override;
  void close() override;

 private:
  Posted posted(ssize_t outcome, std::string_view call);
  size_t take_error(Completion& completion);
  Status learn_name();

  std::unique_ptr<Handles> handles_ = std::make_unique<Handles>();
  bool is_closed_ = false;
  bool is_counted_ = false;  // by the process's Kept
  Traits traits_;
  std::vector<std::byte> name_;
  uint64_t last_key_ = 0;
  std::string error_;
};

#define TUTTI_OFI_TRY(call, function)                       \
  if (const int outcome = (call); outcome != 0) {           \
    return libfabric_error(outcome, function);              \
  }

LibfabricEndpoint::~LibfabricEndpoint() {
  if (is_counted_) {
    Kept::of_process().keep(std::move(handles_));
  }
}

void LibfabricEndpoint::close() {
  is_closed_ = true;
  if (!is_counted_) {
    handles_->endpoint.reset();
  }
}

Status LibfabricEndpoint::open(const Offer& offer) {
  handles_->info.reset(fi_dupinfo(offer.info.get()));
  if (handles_->info == nullptr) {
    return libfabric_error(-FI_ENOMEM, "fi_dupinfo");
  }
  TUTTI_OFI_TRY(fi_fabric(handles_->info->fabric_attr, handles_->fabric.receive(), nullptr), "fi_fabric");
  TUTTI_OFI_TRY(fi_domain(handles_->fabric.get(), handles_->info.get(), handles_->domain.receive(), nullptr), "fi_domain");
  fi_av_attr address_attributes{};
  address_attributes.type = handles_->info->domain_attr->av_type == FI_AV_UNSPEC ? FI_AV_MAP : handles_->info->domain_attr->av_type;
  TUTTI_OFI_TRY(fi_av_open(handles_->domain.get(), &address_attributes, handles_->addresses.receive(), nullptr), "fi_av_open");
  fi_cq_attr queue_attributes{};
  queue_attributes.format = FI_CQ_FORMAT_MSG;
  queue_attributes.size = kCompletionQueueEntries;
  queue_attributes.wait_obj = FI_WAIT_NONE;
  TUTTI_OFI_TRY(fi_cq_open(handles_->domain.get(), &queue_attributes, handles_->queue.receive(), nullptr), "fi_cq_open");
  TUTTI_OFI_TRY(fi_endpoint(handles_->domain.get(), handles_->info.get(), handles_->endpoint.receive(), nullptr), "fi_endpoint");
  TUTTI_OFI_TRY(fi_ep_bind(handles_->endpoint.get(), &handles_->addresses.get()->fid, 0), "fi_ep_bind of the address vector");
  TUTTI_OFI_TRY(fi_ep_bind(handles_->endpoint.get(), &handles_->queue.get()->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind of the completion queue");
  TUTTI_OFI_TRY(fi_enable(handles_->endpoint.get()), "fi_enable");
  const uint64_t tag_format = handles_->info->ep_attr->mem_tag_format;
  traits_ = {.provider = handles_->info->fabric_attr->prov_name,
             .inject_bytes = handles_->info->tx_attr->inject_size,
             .receive_depth = handles_->info->rx_attr->size,
             .usable_tag_bits = tag_format == 0 ? ~0ULL : ~0ULL >> std::countl_zero(tag_format),
             .registers_local_memory = (handles_->info->domain_attr->mr_mode & FI_MR_LOCAL) != 0};
  if (core_of(offer.provider) == "shm") {
    is_counted_ = true;
    Kept::of_process().note_opened();
  }
  return learn_name();
}

Status LibfabricEndpoint::learn_name() {
  name_.resize(kNameRoomBytes);
  size_t length = name_.size();
  TUTTI_OFI_TRY(fi_getname(&handles_->endpoint.get()->fid, name_.data(), &length), "fi_getname");
  name_.resize(length);
  return {};
}

#undef TUTTI_OFI_TRY

std::string LibfabricEndpoint::describe(std::span<const std::byte> name) const {
  std::array<char, kNameRoomBytes> text{};
  size_t length = text.size();
  fi_av_straddr(handles_->addresses.get(), name.data(), text.data(), &length);
  text.back() = '\0';
  return text.data();
}

// The provider reads as many bytes as its own name has.
Result<uint64_t> LibfabricEndpoint::add_peer(std::span<const std::byte> name) {
  if (name.size() != name_.size() && handles_->info->addr_format != FI_ADDR_STR) {
    return tl::make_unexpected(failure(tuttiSystemError, "its address has {} bytes, this rank's {}", name.size(), name_.size()));
  }
  if (handles_->info->addr_format == FI_ADDR_STR && (name.empty() || name.back() != std::byte{0})) {
    return tl::make_unexpected(failure(tuttiSystemError, "its address does not end"));
  }
  fi_addr_t peer = FI_ADDR_NOTAVAIL;
  const int inserted = fi_av_insert(handles_->addresses.get(), name.data(), 1, &peer, 0, nullptr);
  if (inserted != 1) {
    return tl::make_unexpected(libfabric_error(inserted < 0 ? inserted : -FI_EADDRNOTAVAIL, "fi_av_insert"));
  }
  return peer;
}

void LibfabricEndpoint::remove_peer(uint64_t peer) {
  if (!is_closed_) {
    (void)fi_av_remove(handles_->addresses.get(), &peer, 1, 0);
  }
}

Result<std::unique_ptr<Registration>> LibfabricEndpoint::register_memory(std::span<const std::byte> memory, Access access) {
  uint64_t flags = FI_SEND | FI_RECV;
  if (access != Access::messages) {
    flags = access == Access::offered ? FI_REMOTE_READ : FI_READ;
  }
  const auto mode = static_cast<uint64_t>(handles_->info->domain_attr->mr_mode);
  const uint64_t key = (mode & FI_MR_PROV_KEY) != 0 ? 0 : ++last_key_;
  fid_mr* region = nullptr;
  const int outcome = fi_mr_reg(handles_->domain.get(), memory.data(), memory.size(), flags, 0, key, 0, &region, nullptr);
  if (outcome != 0) {
    return tl::make_unexpected(libfabric_error(outcome, "fi_mr_reg"));
  }
  return std::make_unique<LibfabricRegistration>(region, (mode & FI_MR_VIRT_ADDR) != 0 ? nullptr : memory.data());
}

Posted LibfabricEndpoint::posted(ssize_t outcome, std::string_view call) {
  if (outcome == 0) {
    return Posted::done;
  }
  if (outcome == -FI_EAGAIN) {
    return Posted::try_again;
  }
  error_ = libfabric_error(outcome, call).message();
  return Posted::failed;
}

size_t LibfabricEndpoint::take(std::span<Completion> completions) {
  if (is_closed_) {
    return 0;
  }
  std::array<fi_cq_msg_entry, kMaxCompletionsAtOnce> entries;
  const ssize_t count = fi_cq_read(handles_->queue.get(), entries.data(), std::min(completions.size(), entries.size()));
  if (count == -FI_EAGAIN) {
    return 0;
  }
  if (count < 0) {
    return take_error(completions.front());
  }
  for (size_t index = 0; index < static_cast<size_t>(count); ++index) {
    completions[index] = {.operation = static_cast<Operation*>(entries[index].op_context), .bytes = entries[index].len, .error = {}};
  }
  return static_cast<size_t>(count);
}

size_t LibfabricEndpoint::take_error(Completion& completion) {
  fi_cq_err_entry entry{};
  if (const ssize_t count = fi_cq_readerr(handles_->queue.get(), &entry, 0); count < 1) {
    return 0;
  }
  std::array<char, 128> words{};
  const char* const details = fi_cq_strerror(handles_->queue.get(), entry.prov_errno, entry.err_data, words.data(), words.size());
  completion = {.operation = static_cast<Operation*>(entry.op_context), .bytes = entry.len, .error = fi_strerror(entry.err)};
  if (details != nullptr && *details != '\0' && completion.error != details) {
    completion.error += fmt::format(" ({})", details);
  }
  return 1;
}

}  // namespace

Result<std::unique_ptr<Endpoint>> open_endpoint(const Offer& offer) {
  assert(offer.info != nullptr);
  auto endpoint = std::make_unique<LibfabricEndpoint>();
  TUTTI_UNEXPECTED_IF_ERROR(endpoint->open(offer));
  return endpoint;
}

}  // namespace tutti::transports::ofi
