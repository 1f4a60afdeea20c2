// SPDX-License-Identifier: Apache-2.0
// With d domains of g ranks and n bytes: a message to the farthest and one inside, (p-1)/g nb in and as much out, then (g-1)/g nb. Rails take a further hop,
// two_shot two to the farthest. In each domain as many ranks as the smallest one has lead for a share.
#include "algorithms/hierarchical/shots.hpp"

#include <numeric>
#include <utility>
#include <vector>

#include "algorithms/hierarchical/weaver.hpp"

namespace tutti::algorithms::hierarchical {

using namespace schedule;

Schedule shots(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) {
  const uint32_t share_count = hierarchy.smallest_domain();
  const uint32_t own_domain = hierarchy.domain_of(0, rank);
  const std::vector<uint32_t>& near = hierarchy.parts(0, own_domain);
  const Circle domains{hierarchy.domain_count(0)};
  Weaver weaver({.rank = rank, .chunk_count = share_count, .parts = 1});
  // The own domain comes last: the others are farther.
  std::vector<std::vector<WaitFor>> sent(share_count);
  for (uint32_t distance = 1; distance <= domains.size; ++distance) {
    const std::vector<uint32_t>& leaders = hierarchy.parts(0, domains.ahead(own_domain, distance));
    for (uint32_t share = 0; share < share_count; ++share) {
      if (leaders[share] != rank) {
        const StepId sending = weaver.send(leaders[share], share, {.place = input(share)});
        if (problem.in_place == InPlace::yes) {
          sent[share].push_back({sending, WaitMode::streaming});
        }
      }
    }
  }
  if (const uint32_t share = hierarchy.position(rank); share < share_count) {
    Group all{.members = std::vector<uint32_t>(problem.rank_count), .leader = rank};
    std::iota(all.members.begin(), all.members.end(), 0u);
    const Value sum = weaver.reduce(all, share, {.place = input(share)}, {.target = output(share), .final = Final::yes, .before_writing = sent[share]});
    weaver.spread({.members = near, .leader = rank}, share, sum);
  }
  for (uint32_t share = 0; share < share_count; ++share) {
    if (near[share] != rank) {
      weaver.receive(near[share], share, output(share), 0, sent[share]);
    }
  }
  return std::move(weaver).build();
}

}  // namespace tutti::algorithms::hierarchical
