// SPDX-License-Identifier: Apache-2.0
// One run of a program to its end: what each step did to which chunks, in an order in which the steps can go. Sends go ahead of their receives, as in
// MSCCL, and nothing else is assumed of the order: whether the steps' waits enforce what the result relies on is for the verifier to say.
#pragma once

#include <cstdint>
#include <vector>

#include "base/status.hpp"
#include "msccl/places.hpp"
#include "msccl/program.hpp"

namespace tutti::msccl {

// A step, or the receiving or sending half of one that does both.
enum class OpKind : uint8_t { nop, send, receive, receive_reduce, copy, reduce };

struct Reference {
  uint32_t place = kNone;   // a Places number, or one above them all: room for what is passed on without being kept
  bool is_initial = false;  // nothing has been written there: it holds the call's input

  bool operator==(const Reference&) const = default;
};

// What becomes of one chunk.
struct Transfer {
  uint32_t chunk = 0;
  Reference source = {};  // send, copy; the local operand of the reducing kinds
  Reference other = {};   // reduce: the other operand
  Reference target = {};
  // Of those whose contributions are in the operands, the lowest: lower ones stand on the left.
  uint32_t lowest_in_source = 0;
  uint32_t lowest_in_other = 0;
  bool is_final = false;     // it adds the last contributions
};

struct Op {
  OpKind kind = OpKind::nop;
  uint32_t block = 0;
  uint32_t step = 0;
  uint32_t first_transfer = 0;  // into RankTrace::transfers
  uint32_t transfer_count = 0;
  uint32_t message = kNone;  // into Trace::messages; send, receive, receive_reduce
};

struct RankTrace {
  std::vector<Op> ops;  // as they went; the two halves of a step follow each other
  std::vector<Transfer> transfers;
  std::vector<bool> is_written;  // by Places number
  uint32_t passing_slots = 0;    // room for what is passed on without being kept
};

// In the order in which they were received.
struct Message {
  uint32_t source = 0;
  uint32_t send_op = 0;
  uint32_t target = 0;
  uint32_t receive_op = 0;
  uint32_t channel = 0;  // the program's
};

struct Trace {
  std::vector<RankTrace> ranks;
  std::vector<Message> messages;
};

// Errors: tuttiInvalidArgument naming the step that reads what holds nothing, goes out of a buffer, adds a contribution twice, waits for ever, and
// so on, or the chunk of the output that ends wrong.
Result<Trace> trace_of(const Program& program, const Shape& shape);

}  // namespace tutti::msccl
