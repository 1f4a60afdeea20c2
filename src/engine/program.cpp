// SPDX-License-Identifier: Apache-2.0
#include "engine/program.hpp"

#include <algorithm>
#include <utility>

#include "engine/straight.hpp"

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
  for (const schedule::Wait& wait : schedule().waits) {
    places_[wait.step].is_waited_for = true;
  }
  is_eager_ = all_bytes <= kEagerBytes;
  is_large_ = all_bytes >= kLargeBytes;
  is_huge_ = all_bytes >= kHugeBytes;
  if (is_eager_ && !is_modelled()) {
    straight_steps_ = straightened(schedule(), places_);
  }
  find_peers();
  find_linked_peers();
  if (parts_.when_shared != nullptr) {
    Parts parts_when_shared = parts_;
    parts_when_shared.schedule = std::move(parts_when_shared.when_shared);
    parts_when_shared.layout.chunk_count = parts_when_shared.schedule->chunk_count;
    parts_when_shared.layout.parts = parts_when_shared.schedule->parts;
    parts_when_shared.when_shared = nullptr;
    when_shared_ = std::make_unique<const Program>(std::move(parts_when_shared));
    scratch_bytes_ = std::max(scratch_bytes_, when_shared_->scratch_bytes());
  }
}

void Program::find_linked_peers() {
  const auto link_to = [this](uint32_t rank) {
    if (rank != schedule::kOwnRank && (linked_peers_.empty() || linked_peers_.back() != rank)) {
      linked_peers_.push_back(rank);
    }
  };
  for (const Step& step : schedule().steps) {
    if (step.kind != StepKind::copy && step.kind != StepKind::reduce) {
      link_to(step.peer);
    }
    link_to(step.source.rank);
    link_to(step.target.rank);
    for (const schedule::Span& source : schedule().sources_of(step)) {
      link_to(source.rank);
    }
    for (const schedule::Span& target : schedule().further_targets_of(step)) {
      link_to(target.rank);
    }
  }
  std::ranges::sort(linked_peers_);
  const auto repeated = std::ranges::unique(linked_peers_);
  linked_peers_.erase(repeated.begin(), repeated.end());
}

void Program::find_peers() {
  const auto spans_of = [this](uint32_t peer) -> PeerSpans& {
    peers_.resize(std::max<size_t>(peers_.size(), size_t{peer} + 1));
    return peers_[peer];
  };
  const auto note = [&](const schedule::Span& span, uint64_t bytes) {
    if (span.rank == schedule::kOwnRank) {
      return;
    }
    PeerSpans& spans = spans_of(span.rank);
    uint64_t& end = span.buffer == schedule::Buffer::input ? spans.input_bytes : spans.output_bytes;
    end = std::max(end, offset_bytes(span) + bytes);
  };
  for (size_t index = 0; index < places_.size(); ++index) {
    const Step& step = schedule().steps[index];
    if (step.kind == StepKind::signal || step.kind == StepKind::await) {
      spans_of(step.peer);
    }
    note(step.source, places_[index].bytes);
    note(step.target, places_[index].bytes);
    for (const schedule::Span& source : schedule().sources_of(step)) {
      note(source, places_[index].bytes);
    }
    for (const schedule::Span& target : schedule().further_targets_of(step)) {
      note(target, places_[index].bytes);
    }
  }
}

}  // namespace tutti::engine
