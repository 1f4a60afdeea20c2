// SPDX-License-Identifier: Apache-2.0
// A schedule with sizes and operator put in: what all calls share that differ in their buffers only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/signature.hpp"
#include "reduce/reduce.hpp"
#include "schedule/layout.hpp"
#include "schedule/schedule.hpp"

namespace tutti::engine {

// Operations whose messages are no longer than this all together are begun by the thread that submits them.
inline constexpr uint64_t kEagerBytes = 8 * 1024;
// Operations that move or reduce no less than this write past the caches. An allreduce of two ranks in each other's memory takes with streaming
// stores, in parts of the time with cached ones, in the same buffers each time and in four sets of them in turn: 1.1 and 0.9 at 4 MiB, 1.1 and 0.6
// at 8 MiB, 0.6 for both at 32 MiB and more; reading the result then takes twice as long (bench/kernels/direct_bench, on cores of 2 MiB of L2 with
// a share of 260 MiB of L3).
inline constexpr uint64_t kLargeBytes = 8 * 1024 * 1024;
// From here on what is received from a link is written past the caches, too. Broadcasts and all-gathers of two ranks by messages take with streaming
// stores, in parts of the time with cached ones: 1.14 and 1.05 at 16 MiB, 0.98 and 0.96 at 32 MiB, 0.89 and 0.87 at 64 MiB.
inline constexpr uint64_t kHugeBytes = 32 * 1024 * 1024;

// Whether operations work on the bytes of their buffers, or only go through the motions and touch none of them: in simulations of more memory than
// there is.
enum class Data : uint8_t { real, modelled };

// What the steps of a call use of a peer's memory.
struct PeerSpans {
  // From the start of the peer's buffers to the end of what this rank uses there.
  uint64_t input_bytes = 0;
  uint64_t output_bytes = 0;
};

// Where a step works, in bytes from the start of the buffers its spans name.
struct StepPlace {
  uint64_t source_offset = 0;
  uint64_t target_offset = 0;
  uint64_t bytes = 0;
  bool is_waited_for = false;  // by another step
};

// A step of a program that needs no lanes (straight.hpp).
struct StraightStep {
  // release: the link has let go of what was sent.
  enum class Kind : uint8_t { copy, send, release, receive, receive_reduce };
  Kind kind = Kind::copy;
  schedule::Buffer source = schedule::Buffer::none;
  schedule::Buffer target = schedule::Buffer::none;
  schedule::Operands operands = schedule::Operands::local_first;
  reduce::Final final = reduce::Final::no;
  uint32_t peer = 0;
  uint64_t bytes = 0;
  uint64_t source_offset = 0;
  uint64_t target_offset = 0;
};

class Program {
 public:
  using Tables = std::array<std::vector<uint64_t>, 4>;  // as schedule::VariableBlocks: send counts, send displacements, and of the receives
  // Multiplied into the input beforehand (pre-multiplied sum).
  struct InputScale {
    std::array<std::byte, 8> factor{};  // one element of the data type
    uint64_t elements = 0;              // of the whole input
  };
  struct Parts {
    Signature signature;
    std::shared_ptr<const schedule::Schedule> schedule;
    schedule::LayoutRequest layout;  // `variable` is ignored; `tables` takes its place
    Tables tables = {};
    reduce::Operator op = {};
    std::optional<InputScale> input_scale = std::nullopt;
    // Of the whole buffers, for peers that work in them.
    uint64_t input_bytes = 0;
    uint64_t output_bytes = 0;
    // What runs instead of `schedule` when all ranks' buffers turn out to be shared; may be null.
    std::shared_ptr<const schedule::Schedule> when_shared = nullptr;
    Data data = Data::real;
  };
  explicit Program(Parts parts);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  const Signature& signature() const { return parts_.signature; }
  uint32_t fingerprint() const { return fingerprint_; }
  const schedule::Schedule& schedule() const { return *parts_.schedule; }
  const reduce::Operator& op() const { return parts_.op; }
  const std::optional<InputScale>& input_scale() const { return parts_.input_scale; }
  uint64_t input_bytes() const { return parts_.input_bytes; }
  uint64_t output_bytes() const { return parts_.output_bytes; }
  uint32_t rank_count() const { return parts_.layout.problem.rank_count; }
  uint32_t element_bytes() const { return element_bytes_; }
  // UINT64_MAX, which no allocation gives, when it does not fit 64 bits.
  uint64_t scratch_bytes() const { return scratch_bytes_; }
  const StepPlace& place_of(uint32_t step) const { return places_[step]; }
  // All steps in the order in which they run; empty: they run in lanes.
  std::span<const StraightStep> straight_steps() const { return straight_steps_; }
  uint64_t offset_bytes(schedule::Span span) const { return layout_.offset(span) * element_bytes_; }
  // By rank, up to the last that the steps meet; empty if they meet none.
  std::span<const PeerSpans> peers() const { return peers_; }
  // That the steps exchange messages with, or whose memory they use; ascending.
  std::span<const uint32_t> linked_peers() const { return linked_peers_; }
  // Null: this one runs whatever the buffers are.
  const Program* when_shared() const { return when_shared_.get(); }
  bool is_modelled() const { return parts_.data == Data::modelled; }
  bool is_point_to_point() const { return is_point_to_point_; }
  bool is_eager() const { return is_eager_; }
  // More than the caches hold: writing past them pays.
  bool is_large() const { return is_large_; }
  bool is_huge() const { return is_huge_; }

 private:
  void find_peers();
  void find_linked_peers();

  const Parts parts_;
  const uint32_t fingerprint_;
  const schedule::Layout layout_;
  const uint32_t element_bytes_;
  uint64_t scratch_bytes_ = 0;
  std::vector<StepPlace> places_;  // by step
  std::vector<StraightStep> straight_steps_;
  std::vector<PeerSpans> peers_;
  std::vector<uint32_t> linked_peers_;
  std::unique_ptr<const Program> when_shared_;
  bool is_point_to_point_;
  bool is_eager_ = false;
  bool is_large_ = false;
  bool is_huge_ = false;
};

}  // namespace tutti::engine
