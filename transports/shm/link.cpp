// SPDX-License-Identifier: Apache-2.0
#include "transports/shm/link.hpp"

#include <sys/socket.h>

#include <cassert>
#include <utility>

namespace tutti::transports::shm {
namespace {

using transport::Frame;
using transport::FrameHeader;
using transport::kChannelCount;
using transport::LinkEstimate;
using transport::Outcome;

Direction opposite(Direction direction) {
  return direction == Direction::from_lower_rank ? Direction::from_higher_rank : Direction::from_lower_rank;
}

std::string name_of_process(pid_t process_id) {
  return process_id > 0 ? fmt::format("process {}", process_id) : std::string("its process, in another process namespace,");
}

}  // namespace

ShmLink::ShmLink(Parts parts) : parts_(std::move(parts)), writer_({parts_.segment.data(), parts_.geometry, parts_.outgoing}) {
  const DirectionMemory incoming(parts_.segment.data(), parts_.geometry, opposite(parts_.outgoing));
  readers_.reserve(kChannelCount);
  for (uint32_t channel = 0; channel < kChannelCount; ++channel) {
    readers_.emplace_back(incoming, channel);
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

LinkEstimate ShmLink::estimate() const {
  return {.latency_ns = 150,
          .bandwidth_bytes_per_s = 8'000'000'000,
          .source = "default: shm_link_perf on two cores of a Sapphire Rapids virtual machine"};
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
