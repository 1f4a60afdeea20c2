// SPDX-License-Identifier: Apache-2.0
// With d domains of g ranks, a latency and blocks of n bytes: a message to the farthest and one inside, the more of (d-1)/d p/g nb on a rail and of (p-1) nb
// inside, at the root.
#include "algorithms/hierarchical/rail_blocks.hpp"

#include <algorithm>
#include <utility>

#include "algorithms/hierarchical/weaver.hpp"

namespace tutti::algorithms::hierarchical {
namespace {

using namespace schedule;

// Blocks that come to a gateway side by side are all on their way until the end. So that it can pass on what has come, they leave it by as many channels as
// there can be, and where that is too few, part by part.
constexpr uint32_t kMostParts = 8;

uint32_t parts_of(const Problem& problem, const Gateways& gateways) {
  return problem.collective == Collective::gather ? std::clamp((gateways.most_behind() + kMaxChannels - 1) / kMaxChannels, 1u, kMostParts) : 1;
}
uint32_t channel_of(size_t index) { return static_cast<uint32_t>(index % kMaxChannels); }

class OfRank {
 public:
  OfRank(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank)
      : problem_(problem),
        rank_(rank),
        gateways_(hierarchy, problem.root),
        parts_(parts_of(problem, gateways_)),
        weaver_({.rank = rank, .chunk_count = problem.rank_count * parts_, .parts = parts_}) {}

  Schedule make() && {
    const bool gathers = problem_.collective == Collective::gather;
    for (size_t index = 0; index < gateways_.ranks().size(); ++index) {
      const uint32_t gateway = gateways_.ranks()[index];
      const std::vector<uint32_t>& behind = gateways_.behind()[index];
      if (gateway == problem_.root) {
        gathers ? gather_straight(behind) : scatter_straight(behind);
      } else {
        gathers ? gather_through(gateway, behind) : scatter_through(gateway, behind);
      }
    }
    if (rank_ == problem_.root && problem_.in_place == InPlace::no) {
      const LaneId copying = weaver_.builder().add_lane();
      for (uint32_t part = 0; part < parts_; ++part) {
        const uint32_t own = chunk(rank_, part);
        weaver_.builder().copy(copying, {own}, gathers ? Builder::Copy{.source = input(part), .target = output(own)}
                                                       : Builder::Copy{.source = input(own), .target = output(part)});
      }
    }
    Schedule schedule = std::move(weaver_).build();
    schedule.channel_count = gathers ? std::min(kMaxChannels, std::max(1u, gateways_.most_behind())) : 1;
    return schedule;
  }

 private:
  uint32_t chunk(uint32_t block, uint32_t part) const { return block * parts_ + part; }
  bool is_root() const { return rank_ == problem_.root; }

  void gather_straight(const std::vector<uint32_t>& behind) {
    for (const uint32_t source : behind) {
      for (uint32_t part = 0; part < parts_; ++part) {
        pass_up(source, problem_.root, chunk(source, part), {.place = input(part)}, 0);
      }
    }
  }
  // The gateway's own block first, while the others are on their way to it.
  void gather_through(uint32_t gateway, const std::vector<uint32_t>& behind) {
    for (uint32_t part = 0; part < parts_; ++part) {
      pass_up(gateway, problem_.root, chunk(gateway, part), {.place = input(part)}, 0);
    }
    for (uint32_t part = 0; part < parts_; ++part) {
      for (size_t index = 0; index < behind.size(); ++index) {
        const uint32_t source = behind[index];
        Value value{.place = input(part)};
        if (rank_ == source) {
          weaver_.send(gateway, chunk(source, part), value);
        } else if (rank_ == gateway) {
          value = weaver_.receive(source, chunk(source, part), scratch(weaver_.builder().add_scratch(1)));
        }
        pass_up(gateway, problem_.root, chunk(source, part), value, channel_of(index));
      }
    }
  }
  // To the root, who has a place for it.
  void pass_up(uint32_t sender, uint32_t root, uint32_t what, const Value& value, uint32_t channel) {
    if (rank_ == sender) {
      weaver_.send(root, what, value, {.channel = channel});
    } else if (rank_ == root) {
      weaver_.receive(sender, what, output(what), channel);
    }
  }

  void scatter_straight(const std::vector<uint32_t>& behind) {
    for (const uint32_t target : behind) {
      pass_down(problem_.root, target, target);
    }
  }
  // The gateway's own block last: the others have farther to go.
  void scatter_through(uint32_t gateway, const std::vector<uint32_t>& behind) {
    for (const uint32_t target : behind) {
      if (is_root()) {
        weaver_.send(gateway, target, {.place = input(target)});
      } else if (rank_ == gateway) {
        weaver_.send(target, target, weaver_.receive(problem_.root, target, scratch(weaver_.builder().add_scratch(1))));
      } else if (rank_ == target) {
        weaver_.receive(gateway, target, output(0));
      }
    }
    pass_down(problem_.root, gateway, gateway);
  }
  void pass_down(uint32_t root, uint32_t receiver, uint32_t what) {
    if (rank_ == root) {
      weaver_.send(receiver, what, {.place = input(what)});
    } else if (rank_ == receiver) {
      weaver_.receive(root, what, output(0));
    }
  }

  const Problem& problem_;
  uint32_t rank_;
  Gateways gateways_;
  uint32_t parts_;
  Weaver weaver_;
};

}  // namespace

// A rank's place in its domain is that of the gateway, whose rail it is on; domains of other sizes take turns at where they begin.
Gateways::Gateways(const Hierarchy& hierarchy, uint32_t root) {
  const uint32_t own = hierarchy.domain_of(0, root);
  ranks_ = hierarchy.parts(0, own);
  behind_.resize(ranks_.size());
  for (uint32_t domain = 0; domain < hierarchy.domain_count(0); ++domain) {
    const std::vector<uint32_t>& members = hierarchy.parts(0, domain);
    const size_t first = members.size() == ranks_.size() ? 0 : domain;
    for (size_t index = 0; domain != own && index < members.size(); ++index) {
      behind_[(first + index) % ranks_.size()].push_back(members[index]);
    }
  }
}

uint32_t Gateways::most_behind() const {
  return static_cast<uint32_t>(std::ranges::max_element(behind_, {}, &std::vector<uint32_t>::size)->size());
}

Schedule rail_blocks(const Problem& problem, const Hierarchy& hierarchy, uint32_t rank) { return OfRank(problem, hierarchy, rank).make(); }

void outline_of_rail_blocks(const Problem& problem, const Hierarchy& hierarchy, Outline& outline) {
  const Gateways gateways(hierarchy, problem.root);
  const bool gathers = problem.collective == Collective::gather;
  const uint32_t parts = parts_of(problem, gateways);
  const auto add = [&](uint32_t inner, uint32_t outer, uint64_t block_count) {
    if (inner != outer) {
      outline.add({.source = gathers ? outer : inner, .target = gathers ? inner : outer, .count = parts * block_count});
    }
  };
  const auto add_outside = [&] {
    outline.begin_stage(parts, Outline::Follows::each);
    for (size_t index = 0; index < gateways.ranks().size(); ++index) {
      for (const uint32_t rank : gateways.behind()[index]) {
        add(gateways.ranks()[index], rank, 1);
      }
    }
  };
  const auto add_passing = [&] {
    outline.begin_stage(parts, Outline::Follows::each);
    for (size_t index = 0; index < gateways.ranks().size(); ++index) {
      add(problem.root, gateways.ranks()[index], gateways.behind()[index].size());
    }
  };
  gathers ? add_outside() : add_passing();
  gathers ? add_passing() : add_outside();
  outline.begin_stage(parts, Outline::Follows::each);
  for (const uint32_t gateway : gateways.ranks()) {
    add(problem.root, gateway, 1);
  }
}

}  // namespace tutti::algorithms::hierarchical
