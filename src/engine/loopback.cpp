// SPDX-License-Identifier: Apache-2.0
#include "engine/loopback.hpp"

namespace tutti::engine {

transport::Outcome LoopbackLink::try_send(uint32_t channel, const transport::FrameHeader& header,
                                          std::span<const std::byte> payload) {
  Channel& queue = channels_[channel];
  if (queue.count == kMaxFrames) {
    return transport::Outcome::would_block;
  }
  queue.frames[(queue.head + queue.count) % kMaxFrames] = transport::Frame{header, payload};
  ++queue.count;
  return transport::Outcome::done;
}

transport::Outcome LoopbackLink::peek(uint32_t channel, std::span<std::byte>, transport::Frame* frame) {
  const Channel& queue = channels_[channel];
  if (queue.count == 0) {
    return transport::Outcome::would_block;
  }
  *frame = queue.frames[queue.head];
  return transport::Outcome::done;
}

void LoopbackLink::pop(uint32_t channel) {
  Channel& queue = channels_[channel];
  queue.released_bytes += queue.frames[queue.head].payload.size();
  queue.head = (queue.head + 1) % kMaxFrames;
  --queue.count;
}

}  // namespace tutti::engine
