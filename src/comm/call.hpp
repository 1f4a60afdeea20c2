// SPDX-License-Identifier: Apache-2.0
// One collective or message as the application asked for it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "comm/operators.hpp"
#include "schedule/problem.hpp"
#include "tutti/tutti.h"

namespace tutti::comm {

struct Call {
  std::string_view function;  // "tuttiAllReduce", for messages
  schedule::Collective collective = schedule::Collective::all_reduce;
  schedule::Blocks blocks = schedule::Blocks::equal;
  const void* send = nullptr;
  void* receive = nullptr;
  // Equal blocks: as the function's own count. gather_v: this rank's sendcount; scatter_v: its recvcount; all_gather_v: its sendcount.
  size_t count = 0;
  tuttiDataType_t datatype = tuttiInt8;
  tuttiRedOp_t op = tuttiSum;
  // What `op` stood for when the call was made, for calls that are enqueued later; otherwise it is looked up then.
  std::optional<CustomOperator> custom = std::nullopt;
  int root = 0;  // the peer of a send or receive
  // Variable blocks; null where the function has none, or where they are the root's alone.
  const size_t* send_counts = nullptr;
  const size_t* send_displacements = nullptr;
  const size_t* receive_counts = nullptr;
  const size_t* receive_displacements = nullptr;
};

// A barrier is an exchange of one byte of the communicator's own, so that it runs as any other collective.
inline Call barrier_call(std::string_view function) {
  return Call{.function = function, .collective = schedule::Collective::barrier, .count = 1, .datatype = tuttiUint8, .op = tuttiBor};
}

struct Position {
  uint32_t rank = 0;
  uint32_t rank_count = 1;
};

// Everything about a call that can be found wrong without asking another rank, but for custom operators, which are the communicator's. Errors
// name the argument and its value.
Status check(const Call& call, const Position& position);

// What a call with equal blocks reads and writes; 0 for a side it does not use.
struct BufferBytes {
  size_t input = 0;
  size_t output = 0;
};
// Of a call that has been checked.
BufferBytes buffer_bytes(const Call& call, const Position& position);

// Whether check() would find nothing wrong with the buffers of a call that differs from a checked one in nothing else.
struct BufferRules {
  size_t alignment = 1;
  schedule::InPlace in_place = schedule::InPlace::no;
};
bool fit(const Call& call, const BufferBytes& bytes, const BufferRules& rules);

// Whether the call's buffers coincide in NCCL's way.
schedule::InPlace is_in_place(const Call& call, const Position& position);

}  // namespace tutti::comm
