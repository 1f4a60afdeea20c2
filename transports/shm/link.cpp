// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/link.hpp"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <atomic>
#include <cassert>
#include <cstring>
#include <limits>
#include <utility>

#include "base/clock.hpp"
#include "transports/shm/estimate.hpp"
#include "transports/shm/numa.hpp"

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::kChannelCount;
using transport::LinkEstimate;
using transport::MemoryAddress;
using transport::Outcome;

// In MemoryAddress::window: memory that cannot be shared, and memory of this very process, whose offset is its address.
constexpr uint64_t kOrdinary = 0;
constexpr uint64_t kSameProcess = std::numeric_limits<uint64_t>::max();

// A visit to a peer's memory is a slice of a copy or reduction. A peer that is stopped, or breaks the rules, is not waited for.
constexpr uint64_t kLongestVisitNs = 200'000'000;

Direction opposite(Direction direction) {
  return direction == Direction::from_lower_rank ? Direction::from_higher_rank : Direction::from_lower_rank;
}

std::string name_of_process(pid_t process_id) {
  return process_id > 0 ? fmt::format("process {}", process_id) : std::string("its process, in another process namespace,");
}

}  // namespace

ShmLink::ShmLink(Parts parts)
    : parts_(std::move(parts)),
      outgoing_(parts_.segment.data(), parts_.geometry, parts_.outgoing),
      incoming_(parts_.segment.data(), parts_.geometry, opposite(parts_.outgoing)),
      writer_(outgoing_) {
  prefer_own_node(incoming_.bytes());  // the peer, who writes there first, is about to do so only once both have links
  readers_.reserve(kChannelCount);
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    readers_.emplace_back(incoming_, channel);
  }
}

ShmLink::~ShmLink() { ::shutdown(parts_.socket.get(), SHUT_RDWR); }

Outcome ShmLink::try_send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < kChannelCount);
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  const Outcome outcome = writer_.offer(channel, header, payload);
  return outcome == Outcome::failed ? fail(writer_.violation()) : outcome;
}

uint64_t ShmLink::released_bytes(uint32_t channel) const {
  assert(channel < kChannelCount);
  return writer_.taken_bytes(channel);  // try_send has copied them
}

Outcome ShmLink::peek(uint32_t channel, std::span<std::byte>, Frame* frame) {
  assert(channel < kChannelCount);
  const Outcome outcome = readers_[channel].peek(frame);
  if (outcome == Outcome::done) {
    return outcome;
  }
  if (outcome == Outcome::failed) {
    return fail(readers_[channel].violation());
  }
  // Only now: what the peer published before it ended is still delivered.
  return failure_.ok() ? Outcome::would_block : Outcome::failed;
}

void ShmLink::pop(uint32_t channel) {
  assert(channel < kChannelCount);
  readers_[channel].pop();
}

MemoryAddress ShmLink::publish(std::span<const std::byte> memory) {
  const auto address = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(memory.data()));
  if (parts_.reach == Reach::same_process) {
    return {kSameProcess, address};
  }
  const transport::Window* const window = window_cache_.find(memory);
  if (window == nullptr || !windows_.pass(window_cache_.found())) {
    return {kOrdinary, address};
  }
  return {window->id(), static_cast<uint64_t>(memory.data() - window->data())};
}

Outcome ShmLink::share(const MemoryAddress& address, uint64_t byte_count, std::byte** memory) {
  *memory = nullptr;
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (address.window == kOrdinary) {
    return Outcome::done;
  }
  if (parts_.reach != Reach::same_process) {
    return share_window(address, byte_count, memory);
  }
  if (address.window != kSameProcess) {
    return fail(fmt::format("published memory of window {} within one process", address.window));
  }
  *memory = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(address.offset));
  return Outcome::done;
}

Outcome ShmLink::share_window(const MemoryAddress& address, uint64_t byte_count, std::byte** memory) {
  const Segment* window = windows_.find(address.window);
  if (window == nullptr) {
    receive_windows();
    window = windows_.find(address.window);
  }
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  if (window == nullptr) {
    return Outcome::would_block;
  }
  if (byte_count > window->size() || address.offset > window->size() - byte_count) {
    return fail(fmt::format("published {} bytes at {} of window {}, which has {}", byte_count, address.offset, address.window, window->size()));
  }
  *memory = window->data() + address.offset;
  return Outcome::done;
}

Outcome ShmLink::fetch(const MemoryAddress& address, std::span<std::byte> target) {
  if (address.window == kOrdinary) {
    return read_peer(address.offset, target);
  }
  std::byte* memory = nullptr;
  const Outcome outcome = share(address, target.size(), &memory);
  if (outcome == Outcome::done && !target.empty()) {
    std::memcpy(target.data(), memory, target.size());
  }
  return outcome;
}

Outcome ShmLink::read_peer(uint64_t address, std::span<std::byte> target) {
  if (!failure_.ok()) {
    return Outcome::failed;
  }
  Status status = read_process(parts_.process_id, address, target);
  // Another process may have got the number of one that has ended: what was read counts if the peer is alive even now.
  if (has_peer_ended()) {
    end();
    return Outcome::failed;
  }
  if (!status.ok()) {
    failure_ = std::move(status);
    return Outcome::failed;
  }
  return Outcome::done;
}

bool ShmLink::has_peer_ended() const {
  pollfd watch{parts_.process_watch.get(), POLLIN, 0};
  return watch.fd >= 0 && ::poll(&watch, 1, 0) > 0;
}

// Each side writes its own word first and then reads the other's, in one order of all such accesses (seq_cst): either the peer sees that it must stay
// out, or this rank sees it inside.
void ShmLink::let_go() {
  std::atomic_ref(outgoing_.has_let_go()).store(1, std::memory_order_seq_cst);
  const std::atomic_ref is_inside(outgoing_.is_inside());
  const Deadline limit = Deadline::after_ns(monotonic_clock(), kLongestVisitNs);
  while (is_inside.load(std::memory_order_seq_cst) != 0 && !limit.passed(monotonic_clock()) && !has_peer_ended()) {
    ::sched_yield();
  }
}

bool ShmLink::enter() {
  if (entered_ == 0) {
    std::atomic_ref(incoming_.is_inside()).store(1, std::memory_order_seq_cst);
    if (std::atomic_ref(incoming_.has_let_go()).load(std::memory_order_seq_cst) != 0) {
      std::atomic_ref(incoming_.is_inside()).store(0, std::memory_order_relaxed);
      return false;
    }
  }
  ++entered_;
  return true;
}

void ShmLink::leave() {
  assert(entered_ > 0);
  if (--entered_ == 0) {
    std::atomic_ref(incoming_.is_inside()).store(0, std::memory_order_release);  // after all loads and stores
  }
}

void ShmLink::send_windows() {
  window_cache_.refresh();
  windows_.send();
  if (windows_.closed()) {
    end();
  }
}

void ShmLink::receive_windows() {
  if (const Status status = windows_.receive(); !status.ok()) {
    fail(status.message());
  } else if (windows_.closed()) {
    end();
  }
}

LinkEstimate ShmLink::estimate() const {
  LinkEstimate estimate = kEstimate;
  estimate.reaches_memory = parts_.reaches_memory;
  return estimate;
}

void ShmLink::end() {
  if (failure_.ok()) {
    failure_ = remote_error("{} ended or closed its link", name_of_process(parts_.process_id));
  }
}

Outcome ShmLink::fail(const std::string& violation) {
  if (failure_.ok()) {
    failure_ = remote_error("{} broke the shared memory: it {}", name_of_process(parts_.process_id), violation);
  }
  return Outcome::failed;
}

}  // namespace tutti::transports::shm
