// SPDX-License-Identifier: Apache-2.0
#include "rank.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tutti::perf {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr size_t kTextBytes = 128;

tuttiConfig_t config_of(const Options& options) {
  tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
  if (options.timeout_s > 0) config.timeoutMs = options.timeout_s * 1000;
  return config;
}

}  // namespace

void require(tuttiResult_t result, std::string_view call, tuttiComm_t comm) {
  if (result == tuttiSuccess) return;
  std::string text = tuttiGetLastError(comm);
  if (text.empty()) text = tuttiGetLastError(nullptr);
  throw Failure(fmt::format("{}: {}: {}", call, tuttiGetErrorString(result), text));
}

Communicator Communicator::from_environment(const Options& options) {
  const tuttiConfig_t config = config_of(options);
  tuttiComm_t comm = nullptr;
  require(tuttiCommInitFromEnv(&comm, &config), "tuttiCommInitFromEnv", nullptr);
  return Communicator(comm);
}

Communicator Communicator::from_id(const Options& options, const tuttiUniqueId& id, int rank) {
  const tuttiConfig_t config = config_of(options);
  tuttiComm_t comm = nullptr;
  require(tuttiCommInitRankConfig(&comm, options.thread_count, id, rank, &config), "tuttiCommInitRankConfig", nullptr);
  return Communicator(comm);
}

Communicator::Communicator(tuttiComm_t comm) : comm_(comm) {
  require(tuttiCommUserRank(comm, &rank_), "tuttiCommUserRank", comm);
  require(tuttiCommCount(comm, &rank_count_), "tuttiCommCount", comm);
}

Communicator::Communicator(Communicator&& other) noexcept
    : comm_(std::exchange(other.comm_, nullptr)), rank_(other.rank_), rank_count_(other.rank_count_) {}

Communicator::~Communicator() {
  if (comm_ != nullptr) tuttiCommAbort(comm_);
}

void Communicator::close() {
  require(tuttiCommFinalize(comm_), "tuttiCommFinalize", comm_);
  require(tuttiCommDestroy(std::exchange(comm_, nullptr)), "tuttiCommDestroy", nullptr);
}

Stream::Stream() { require(tuttiStreamCreate(&stream_), "tuttiStreamCreate", nullptr); }

Stream::~Stream() { tuttiStreamDestroy(stream_); }

void Stream::synchronize(const Communicator& communicator) const {
  require(tuttiStreamSynchronize(stream_), "tuttiStreamSynchronize", communicator.get());
}

Buffer::Buffer(size_t bytes, Memory memory) : memory_(memory), whole_bytes_(kPageBytes + bytes + kGuardBytes) {
  void* address = nullptr;
  if (memory == Memory::tutti) {
    require(tuttiMemAlloc(&address, whole_bytes_), "tuttiMemAlloc", nullptr);
  } else {
    whole_bytes_ = (whole_bytes_ + kPageBytes - 1) / kPageBytes * kPageBytes;  // aligned_alloc takes whole pages
    address = std::aligned_alloc(kPageBytes, whole_bytes_);
    if (address == nullptr) throw Failure(fmt::format("malloc: no memory for a buffer of {} bytes", whole_bytes_));
  }
  whole_ = static_cast<std::byte*>(address);
  data_ = whole_ + kPageBytes;
  std::memset(whole_, 0, whole_bytes_);  // pages are made now, not while the clock runs
}

Buffer::~Buffer() {
  if (memory_ == Memory::tutti) {
    tuttiMemFree(whole_);
  } else {
    std::free(whole_);
  }
}

Registered::Registered(const Communicator& communicator, const Buffer& buffer, Registration registration)
    : comm_(communicator.get()) {
  if (registration == Registration::none) return;
  const std::span<std::byte> whole = buffer.whole();
  require(tuttiCommRegister(comm_, whole.data(), whole.size(), &handle_), "tuttiCommRegister", comm_);
}

Registered::~Registered() {
  if (handle_ != nullptr) tuttiCommDeregister(comm_, handle_);
}

void barrier(const Communicator& communicator, const Stream& stream) {
  require(tuttiBarrier(communicator.get(), stream.get()), "tuttiBarrier", communicator.get());
  stream.synchronize(communicator);
}

void all_reduce(std::span<double> values, tuttiRedOp_t op, const Communicator& communicator, const Stream& stream) {
  require(tuttiAllReduce(values.data(), values.data(), values.size(), tuttiFloat64, op, communicator.get(), stream.get()),
          "tuttiAllReduce", communicator.get());
  stream.synchronize(communicator);
}

void all_reduce(std::span<uint64_t> values, tuttiRedOp_t op, const Communicator& communicator, const Stream& stream) {
  require(tuttiAllReduce(values.data(), values.data(), values.size(), tuttiUint64, op, communicator.get(), stream.get()),
          "tuttiAllReduce", communicator.get());
  stream.synchronize(communicator);
}

std::vector<std::string> all_gather(std::string_view text, const Communicator& communicator, const Stream& stream) {
  std::vector<char> own(kTextBytes, '\0');
  std::copy_n(text.data(), std::min(text.size(), kTextBytes - 1), own.data());
  std::vector<char> all(kTextBytes * static_cast<size_t>(communicator.rank_count()), '\0');
  require(tuttiAllGather(own.data(), all.data(), kTextBytes, tuttiUint8, communicator.get(), stream.get()), "tuttiAllGather",
          communicator.get());
  stream.synchronize(communicator);
  std::vector<std::string> texts;
  for (size_t at = 0; at < all.size(); at += kTextBytes) texts.emplace_back(all.data() + at);
  return texts;
}

}  // namespace tutti::perf
