// SPDX-License-Identifier: Apache-2.0
// What is to be solved, without sizes: the part of a call that decides which schedules are correct.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/status.hpp"

namespace tutti::schedule {

enum class Collective : uint8_t {
  all_reduce,
  reduce,
  broadcast,
  all_gather,
  reduce_scatter,
  all_to_all,
  gather,
  scatter,
  barrier,
  send,  // one message from `root` to the peer; built by the communicator, not by an algorithm
  receive,
};
inline constexpr uint32_t kCollectiveCount = 11;

// "allreduce", "allgather": the words of TUTTI_ALGO and of every message.
std::string_view name_of(Collective collective);
// Those that algorithms solve: all but send and receive.
std::span<const Collective> planned_collectives();
// The planned one of that name. Errors: tuttiInvalidArgument that names them all.
Result<Collective> collective_named(std::string_view name);

enum class InPlace : uint8_t { no, yes };

// How long blocks are. `equal`: all alike (the last chunks of a split vector may be shorter). `variable`: each block has its own
// length, as in the V collectives, so one message can carry one block only.
enum class Blocks : uint8_t { equal, variable };

struct Problem {
  Collective collective = Collective::all_reduce;
  uint32_t rank_count = 1;
  uint32_t root = 0;  // reduce, broadcast, gather, scatter
  InPlace in_place = InPlace::no;
  Blocks blocks = Blocks::equal;

  bool operator==(const Problem&) const = default;
};

constexpr bool is_rooted(Collective collective) {
  return collective == Collective::reduce || collective == Collective::broadcast || collective == Collective::gather ||
         collective == Collective::scatter;
}
constexpr bool is_reducing(Collective collective) {
  return collective == Collective::all_reduce || collective == Collective::reduce || collective == Collective::reduce_scatter;
}
// Whether the data is one vector that a schedule cuts into chunks, rather than a block for each rank.
bool is_cut_vector(Collective collective);

// "allreduce, 8 ranks, in place"
std::string to_string(const Problem& problem);
uint64_t hash(const Problem& problem);

}  // namespace tutti::schedule
