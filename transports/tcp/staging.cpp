// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/staging.hpp"

#include <cassert>

namespace tutti::transports::tcp {

Staging::Entry* Staging::entry_at(size_t offset) const {
  return std::launder(reinterpret_cast<Entry*>(memory_.get() + offset));
}

std::byte* Staging::append(const transport::FrameHeader& header, uint32_t payload_bytes) {
  assert(!incomplete_);
  if (memory_ == nullptr) {
    memory_.reset(static_cast<std::byte*>(::operator new[](capacity_bytes_, std::align_val_t{kCreditUnitBytes})));
  }
  if (frame_count_ == 0) {
    front_ = back_ = 0;  // memory used a moment ago is still in the cache
  }
  const size_t size_bytes = size_of(payload_bytes);
  if (back_ >= front_ && size_bytes > capacity_bytes_ - back_) {
    wrap_at_ = back_;
    back_ = 0;
  }
  assert(back_ >= front_ ? size_bytes <= capacity_bytes_ - back_ : size_bytes < front_ - back_);
  new (memory_.get() + back_) Entry{header, payload_bytes};
  std::byte* const payload = memory_.get() + back_ + kCreditUnitBytes;
  back_ += size_bytes;
  ++frame_count_;
  incomplete_ = true;
  return payload;
}

transport::Frame Staging::front() const {
  assert(ready());
  const Entry& entry = *entry_at(front_);
  return {entry.header, {memory_.get() + front_ + kCreditUnitBytes, entry.payload_bytes}};
}

void Staging::pop_front() {
  assert(ready());
  const bool wrapped = back_ < front_;
  front_ += size_of(entry_at(front_)->payload_bytes);
  --frame_count_;
  if (wrapped && front_ == wrap_at_) {
    front_ = 0;
  }
}

}  // namespace tutti::transports::tcp
