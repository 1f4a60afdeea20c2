// SPDX-License-Identifier: Apache-2.0
#include "schedule/composition.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

namespace tutti::schedule {
namespace {

// A rank's block: alone in the reducescatter's output and in the allgather's input, one of all in the allreduce's output.
Span in_whole(Span span, uint32_t rank, Buffer alone) { return span.buffer == alone ? Span{Buffer::output, span.slot + rank, span.rank} : span; }

class AllReduce {
 public:
  explicit AllReduce(const Halves& halves) : halves_(halves), schedule_(halves.reduce_scatter) {
    assert(halves.reduce_scatter.rank == halves.all_gather.rank && halves.reduce_scatter.chunk_count == halves.all_gather.chunk_count);
    assert(halves.reduce_scatter.parts == 1 && halves.all_gather.parts == 1);
    assert(halves.reduce_scatter.channel_count + halves.all_gather.channel_count <= kMaxChannels);
  }

  Schedule make() {
    take_first_half();
    append_second_half();
    return std::move(schedule_);
  }

 private:
  uint32_t rank() const { return schedule_.rank; }

  void take_first_half() {
    readers_.resize(schedule_.chunk_count);
    const auto note_read = [&](const Span& span, const Step& step, uint32_t index) {
      for (uint32_t slot = 0; span.buffer == Buffer::input && slot < step.chunk_count; ++slot) {
        readers_[span.slot + slot].push_back(index);
      }
    };
    for (uint32_t index = 0; index < schedule_.steps.size(); ++index) {
      Step& step = schedule_.steps[index];
      note_read(step.source, step, index);
      for (const Span& source : schedule_.sources_of(step)) {
        note_read(source, step, index);
      }
      if (step.target.buffer == Buffer::output) {
        writers_.push_back(index);
      }
      step.source = in_whole(step.source, rank(), Buffer::output);
      step.target = in_whole(step.target, rank(), Buffer::output);
    }
    for (Span& source : schedule_.sources) {
      source = in_whole(source, rank(), Buffer::output);
    }
  }

  void append_second_half() {
    const Schedule& second = halves_.all_gather;
    const auto first_step = static_cast<uint32_t>(schedule_.steps.size());
    const uint32_t first_scratch = schedule_.scratch_slots;
    const auto moved = [&](Span span) {
      span.slot += span.buffer == Buffer::scratch ? first_scratch : 0;
      return in_whole(span, rank(), Buffer::input);
    };
    for (const Lane& lane : second.lanes) {
      schedule_.lanes.push_back({schedule_.channel_count + lane.channel, first_step + lane.first_step, lane.step_count});
    }
    for (const Step& original : second.steps) {
      assert(original.source_count == 0 && original.target_count == 0);  // nothing is reduced
      Step step = original;
      step.source = moved(original.source);
      step.target = moved(original.target);
      step.first_wait = static_cast<uint32_t>(schedule_.waits.size());
      for (const Wait& wait : second.waits_of(original)) {
        schedule_.waits.push_back({first_step + wait.step, wait.mode});
      }
      wait_for_first_half(original);
      step.wait_count = static_cast<uint32_t>(schedule_.waits.size()) - step.first_wait;
      schedule_.steps.push_back(step);
    }
    schedule_.scratch_slots += second.scratch_slots;
    schedule_.channel_count += second.channel_count;
  }

  // What it reads must be there, and what it overwrites, of an allreduce in place, must have been read.
  void wait_for_first_half(const Step& step) {
    const bool reads_whole = step.source.buffer == Buffer::output && step.source.slot <= rank() && rank() < step.source.slot + step.chunk_count;
    if (step.source.buffer == Buffer::input || reads_whole) {
      wait_for(writers_, step);
    }
    for (uint32_t slot = 0; step.target.buffer == Buffer::output && slot < step.chunk_count; ++slot) {
      wait_for(readers_[step.target.slot + slot], step);
    }
  }

  // Slice by slice, if both have the same chunks.
  void wait_for(const std::vector<uint32_t>& steps, const Step& waiting) {
    for (const uint32_t index : steps) {
      const Step& step = schedule_.steps[index];
      const bool are_alike = step.first_chunk == waiting.first_chunk && step.chunk_count == waiting.chunk_count;
      schedule_.waits.push_back({index, are_alike ? WaitMode::streaming : WaitMode::complete});
    }
  }

  const Halves& halves_;
  Schedule schedule_;
  std::vector<std::vector<uint32_t>> readers_;  // by slot of the input, steps of the first half
  std::vector<uint32_t> writers_;               // of the own block
};

}  // namespace

Schedule all_reduce_of(const Halves& halves) { return AllReduce(halves).make(); }

}  // namespace tutti::schedule
