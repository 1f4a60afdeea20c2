// SPDX-License-Identifier: Apache-2.0
#include "unit/transport_ofi/fake_fabric.hpp"

#include <algorithm>
#include <utility>

namespace tutti::transports::ofi::test {

std::unique_ptr<FakeEndpoint> FakeFabric::make_endpoint() { return std::make_unique<FakeEndpoint>(*this); }

FakeEndpoint::FakeEndpoint(FakeFabric& fabric)
    : fabric_(fabric),
      number_(fabric.endpoints_.size()),
      traits_{.provider = "fake",
              .inject_bytes = fabric.options_.inject_bytes,
              .receive_depth = 64,
              .usable_tag_bits = ~0ULL >> 1,
              .registers_local_memory = fabric.options_.registers_local_memory} {
  fabric_.endpoints_.push_back(this);
}

void FakeEndpoint::close() {
  fabric_.endpoints_[number_] = nullptr;
  sends_.clear();
  receives_.clear();
  reads_.clear();
  completed_.clear();
}

Posted FakeEndpoint::admit(void* descriptor) {
  if (traits_.registers_local_memory && descriptor != &fabric_) {
    error_ = "memory without a registration";
    return Posted::failed;
  }
  return fabric_.happens(fabric_.options_.refused_per_mille) ? Posted::try_again : Posted::done;
}

Posted FakeEndpoint::inject(uint64_t peer, uint64_t tag, std::span<const std::byte> message) {
  const Posted posted = message.size() > traits_.inject_bytes ? Posted::failed : admit(&fabric_);
  if (posted == Posted::done) {
    deliver(peer, tag, message);
  }
  return posted;
}

Posted FakeEndpoint::send(uint64_t peer, uint64_t tag, std::span<const std::byte> message, void* descriptor, Operation& operation) {
  const Posted posted = admit(descriptor);
  if (posted == Posted::done) {
    sends_.push_back({peer, tag, message, &operation});
  }
  return posted;
}

Posted FakeEndpoint::receive(uint64_t tag, std::span<std::byte> buffer, void* descriptor, Operation& operation) {
  const Posted posted = receives_.size() >= traits_.receive_depth ? Posted::try_again : admit(descriptor);
  if (posted == Posted::done) {
    receives_.push_back({tag, buffer, &operation});
  }
  return posted;
}

Posted FakeEndpoint::read(uint64_t, RemoteMemory source, std::span<std::byte> target, void* descriptor, Operation& operation) {
  const Posted posted = admit(descriptor);
  if (posted == Posted::done) {
    reads_.push_back({source, target, &operation});
  }
  return posted;
}

void FakeEndpoint::deliver(uint64_t peer, uint64_t tag, std::span<const std::byte> message) {
  if (FakeEndpoint* const target = fabric_.endpoints_[peer]) {
    target->arrived_.push_back({tag, {message.begin(), message.end()}});
  }
}

template <typename Item>
Item FakeEndpoint::take_any(std::vector<Item>& items) {
  std::swap(items[fabric_.random_() % items.size()], items.back());
  Item item = std::move(items.back());
  items.pop_back();
  return item;
}

void FakeEndpoint::advance() {
  const auto goes_on = [&](const auto& items) { return !items.empty() && !fabric_.happens(fabric_.options_.delayed_per_mille); };
  while (goes_on(sends_)) {
    const Send sent = take_any(sends_);
    deliver(sent.peer, sent.tag, sent.message);
    completed_.push_back({.operation = sent.operation, .bytes = 0, .error = std::exchange(fabric_.next_send_error, {})});
  }
  while (goes_on(arrived_) && !receives_.empty()) {
    Message message = take_any(arrived_);
    const auto found = std::ranges::find(receives_, message.tag, &Receive::tag);
    if (found == receives_.end()) {
      continue;  // nobody has asked for such
    }
    const Receive receive = *found;
    receives_.erase(found);
    const size_t bytes = std::min(message.bytes.size(), receive.buffer.size());
    std::copy_n(message.bytes.begin(), bytes, receive.buffer.begin());
    completed_.push_back({.operation = receive.operation, .bytes = bytes, .error = bytes < message.bytes.size() ? "truncated" : ""});
  }
  most_waiting_messages_ = receives_.empty() ? std::max(most_waiting_messages_, arrived_.size()) : most_waiting_messages_;
  while (goes_on(reads_) && !fabric_.reads_never_end) {
    perform(take_any(reads_));
  }
}

void FakeEndpoint::perform(const Read& read) {
  std::string error = std::exchange(fabric_.next_read_error, {});
  const auto found = fabric_.memory_.find(read.source.key);
  if (found == fabric_.memory_.end()) {
    error = "no memory of that key";
  } else if (error.empty()) {
    std::ranges::copy(found->second.subspan(read.source.address, read.target.size()), read.target.begin());
  }
  completed_.push_back({.operation = read.operation, .bytes = read.target.size(), .error = error});
}

size_t FakeEndpoint::take(std::span<Completion> completions) {
  if (fabric_.meanwhile && !std::exchange(fabric_.in_meanwhile_, true)) {
    fabric_.meanwhile();
    fabric_.in_meanwhile_ = false;
  }
  advance();
  size_t count = 0;
  while (count < completions.size() && !completed_.empty() && !fabric_.happens(fabric_.options_.delayed_per_mille / 2)) {
    completions[count++] = take_any(completed_);
  }
  return count;
}

}  // namespace tutti::transports::ofi::test
