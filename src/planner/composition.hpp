// SPDX-License-Identifier: Apache-2.0
// Algorithms made from others, one for each level of a machine: "one_shot/ring" has one_shot inside of the innermost domains and ring between them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "planner/algorithm.hpp"
#include "planner/composition_structure.hpp"

namespace tutti::planner {

// Whether `name` is that of a composition: names of algorithms have no slashes.
inline bool is_composition(std::string_view name) { return name.find('/') != std::string_view::npos; }

// The ways in which a machine's ranks are divided into domains, innermost first, each the domain of each rank; without those that bring no ranks together
// or leave none apart, or are as another.
std::vector<std::vector<uint32_t>> divisions_of(const topology::Topology& topology);

// What a composition does:
//  - allreduce: each domain reduces and scatters a vector among its ranks, those who then hold the same piece reduce it among all domains, and each domain
//    gathers. Domains of different sizes cut the vector into as many pieces as a common multiple of them, so that each rank has as many as any other of its
//    domain. An algorithm that solves neither half reduces to one rank of each domain, and broadcasts from there. As many portions as the name says follow one
//    another, so that one is inside of domains while another is between them.
//  - broadcast: the root's domain scatters the vector, those at its pieces broadcast them to those who gather them in other domains; reduce the other way
//    round. By an algorithm that does not solve that, to, or from, one rank of each domain.
//  - reducescatter, allgather, alltoall, gather, scatter and barrier: level by level, between ranks that stand at the same place of their domains; in
//    smaller ones some ranks stand at several places.
class Composition {
 public:
  inline static constexpr uint32_t kMostPortions = 64;

  // "ring/two_shot", from the innermost level out; "-" leaves a level out, so that "-/ring/two_shot" begins at the next; a number at the end is how many
  // portions of the vector follow one another, 1 without. Errors: tuttiInvalidArgument that names the part.
  static Result<std::unique_ptr<const Composition>> parse(std::string_view name, std::span<const Algorithm> algorithms);

  Composition(const Composition&) = delete;
  Composition& operator=(const Composition&) = delete;

  // For the planner: as any other, as long as this object lives.
  const Algorithm& algorithm() const { return algorithm_; }
  // What of the name can never be part of `collective`: "\"pairwise\", which solves neither ..."; empty if there is nothing.
  std::string unfit_part(schedule::Collective collective) const;

 private:
  Composition() = default;
  bool applies(const schedule::Problem& problem, const topology::Topology& topology) const;
  schedule::Schedule build(const schedule::Problem& problem, const topology::Topology& topology, uint32_t rank) const;
  std::shared_ptr<const composed::Structure> structure_for(const schedule::Problem& problem, const topology::Topology& topology) const;

  std::string name_;
  std::vector<composed::Level> levels_;  // innermost first
  uint32_t portions_ = 1;
  Algorithm algorithm_;

  mutable std::mutex mutex_;  // guards all below
  mutable std::shared_ptr<const composed::Structure> latest_;  // and what it is for
  mutable schedule::Problem latest_problem_;
  mutable uint64_t latest_placement_ = 0;
  mutable const topology::Fabric* latest_fabric_ = nullptr;
};

// Compositions by name, made when they are first asked for. Thread-safe.
class Compositions {
 public:
  explicit Compositions(std::vector<Algorithm> algorithms) : algorithms_(std::move(algorithms)) {}

  // Null if there is none of that name. Lives as long as this object.
  const Algorithm* find(std::string_view name) const;

 private:
  std::vector<Algorithm> algorithms_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<const Composition>, std::less<>> made_;
};

}  // namespace tutti::planner
