// SPDX-License-Identifier: Apache-2.0
// With p ranks and n bytes in all: p/2 a + (p-1)/p nb, half of a ring's latency (Chen, Zhang, Zhang and Yuan, "Performance evaluation of allgather
// algorithms on terascale Linux cluster with fast Ethernet", HPC Asia 2005).
#include "algorithms/ring/neighbour_exchange.hpp"

#include <utility>
#include <vector>

#include "algorithms/ranks.hpp"
#include "schedule/builder.hpp"

namespace tutti::algorithms::ring {

using namespace schedule;

// More would have as many steps for nothing: what saves half of a ring's latency is for few ranks.
static constexpr uint32_t kMostRanks = 1024;

bool neighbour_exchange_solves(const Problem& problem) {
  return problem.collective == Collective::all_gather && problem.rank_count % 2 == 0 && problem.rank_count <= kMostRanks;
}

// Ranks 2k and 2k+1 first exchange their blocks, which then travel together: pair k. What an even rank gets is that of the pairs k-1, k+1, k-2, ...;
// an odd one the other way round. Both neighbours of a rank send it, in turn, what they got in the round before.
Schedule neighbour_exchange(const Problem& problem, uint32_t rank) {
  const Circle pairs{problem.rank_count / 2};
  const Circle ranks{problem.rank_count};
  const bool is_even = rank % 2 == 0;
  const uint32_t partner = is_even ? rank + 1 : rank - 1;
  const uint32_t other = is_even ? ranks.behind(rank, 1) : ranks.ahead(rank, 1);
  const auto got_in = [&](uint32_t round) {
    const uint32_t away = (round + 1) / 2;
    return (round % 2 == 1) == is_even ? pairs.behind(rank / 2, away) : pairs.ahead(rank / 2, away);
  };

  Builder builder({.rank = rank, .chunk_count = problem.rank_count, .parts = 1});
  const LaneId sends = builder.add_lane();
  const LaneId receives = builder.add_lane();
  std::vector<WaitFor> copied;
  if (problem.in_place == InPlace::no) {
    copied.push_back({builder.copy(builder.add_lane(), {rank}, {.source = input(0), .target = output(rank)})});
  }
  const auto pieces_of = [&](uint32_t pair) {
    return problem.blocks == Blocks::variable ? std::vector<Chunks>{{2 * pair}, {2 * pair + 1}} : std::vector<Chunks>{{2 * pair, 2}};
  };
  builder.send(sends, partner, {rank}, input(0));
  StepId received = builder.receive(receives, partner, {partner}, output(partner));
  for (uint32_t round = 1; round < pairs.size; ++round) {
    const uint32_t peer = round % 2 == 1 ? other : partner;
    std::vector<WaitFor> waits = std::exchange(copied, {});
    waits.push_back({received});
    for (const Chunks& piece : pieces_of(round == 1 ? rank / 2 : got_in(round - 1))) {
      builder.send(sends, peer, piece, piece.first == rank && piece.count == 1 ? input(0) : output(piece.first), {.waits = waits});
    }
    for (const Chunks& piece : pieces_of(got_in(round))) {
      received = builder.receive(receives, peer, piece, output(piece.first));
    }
  }
  return std::move(builder).build();
}

}  // namespace tutti::algorithms::ring
