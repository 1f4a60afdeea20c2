// SPDX-License-Identifier: Apache-2.0
#include "engine/control.hpp"

#include <algorithm>
#include <cstring>

namespace tutti::engine {

namespace {

enum class Kind : uint8_t { inquiry = 1, failure = 2, goodbye = 3, waiting = 4, link_request = 5 };

constexpr size_t kInquiryBytes = 1 + sizeof(uint64_t) + Signature::kEncodedBytes + sizeof(uint32_t);
constexpr size_t kWaitingBytes = 1 + sizeof(uint64_t);
constexpr size_t kLinkRequestBytes = 1 + 2 * sizeof(uint32_t);

std::vector<std::byte> encode_inquiry(const Inquiry& inquiry) {
  std::vector<std::byte> bytes(kInquiryBytes);
  bytes[0] = static_cast<std::byte>(Kind::inquiry);
  std::memcpy(&bytes[1], &inquiry.sequence, sizeof inquiry.sequence);
  const auto signature = inquiry.signature.encode();
  std::ranges::copy(signature, bytes.begin() + 1 + sizeof inquiry.sequence);
  std::memcpy(&bytes[kInquiryBytes - sizeof inquiry.chain], &inquiry.chain, sizeof inquiry.chain);
  return bytes;
}

std::vector<std::byte> encode_waiting(const Waiting& waiting) {
  std::vector<std::byte> bytes(kWaitingBytes);
  bytes[0] = static_cast<std::byte>(Kind::waiting);
  std::memcpy(&bytes[1], &waiting.sequence, sizeof waiting.sequence);
  return bytes;
}

std::vector<std::byte> encode_link_request(const LinkRequest& request) {
  std::vector<std::byte> bytes(kLinkRequestBytes);
  bytes[0] = static_cast<std::byte>(Kind::link_request);
  std::memcpy(&bytes[1], &request.origin, sizeof request.origin);
  std::memcpy(&bytes[1 + sizeof request.origin], &request.target, sizeof request.target);
  return bytes;
}

std::vector<std::byte> encode_failure(const FailureNotice& notice) {
  const std::string_view text = std::string_view(notice.status.message()).substr(0, kMaxControlBytes - 2);
  std::vector<std::byte> bytes(2 + text.size());
  bytes[0] = static_cast<std::byte>(Kind::failure);
  bytes[1] = static_cast<std::byte>(notice.status.code());
  std::ranges::copy(std::as_bytes(std::span(text)), bytes.begin() + 2);
  return bytes;
}

std::optional<ControlMessage> decode_inquiry(std::span<const std::byte> bytes) {
  if (bytes.size() != kInquiryBytes) {
    return std::nullopt;
  }
  Inquiry inquiry;
  std::memcpy(&inquiry.sequence, &bytes[1], sizeof inquiry.sequence);
  std::memcpy(&inquiry.chain, &bytes[kInquiryBytes - sizeof inquiry.chain], sizeof inquiry.chain);
  const auto signature = bytes.subspan<1 + sizeof(uint64_t), Signature::kEncodedBytes>();
  if (!Signature::decode(signature, &inquiry.signature)) {
    return std::nullopt;
  }
  return inquiry;
}

std::optional<ControlMessage> decode_waiting(std::span<const std::byte> bytes) {
  if (bytes.size() != kWaitingBytes) {
    return std::nullopt;
  }
  Waiting waiting;
  std::memcpy(&waiting.sequence, &bytes[1], sizeof waiting.sequence);
  return waiting;
}

std::optional<ControlMessage> decode_link_request(std::span<const std::byte> bytes) {
  if (bytes.size() != kLinkRequestBytes) {
    return std::nullopt;
  }
  LinkRequest request;
  std::memcpy(&request.origin, &bytes[1], sizeof request.origin);
  std::memcpy(&request.target, &bytes[1 + sizeof request.origin], sizeof request.target);
  return request;
}

// Not std::isprint, which depends on the locale that the application has chosen.
bool is_printable(std::byte byte) { return byte >= std::byte{0x20} && byte <= std::byte{0x7e}; }

// The text comes from another process: only printable characters are kept.
std::optional<ControlMessage> decode_failure(std::span<const std::byte> bytes) {
  if (bytes.size() < 2 || bytes.size() > kMaxControlBytes) {
    return std::nullopt;
  }
  const auto code = std::to_integer<uint32_t>(bytes[1]);
  if (code == tuttiSuccess || code >= tuttiNumResults) {
    return std::nullopt;
  }
  std::string text;
  for (const std::byte byte : bytes.subspan(2)) {
    text.push_back(is_printable(byte) ? static_cast<char>(byte) : '?');
  }
  return FailureNotice{Status(static_cast<tuttiResult_t>(code), std::move(text))};
}

}  // namespace

std::vector<std::byte> encode(const ControlMessage& message) {
  if (const auto* inquiry = std::get_if<Inquiry>(&message)) {
    return encode_inquiry(*inquiry);
  }
  if (const auto* waiting = std::get_if<Waiting>(&message)) {
    return encode_waiting(*waiting);
  }
  if (const auto* notice = std::get_if<FailureNotice>(&message)) {
    return encode_failure(*notice);
  }
  if (const auto* request = std::get_if<LinkRequest>(&message)) {
    return encode_link_request(*request);
  }
  return {static_cast<std::byte>(Kind::goodbye)};
}

std::optional<ControlMessage> decode_control(std::span<const std::byte> bytes) {
  if (bytes.empty()) {
    return std::nullopt;
  }
  switch (static_cast<Kind>(bytes[0])) {
    case Kind::inquiry: return decode_inquiry(bytes);
    case Kind::waiting: return decode_waiting(bytes);
    case Kind::link_request: return decode_link_request(bytes);
    case Kind::failure: return decode_failure(bytes);
    case Kind::goodbye: return bytes.size() == 1 ? std::optional<ControlMessage>(Goodbye{}) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace tutti::engine
