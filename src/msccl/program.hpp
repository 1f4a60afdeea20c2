// SPDX-License-Identifier: Apache-2.0
// A collective in the format of MSCCL: what each GPU's threadblocks send, receive, copy and reduce, in chunks of the call's buffers. The format
// is that of https://github.com/microsoft/msccl-tools (Cowan, Maleki, Musuvathi, Saarikivi and Xiong, "MSCCLang", ASPLOS 2023), with the meaning that the
// interpreter of https://github.com/Azure/msccl-executor-nccl gives it. docs/msccl.md explains it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "schedule/problem.hpp"

namespace tutti::msccl {

inline constexpr uint32_t kNone = UINT32_MAX;

// Bounds on what is read.
inline constexpr uint64_t kMostFileBytes = uint64_t{64} << 20;
inline constexpr uint32_t kMostRanks = 4096;
inline constexpr uint32_t kMostChunks = 1 << 20;  // in one buffer
inline constexpr uint32_t kMostSteps = 1 << 19;   // of all GPUs together
inline constexpr uint32_t kMostChannels = 1 << 10;

enum class StepType : uint8_t {
  send,                      // s: source -> peer
  receive,                   // r: peer -> target
  receive_copy_send,         // rcs: peer -> target -> next peer
  receive_reduce_send,       // rrs: source (op) peer's -> next peer; kept nowhere
  receive_reduce_copy,       // rrc: source (op) peer's -> target
  receive_reduce_copy_send,  // rrcs: source (op) peer's -> target -> next peer
  copy,                      // cpy: source -> target
  reduce,                    // re: target = target (op) source
  nop,                       // waits, and no more
};
// "rrcs"
std::string_view word_of(StepType type);
bool receives(StepType type);
// Whether the step's source, or its target, means anything.
bool has_source(StepType type);
bool has_target(StepType type);
bool sends(StepType type);

enum class Memory : uint8_t { input, output, scratch };

struct Place {
  Memory memory = Memory::input;
  uint32_t slot = 0;

  bool operator==(const Place&) const = default;
};
// "s[5]"
std::string text_of(Place place);

struct Step {
  StepType type = StepType::nop;
  Place source;
  Place target;
  uint32_t count = 0;  // chunks
  // A step of another threadblock of the GPU that is to be complete before; kNone: none.
  uint32_t awaited_block = kNone;
  uint32_t awaited_step = kNone;
  uint32_t line = 0;
};

// Its steps run in order. What it sends on its channel arrives in order at the threadblock that receives from this GPU on it; sends do not wait for
// that.
struct Block {
  uint32_t send_to = kNone;
  uint32_t receive_from = kNone;
  uint32_t channel = 0;
  std::vector<Step> steps;
  uint32_t line = 0;
};

struct Gpu {
  uint32_t scratch_slots = 0;
  std::vector<Block> blocks;  // by id
  uint32_t line = 0;
};

struct Program {
  std::string file;  // for messages
  std::string name;
  schedule::Collective collective = schedule::Collective::all_reduce;
  uint32_t chunk_count = 1;  // nchunksperloop: what the call's bytes are cut into, those of all ranks' blocks together where it has blocks
  // Whether input and output are one memory, so that steps may name either.
  bool is_in_place = false;
  std::optional<uint32_t> root;  // of collectives that have one; empty: the file does not say
  // Sizes that the file is for, of the vector, or of the blocks of all ranks together.
  uint64_t least_bytes = 0;
  uint64_t most_bytes = UINT64_MAX;
  std::vector<Gpu> gpus;  // by id

  uint32_t rank_count() const { return static_cast<uint32_t>(gpus.size()); }
  // "ring.xml:57: gpu 3, tb 1, step 4 (rrc)"
  std::string place_of(uint32_t rank, uint32_t block, uint32_t step) const;
};

// From the text of a file named `file`. Numbers are bounded; ids are complete, peers and awaited steps are there, and each pair of GPUs has one
// threadblock at each end of a channel. Errors: tuttiInvalidArgument naming file, line, and what is wrong there.
Result<Program> parse(std::string_view text, std::string file);
// The file at `path`. Errors: as parse(), and those of opening and reading it.
Result<Program> read(const std::string& path);

// "allreduce" and "reduce_scatter" are MSCCL's words.
std::string_view collective_word(schedule::Collective collective);

}  // namespace tutti::msccl
