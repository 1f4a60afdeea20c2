// SPDX-License-Identifier: Apache-2.0
#include "transports/ucx/sender.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace tutti::transports::ucx {

Sender::Sender(Worker& worker, const Endpoint& endpoint, uint64_t session)
    : worker_(worker), endpoint_(endpoint), session_(session), credit_(transport::units_by_channel(window_units)) {}

Sender::~Sender() { abandon(); }

void Sender::send_frame(Header header, std::span<const std::byte> payload) {
  assert(has_room() && has_credit_for(header.channel, payload.size()));
  Outbound& outbound = outbound_[header.channel];
  credit_.spend(header.channel, credit_units(payload.size()));
  header.payload_bytes = static_cast<uint32_t>(payload.size());
  if (payload.size() > kInlineBytes) {
    header.kind = Kind::announcement;
    send_message(header, {});
    send_payload(header.channel, payload);
    return;
  }
  header.kind = Kind::data;
  send_message(header, payload);
  if (outbound.payloads.empty()) {
    outbound.released_bytes += payload.size();
  } else {
    outbound.payloads.push({payload.size(), nullptr});
  }
}

void Sender::send_word(Header header) {
  assert(has_room() && header.payload_bytes == 0);
  send_message(header, {});
}

void Sender::send_message(Header header, std::span<const std::byte> payload) {
  header.number = next_number_++;
  Operation* const operation = worker_.begin(this);
  operation->slot = worker_.take_slot();
  encode(header, HeaderBytes(operation->slot, kHeaderBytes));
  std::ranges::copy(payload, operation->slot + kHeaderBytes);
  const ucs_status_t status = worker_.send(endpoint_, message_tag(session_), {operation->slot, kHeaderBytes + payload.size()}, *operation);
  if (status != UCS_INPROGRESS) {
    worker_.end(operation);
    note(status);
    return;
  }
  operation->channel = transport::kChannelCount;  // no payload's
  operation->index = messages_under_way_;
  under_way_[messages_under_way_++] = operation;
}

void Sender::send_payload(uint32_t channel, std::span<const std::byte> payload) {
  Outbound& outbound = outbound_[channel];
  if (!failure_.ok()) {
    outbound.released_bytes += outbound.payloads.empty() ? payload.size() : 0;
    return;
  }
  Operation* const operation = worker_.begin(this);
  const ucs_status_t status = worker_.send(endpoint_, payload_tag(session_, channel), payload, *operation);
  if (status == UCS_INPROGRESS) {
    operation->channel = channel;
    operation->index = outbound.payloads.push({payload.size(), operation});
    ++payloads_under_way_;
    return;
  }
  worker_.end(operation);
  note(status);
  outbound.payloads.push({payload.size(), nullptr});
  release(outbound);
}

void Sender::completed(Operation& operation, ucs_status_t status, size_t) {
  note(status);
  if (operation.channel == transport::kChannelCount) {
    under_way_[operation.index] = under_way_[--messages_under_way_];
    under_way_[operation.index]->index = operation.index;
  } else {
    Outbound& outbound = outbound_[operation.channel];
    outbound.payloads[operation.index].operation = nullptr;
    --payloads_under_way_;
    release(outbound);
  }
  worker_.end(&operation);
}

// Frames are released in order, as callers count them.
void Sender::release(Outbound& outbound) {
  while (!outbound.payloads.empty() && outbound.payloads.front().operation == nullptr) {
    outbound.released_bytes += outbound.payloads.front().byte_count;
    outbound.payloads.pop();
  }
}

void Sender::abandon() {
  for (uint32_t index = 0; index < messages_under_way_; ++index) {
    worker_.abandon(*under_way_[index]);
  }
  messages_under_way_ = 0;
  for (Outbound& outbound : outbound_) {
    for (uint64_t number = outbound.payloads.begin(); number != outbound.payloads.end(); ++number) {
      if (Operation* const operation = std::exchange(outbound.payloads[number].operation, nullptr)) {
        worker_.abandon(*operation);
      }
    }
    release(outbound);
  }
  payloads_under_way_ = 0;
}

void Sender::note(ucs_status_t status) {
  if (status != UCS_OK && failure_.ok()) {
    failure_ = remote_error("{}", words_of(status));
  }
}

}  // namespace tutti::transports::ucx
