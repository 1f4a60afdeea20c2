// SPDX-License-Identifier: Apache-2.0
// A collective as data: what one rank sends, receives, copies and reduces, in which order. Algorithms write schedules; the verifier,
// the printer, the cost model, the simulator and the engine read them.
//
// Words (docs/design/glossary.md):
//   chunk    a piece of the problem's data, numbered the same way on every rank (see `chunk numbering`). The unit of a schedule.
//   slot     a place for one chunk in a rank's buffer.
//   step     one action over `chunk_count` consecutive chunks.
//   lane     a sequence of steps that run in order, each starting after the one before it has completed; lanes run side by side.
//   channel  a lane's steps that send to rank q arrive there, in order, at q's lanes that receive from this rank on the same channel.
//            At most one lane of a channel sends to a given peer, and at most one receives from it.
//
// Chunk numbering, with p ranks and `parts` chunks per block (Schedule::parts):
//   all_reduce, reduce, broadcast   the vector is cut into Schedule::chunk_count chunks; slot = chunk in input and output.
//   all_gather, gather              chunk k*parts+l is part l of rank k's block. Output: slot = chunk. Input: slot = l.
//   reduce_scatter, scatter         chunk k*parts+l is part l of the block for rank k. Input: slot = chunk. Output: slot = l.
//   all_to_all                      chunk (s*p+d)*parts+l is part l of the block from rank s to rank d. Input: slot d*parts+l;
//                                   output: slot s*parts+l.
//   barrier, send, receive          chunk 0; slot 0.
// A rank may also work in the memory of its peers, where their links let it. Both sides meet first: a `signal` tells the peer that this rank's
// input and output are as it needs them, and where they lie; after an `await` of that signal a span may name the peer (Span::rank). Further signals
// tell that the work there is done. Whether an output can be written by peers, is *shared*, is known only when it is passed: memory from
// tuttiMemAlloc is, other memory can only be read. So a step writes to a peer's output only if that is shared, and where it is not, a step with
// Step::if_private lets the peer fetch for itself what would have been written: two forms of one algorithm in one schedule.
// Sends may be in a gang (base/gang.hpp), which switches that can do it carry as one.
// Scratch slots are the algorithm's own; each is large enough for any chunk, and consecutive slots are contiguous.
// With equal blocks, a step may span several chunks when parts == 1; the range may then wrap around the end of the numbering, and the
// slots are consecutive. In a vector cut into chunks, ranges do not wrap. With variable blocks chunk_count is always 1.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/gang.hpp"
#include "schedule/problem.hpp"

namespace tutti::schedule {

enum class StepKind : uint8_t {
  send,            // source -> peer
  receive,         // peer -> target
  receive_reduce,  // target = source (op) data from peer, in the order `operands` says
  copy,            // source -> target
  reduce,          // target = sources[0] (op) sources[1] ..., in that order; one or more sources; then further targets, alike
  signal,          // tells the peer that this rank has come here, and where its input and output lie
  await,           // until the peer's signal is here
};

enum class Buffer : uint8_t { none, input, output, scratch };

// Which operand stands on the left, so that all ranks reduce in the same order and get the same bits.
enum class Operands : uint8_t { local_first, received_first };

// `yes` on the step that adds the last contributions: there avg divides. Only on receive_reduce and reduce.
enum class Final : uint8_t { no, yes };

// Waiting for another step of the same rank. `complete`: until it is done. `streaming`: the first bytes of the waiting step may start when
// the first as many bytes of the other are done; both then have the same chunk range.
enum class WaitMode : uint8_t { complete, streaming };

inline constexpr uint32_t kOwnRank = UINT32_MAX;

struct Span {
  Buffer buffer = Buffer::none;
  uint32_t slot = 0;
  // Whose buffer. A peer's input or output is a source of copy and reduce; its output also a target of copy, and a further one of reduce.
  uint32_t rank = kOwnRank;

  bool operator==(const Span&) const = default;
};

struct Wait {
  uint32_t step = 0;  // index into Schedule::steps
  WaitMode mode = WaitMode::complete;

  bool operator==(const Wait&) const = default;
};

struct Step {
  StepKind kind = StepKind::copy;
  Operands operands = Operands::local_first;
  Final final = Final::no;
  uint32_t first_chunk = 0;
  uint32_t chunk_count = 1;
  bool if_private = false;  // copy: left out if this rank's output is shared with the rank that `source` names
  uint32_t peer = 0;  // send, receive, receive_reduce, signal, await
  Span source;        // send, copy, receive_reduce
  Span target;        // receive, receive_reduce, copy, reduce
  uint32_t first_wait = 0, wait_count = 0;      // into Schedule::waits
  uint32_t first_source = 0, source_count = 0;  // into Schedule::sources; reduce only
  uint32_t first_target = 0, target_count = 0;  // into Schedule::targets: peers' outputs, which get what `target` gets; reduce only
  Gang gang = {};  // send; of several sources: what comes goes into one reduce, and nowhere else

  bool operator==(const Step&) const = default;
};

struct Lane {
  uint32_t channel = 0;  // 0 .. Schedule::channel_count-1
  uint32_t first_step = 0;
  uint32_t step_count = 0;

  bool operator==(const Lane&) const = default;
};

inline constexpr uint32_t kMaxChannels = 6;  // a schedule's: all that transports have for collectives, so that those with as many overlap with no other
// What a message that Schedule::least_slices cuts finely is not cut below: frames cost their senders and receivers something each.
inline constexpr uint64_t kShortestSliceBytes = 16 * 1024;

struct Schedule {
  uint32_t rank = 0;
  uint32_t chunk_count = 1;   // of the whole problem
  uint32_t parts = 1;         // chunks per block
  uint32_t scratch_slots = 0;
  uint32_t channel_count = 1;  // the same on all ranks, whatever they use of them
  uint32_t least_slices = 1;  // of a message: pipelines through many ranks ask for many, since they are full when as many slices are on their way as ranks
  std::vector<Step> steps;  // lane after lane
  std::vector<Lane> lanes;
  std::vector<Wait> waits;
  std::vector<Span> sources;
  std::vector<Span> targets = {};

  // Of a message that links would take in slices of `longest_bytes`.
  uint64_t slice_bytes(uint64_t message_bytes, uint64_t longest_bytes) const {
    return least_slices <= 1 ? longest_bytes : std::min(longest_bytes, std::max(kShortestSliceBytes, message_bytes / least_slices));
  }
  std::span<const Step> steps_of(const Lane& lane) const { return std::span(steps).subspan(lane.first_step, lane.step_count); }
  std::span<const Wait> waits_of(const Step& step) const { return std::span(waits).subspan(step.first_wait, step.wait_count); }
  std::span<const Span> sources_of(const Step& step) const {
    return std::span(sources).subspan(step.first_source, step.source_count);
  }
  // Without Step::target.
  std::span<const Span> further_targets_of(const Step& step) const {
    return std::span(targets).subspan(step.first_target, step.target_count);
  }
  bool operator==(const Schedule&) const = default;
};

// Golden text: one line per step.
std::string to_string(const Schedule& schedule);

}  // namespace tutti::schedule
