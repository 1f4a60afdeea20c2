// SPDX-License-Identifier: Apache-2.0
#include "engine/program.hpp"

#include <algorithm>
#include <utility>

namespace tutti::engine {

using schedule::Step;
using schedule::StepKind;

namespace {

schedule::LayoutRequest layout_request(const Program::Parts& parts) {
  schedule::LayoutRequest request = parts.layout;
  request.variable = {parts.tables[0], parts.tables[1], parts.tables[2], parts.tables[3]};
  return request;
}

bool is_message(schedule::Collective collective) {
  return collective == schedule::Collective::send || collective == schedule::Collective::receive;
}

}  // namespace

Program::Program(Parts parts)
    : parts_(std::move(parts)),
      fingerprint_(engine::fingerprint(parts_.signature)),
      layout_(layout_request(parts_)),
      element_bytes_(static_cast<uint32_t>(parts_.layout.element_bytes)),
      is_point_to_point_(is_message(parts_.signature.collective)) {
  if (__builtin_mul_overflow(layout_.scratch_elements(schedule().scratch_slots), element_bytes_, &scratch_bytes_)) {
    scratch_bytes_ = UINT64_MAX;
  }
  uint64_t all_bytes = 0;
  for (const Step& step : schedule().steps) {
    const bool is_meeting = step.kind == StepKind::signal || step.kind == StepKind::await;
    const uint64_t bytes = is_meeting ? 0 : layout_.length(step.first_chunk, step.chunk_count) * element_bytes_;
    places_.push_back({offset_bytes(step.source), offset_bytes(step.target), bytes});
    if (__builtin_add_overflow(all_bytes, bytes, &all_bytes)) {
      all_bytes = UINT64_MAX;
    }
  }
  is_eager_ = all_bytes <= kEagerBytes;
  is_large_ = all_bytes >= kLargeBytes;
  find_peers();
}

void Program::find_peers() {
  const auto spans_of = [this](uint32_t peer) -> PeerSpans& {
    const auto place = std::ranges::lower_bound(peers_, peer, {}, &PeerSpans::peer);
    return place != peers_.end() && place->peer == peer ? *place : *peers_.insert(place, PeerSpans{.peer = peer});
  };
  const auto note = [&](const schedule::Span& span, uint64_t bytes, bool is_target) {
    if (span.rank == schedule::kOwnRank) {
      return;
    }
    PeerSpans& spans = spans_of(span.rank);
    uint64_t& end = span.buffer == schedule::Buffer::input ? spans.input_bytes : spans.output_bytes;
    end = std::max(end, offset_bytes(span) + bytes);
    spans.writes_output |= is_target;
  };
  for (size_t index = 0; index < places_.size(); ++index) {
    const Step& step = schedule().steps[index];
    if (step.kind == StepKind::signal || step.kind == StepKind::await) {
      spans_of(step.peer);
    }
    note(step.source, places_[index].bytes, false);
    note(step.target, places_[index].bytes, true);
    for (const schedule::Span& source : schedule().sources_of(step)) {
      note(source, places_[index].bytes, false);
    }
    for (const schedule::Span& target : schedule().further_targets_of(step)) {
      note(target, places_[index].bytes, true);
    }
  }
}

}  // namespace tutti::engine
