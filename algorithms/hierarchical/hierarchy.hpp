// SPDX-License-Identifier: Apache-2.0
// Who meets whom. Domains nest; a domain has a leader, and the leaders of the domains within a larger one meet there, up to those of the outermost
// ones, who all meet.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "topology/topology.hpp"

namespace tutti::algorithms::hierarchical {

// Which levels of domains count.
enum class Depth : uint8_t { all, outermost, innermost };

// Ranks that pass something on among themselves at one stage.
struct Group {
  std::vector<uint32_t> members;  // in an order that all of them know
  uint32_t leader = 0;            // one of them, who alone meets others at the next stage
};

class Hierarchy {
 public:
  Hierarchy(const topology::Topology& topology, Depth depth);

  // Whether at least two domains of the innermost level have two ranks or more, and `depth` is not another's name for the same.
  bool is_worth_it() const { return is_worth_it_; }
  // Stage 0 is within the innermost domains, the last one among the leaders of the outermost.
  uint32_t stage_count() const { return static_cast<uint32_t>(stages_.size()); }
  // At stage `stage`, 0 to domain_count() - 1: what the domain is made of, ranks at stage 0 and domains of the stage before at others.
  uint32_t domain_count(uint32_t stage) const { return static_cast<uint32_t>(stages_[stage].size()); }
  const std::vector<uint32_t>& parts(uint32_t stage, uint32_t domain) const { return stages_[stage][domain]; }
  uint32_t domain_of(uint32_t stage, uint32_t rank) const { return domains_[stage][rank]; }
  uint32_t rank_count() const { return stages_.empty() ? 0 : static_cast<uint32_t>(domains_.front().size()); }
  // Ranks of the smallest innermost domain.
  uint32_t smallest_domain() const;
  // Of those that meet, the most.
  uint32_t largest_group() const;
  // Where in its innermost domain a rank stands.
  uint32_t position(uint32_t rank) const;

  // How leaders are found.
  struct Choice {
    uint32_t share = 0;            // the how-manieth of its members leads a group, modulo their count
    std::optional<uint32_t> first = {};  // leads all groups that it is in
    std::optional<uint32_t> near = {};   // whose innermost domain's leader leads all groups at the later stages
  };
  // The groups that `rank` is in, from stage 0 on; the last one is that in which it does not lead, or all meet.
  std::vector<Group> groups_of(uint32_t rank, const Choice& choice) const;
  // Who leads a domain.
  uint32_t leader(uint32_t stage, uint32_t domain, const Choice& choice) const;

 private:
  // At each stage the domains, each by its parts: ranks at stage 0, then domains of the stage before.
  using Stage = std::vector<std::vector<uint32_t>>;

  Group group(uint32_t stage, uint32_t domain, const Choice& choice) const;

  std::vector<Stage> stages_;
  std::vector<std::vector<uint32_t>> domains_;  // by stage and rank
  bool is_worth_it_ = false;
};

}  // namespace tutti::algorithms::hierarchical
