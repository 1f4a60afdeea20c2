// SPDX-License-Identifier: Apache-2.0
#include "transport/plugin_link.hpp"

#include <algorithm>
#include <cassert>
#include <exception>

namespace tutti::transport {

namespace {

tuttiMemoryAddress_t to_plugin(const MemoryAddress& address) { return {.window = address.window, .offset = address.offset}; }
tuttiFrameHeader_t to_plugin(const FrameHeader& header) { return {.call = header.call, .messageBytes = header.message_bytes}; }

// Anything that is no code of a failure is an internal error.
tuttiResult_t failure_code(tuttiResult_t result) {
  return result > tuttiSuccess && result < tuttiNumResults && result != tuttiInProgress ? result : tuttiInternalError;
}

}  // namespace

std::string plugin_text(std::span<const char> buffer) {
  std::string text(buffer.begin(), std::ranges::find(buffer, '\0'));
  std::ranges::replace_if(text, [](unsigned char letter) { return letter < 0x20 || letter == 0x7f; }, '?');
  return text;
}

Result<size_t> PluginLink::largest_frame_of(const PluginTables& tables, tuttiPluginLink_t* link) {
  const size_t bytes = tables.links.maxFrameBytes(link);
  if (bytes < TUTTI_TRANSPORT_LEAST_FRAME_BYTES || bytes > TUTTI_TRANSPORT_MOST_FRAME_BYTES) {
    return tl::make_unexpected(internal_error("plug-in {}: maxFrameBytes is {}, neither {} nor {} nor between them", tables.name, bytes,
                                              TUTTI_TRANSPORT_LEAST_FRAME_BYTES, TUTTI_TRANSPORT_MOST_FRAME_BYTES));
  }
  return bytes;
}

// Costs nothing where nothing is thrown.
template <typename T, typename Function>
T PluginLink::guarded(T fallback, Function function) const {
  try {
    return function();
  } catch (const std::exception& error) {
    (void)broken(fmt::format("an exception: {}", error.what()));
  } catch (...) {
    (void)broken("an exception");
  }
  return fallback;
}

// The first thing wrong is the one that is told.
Outcome PluginLink::broken(std::string what) const {
  if (failure_.ok()) {
    failure_ = internal_error("plug-in {}: {}", tables_.name, what);
  }
  return Outcome::failed;
}

Outcome PluginLink::checked(tuttiTransportOutcome_t outcome, const char* function) const {
  switch (outcome) {
    case tuttiTransportDone: return Outcome::done;
    case tuttiTransportWouldBlock: return Outcome::would_block;
    case tuttiTransportFailed: return failure().ok() ? broken(fmt::format("{} failed, and failure says that all is well", function)) : Outcome::failed;
  }
  return broken(fmt::format("{} returned {}", function, static_cast<int>(outcome)));
}

Outcome PluginLink::taken(uint32_t channel, size_t bytes, Outcome outcome) {
  taken_bytes_[channel] += outcome == Outcome::done ? bytes : 0;
  return outcome;
}

Outcome PluginLink::try_send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) {
  assert(channel < kChannelCount && payload.size() <= max_frame_bytes_);
  const tuttiFrameHeader_t words = to_plugin(header);
  return guarded(Outcome::failed, [&] {
    return taken(channel, payload.size(), checked(functions_.trySend(link_, channel, &words, payload.data(), payload.size()), "trySend"));
  });
}

Outcome PluginLink::try_send_in_gang(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload, const Gang& gang) {
  if (functions_.trySendInGang == nullptr) {
    return try_send(channel, header, payload);
  }
  const tuttiFrameHeader_t words = to_plugin(header);
  const tuttiGang_t members{.number = gang.number, .messageCount = gang.message_count};
  return guarded(Outcome::failed, [&] {
    return taken(channel, payload.size(),
                 checked(functions_.trySendInGang(link_, channel, &words, payload.data(), payload.size(), &members), "trySendInGang"));
  });
}

uint64_t PluginLink::released_bytes(uint32_t channel) const {
  const uint64_t bytes = guarded(uint64_t{0}, [&] { return functions_.releasedBytes(link_, channel); });
  if (bytes > taken_bytes_[channel]) {
    (void)broken(fmt::format("releasedBytes is {} on channel {}, which took {}", bytes, channel, taken_bytes_[channel]));
  }
  return std::min(bytes, taken_bytes_[channel]);
}

Outcome PluginLink::peek(uint32_t channel, std::span<std::byte> landing, Frame* frame) {
  tuttiFrame_t arrived{};
  const Outcome outcome = guarded(
      Outcome::failed, [&] { return checked(functions_.peek(link_, channel, landing.data(), landing.size(), &arrived), "peek"); });
  if (outcome != Outcome::done) {
    return outcome;
  }
  if (arrived.payloadBytes > TUTTI_TRANSPORT_MOST_FRAME_BYTES || (arrived.payload == nullptr && arrived.payloadBytes != 0) ||
      (!landing.empty() && arrived.payload == landing.data() && arrived.payloadBytes > landing.size())) {
    return broken(fmt::format("peek gave a frame of {} bytes{}", arrived.payloadBytes, arrived.payload == nullptr ? " at NULL" : ""));
  }
  *frame = {.header = {.call = arrived.header.call, .message_bytes = arrived.header.messageBytes},
            .payload = {static_cast<const std::byte*>(arrived.payload), arrived.payloadBytes}};
  return Outcome::done;
}

void PluginLink::pop(uint32_t channel) {
  guarded(0, [&] { return functions_.pop(link_, channel), 0; });
}

void PluginLink::let_go() {
  guarded(0, [&] { return functions_.letGo(link_), 0; });
}

MemoryAddress PluginLink::publish(std::span<const std::byte> memory) {
  return guarded(MemoryAddress{}, [&]() -> MemoryAddress {
    const tuttiMemoryAddress_t address = functions_.publish(link_, memory.data(), memory.size());
    return {.window = address.window, .offset = address.offset};
  });
}

bool PluginLink::is_shared(const MemoryAddress& own) const {
  return guarded(false, [&] { return functions_.isShared(link_, to_plugin(own)) != 0; });
}

Outcome PluginLink::share(const MemoryAddress& address, uint64_t bytes, std::byte** memory) {
  void* shared = nullptr;
  const Outcome outcome =
      guarded(Outcome::failed, [&] { return checked(functions_.share(link_, to_plugin(address), bytes, &shared), "share"); });
  *memory = static_cast<std::byte*>(shared);
  return outcome;
}

bool PluginLink::enter() {
  return guarded(false, [&] { return functions_.enter(link_) != 0; });
}

void PluginLink::leave() {
  guarded(0, [&] { return functions_.leave(link_), 0; });
}

Outcome PluginLink::fetch(const MemoryAddress& address, std::span<std::byte> target) {
  const Outcome outcome =
      guarded(Outcome::failed, [&] { return checked(functions_.fetch(link_, to_plugin(address), target.data(), target.size()), "fetch"); });
  return outcome == Outcome::would_block ? broken("fetch would block") : outcome;
}

const Status& PluginLink::failure() const {
  if (!failure_.ok()) {
    return failure_;
  }
  guarded(0, [&] {
    if (functions_.failure(link_, nullptr, 0) != tuttiSuccess) {
      std::array<char, TUTTI_TRANSPORT_TEXT_BYTES> text{};
      const tuttiResult_t result = functions_.failure(link_, text.data(), text.size());
      failure_ = Status(failure_code(result), plugin_text(text));
    }
    return 0;
  });
  return failure_;
}

LinkEstimate PluginLink::estimate() const {
  tuttiLinkEstimate_t estimate{};
  estimate.size = sizeof estimate;
  guarded(0, [&] { return functions_.estimate(link_, &estimate), 0; });
  estimate_source_ = plugin_text(estimate.source);
  return {.latency_ns = std::min(estimate.latencyNs, kMostLatency_ns),
          .bandwidth_bytes_per_s = std::clamp<uint64_t>(estimate.bandwidthBytesPerS, 1, kMostBandwidth_bytes_per_s),
          .source = estimate_source_,
          .reaches_memory = tables_.reaches_memory && estimate.reachesMemory != 0,
          .copies_out = estimate.copiesOut != 0};
}

std::string PluginLink::describe() const {
  std::array<char, TUTTI_TRANSPORT_TEXT_BYTES> text{};
  guarded(0, [&] { return functions_.describe(link_, text.data(), text.size()), 0; });
  return plugin_text(text);
}

}  // namespace tutti::transport
