// SPDX-License-Identifier: Apache-2.0
// A link of a plug-in as one of ours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "transport/plugin_adaptor.hpp"
#include "transport/transport.hpp"

namespace tutti::transport {

// Text that a plug-in has written to `buffer`, whatever it is: ends at the first zero or with the buffer, unprintable bytes are question marks.
std::string plugin_text(std::span<const char> buffer);

class PluginLink final : public Link {
 public:
  // `tables` outlive it, and `link` does not outlive its transport. Its largest frame is fine, or largest_frame_of() has said what is not.
  PluginLink(const PluginTables& tables, tuttiPluginLink_t* link, size_t max_frame_bytes)
      : tables_(tables), functions_(tables.links), link_(link), max_frame_bytes_(max_frame_bytes) {}
  static Result<size_t> largest_frame_of(const PluginTables& tables, tuttiPluginLink_t* link);

  Outcome try_send(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload) override;
  Outcome try_send_in_gang(uint32_t channel, const FrameHeader& header, std::span<const std::byte> payload, const Gang& gang) override;
  uint64_t released_bytes(uint32_t channel) const override;
  Outcome peek(uint32_t channel, std::span<std::byte> landing, Frame* frame) override;
  void pop(uint32_t channel) override;
  void let_go() override;

  MemoryAddress publish(std::span<const std::byte> memory) override;
  bool is_shared(const MemoryAddress& own) const override;
  Outcome share(const MemoryAddress& address, uint64_t bytes, std::byte** memory) override;
  bool enter() override;
  void leave() override;
  Outcome fetch(const MemoryAddress& address, std::span<std::byte> target) override;

  const Status& failure() const override;
  size_t max_frame_bytes() const override { return max_frame_bytes_; }
  LinkEstimate estimate() const override;
  std::string describe() const override;

 private:
  template <typename T, typename Function>
  T guarded(T fallback, Function function) const;
  Outcome broken(std::string what) const;
  Outcome checked(tuttiTransportOutcome_t outcome, const char* function) const;
  Outcome taken(uint32_t channel, size_t bytes, Outcome outcome);

  const PluginTables& tables_;
  const tuttiLinkFunctions_v1_t& functions_;
  tuttiPluginLink_t* const link_;  // the plug-in's
  const size_t max_frame_bytes_;
  std::array<uint64_t, kChannelCount> taken_bytes_{};  // by channel
  mutable Status failure_;
  mutable std::string estimate_source_;
};

}  // namespace tutti::transport
