// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/window_exchange.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace tutti::transports::shm {
namespace {

using transport::Window;
using transport::Windows;

// So that a peer that sends without end keeps nobody from other work.
constexpr int kRecordsPerCall = 64;

}  // namespace

bool WindowExchange::pass(const std::shared_ptr<Window>& window) {
  const uint64_t number = window->id();
  uint64_t& recent = recently_passed_[number % kRecent];
  if (recent == number) {
    return true;
  }
  if (!passed_.contains(number)) {
    forget_freed();
    if (passed_.size() == kMaxWindows || outgoing_.size() >= 2 * kMaxWindows - 1) {
      return false;
    }
    window->note_passed();
    passed_[number] = window;
    outgoing_.push_back({{.kind = WindowRecord::passed, .window = number, .size_bytes = window->size()}, window});
    flush();
  }
  recent = number;
  return true;
}

void WindowExchange::send() {
  forget_freed();
  flush();
}

void WindowExchange::forget_freed() {
  const uint64_t version = Windows::instance().version();
  if (version == version_) {
    return;
  }
  version_ = version;
  std::erase_if(passed_, [this](const auto& entry) {
    const uint64_t number = entry.first;
    if (!entry.second->freed()) {
      return false;
    }
    const size_t unsent = std::erase_if(outgoing_, [&](const Outgoing& outgoing) { return outgoing.record.window == number; });
    if (unsent == 0) {
      outgoing_.push_back({{.kind = WindowRecord::gone, .window = number}, nullptr});
    }
    return true;
  });
}

void WindowExchange::flush() {
  while (!outgoing_.empty() && !closed_) {
    const Outgoing& next = outgoing_.front();
    const auto bytes = std::as_bytes(std::span(&next.record, 1));
    const Transferred sent = next.window != nullptr ? send_with_descriptor(socket_, bytes, next.window->memfd()) : send_some(socket_, bytes);
    if (sent.outcome == Transfer::would_block) {
      return;
    }
    // The kernel takes so few bytes whole or not at all.
    closed_ = sent.outcome == Transfer::closed || sent.byte_count != bytes.size();
    outgoing_.pop_front();
  }
}

Status WindowExchange::receive() {
  for (int record = 0; record < kRecordsPerCall && !closed_; ++record) {
    while (incoming_bytes_ < incoming_.size()) {
      // Never more than the rest of one record, so that each descriptor is known to belong to it.
      Descriptor memfd;
      const Transferred received = receive_with_descriptor(socket_, std::span(incoming_).subspan(incoming_bytes_), &memfd);
      if (received.outcome == Transfer::would_block) {
        return {};
      }
      if (received.outcome == Transfer::closed) {
        closed_ = true;
        return {};
      }
      incoming_bytes_ += received.byte_count;
      if (memfd.valid()) {
        incoming_memfd_ = std::move(memfd);
      }
    }
    WindowRecord taken;
    std::memcpy(&taken, incoming_.data(), sizeof(taken));
    incoming_bytes_ = 0;
    const Descriptor memfd = std::move(incoming_memfd_);
    TUTTI_RETURN_IF_ERROR(take(taken, memfd));
  }
  return {};
}

Status WindowExchange::take(const WindowRecord& record, const Descriptor& memfd) {
  if (record.magic != WindowRecord::kMagic) {
    return remote_error("sent what is no record of a window");
  }
  if (record.kind == WindowRecord::passed) {
    return take_passed(record, memfd);
  }
  return record.kind == WindowRecord::gone ? take_gone(record) : remote_error("sent a record of the unknown kind {}", record.kind);
}

Status WindowExchange::take_gone(const WindowRecord& record) {
  const auto found = mapped_.find(record.window);
  if (found == mapped_.end()) {
    return remote_error("took back window {}, which it had not passed", record.window);
  }
  recently_found_[record.window % kRecent] = {};
  if (found->second.replace_by_private_memory()) {
    retired_.push_back(std::move(found->second));
  }
  mapped_.erase(found);
  if (retired_.size() > kMaxRetired) {
    retired_.pop_front();
  }
  return {};
}

Status WindowExchange::take_passed(const WindowRecord& record, const Descriptor& memfd) {
  if (record.window == 0 || mapped_.contains(record.window)) {
    return remote_error("passed window {} {}", record.window, record.window == 0 ? "of all numbers" : "twice");
  }
  if (mapped_.size() == kMaxWindows) {
    return remote_error("passed more than {} windows", kMaxWindows);
  }
  if (!memfd.valid()) {
    return remote_error("passed window {} without its memory, or this process has too many open files", record.window);
  }
  if (record.size_bytes == 0) {
    return remote_error("passed window {} of no bytes", record.window);
  }
  Result<Segment> segment = Segment::attach(record.size_bytes, memfd);
  if (!segment.has_value()) {
    return remote_error("passed window {} that cannot be used: {}", record.window, segment.error().message());
  }
  mapped_.emplace(record.window, std::move(*segment));
  return {};
}

const Segment* WindowExchange::find(uint64_t window) {
  Found& recent = recently_found_[window % kRecent];
  if (recent.window != window || recent.segment == nullptr) {
    const auto found = mapped_.find(window);
    if (found == mapped_.end()) {
      return nullptr;
    }
    recent = {window, &found->second};
  }
  return recent.segment;
}

}  // namespace tutti::transports::shm
