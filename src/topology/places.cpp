// SPDX-License-Identifier: Apache-2.0
#include "topology/places.hpp"

#include <algorithm>
#include <cassert>
#include <map>
#include <set>
#include <utility>

namespace tutti::topology {
namespace {

// NCCL's src/graph/topo.h has 10 GB/s for a link between two Skylake packages, 22 for Sapphire Rapids, 16 for AMD. The latency is recalled: 100 to 150
// ns for a cache line from another package.
constexpr uint64_t kPackageCrossing_ns = 125;
constexpr uint64_t kPackageCrossingBytes_per_s = 22'000'000'000;
constexpr const char* kPackageSource = "default: NCCL src/graph/topo.h, Sapphire Rapids; the latency recalled";
// Recalled, of EPYC processors: 25 to 40 ns from core to core within a complex and about 100 between two of them; 32 bytes a cycle at 1.8 GHz from a
// complex to the rest of the package.
constexpr uint64_t kCacheCrossing_ns = 60;
constexpr uint64_t kCacheCrossingBytes_per_s = 57'600'000'000;
constexpr const char* kCacheSource = "default: recalled, of EPYC processors";

// Which rank is in which package. Virtual machines may show each processor as a package; memory tells which belong together.
std::vector<uint32_t> packages_of(std::span<const Place> places) {
  std::vector<uint32_t> packages(places.size());
  std::transform(places.begin(), places.end(), packages.begin(), [](const Place& place) { return std::min(place.package, place.numa_node); });
  return packages;
}

std::vector<uint32_t> caches_of(std::span<const Place> places) {
  std::vector<uint32_t> caches(places.size());
  std::transform(places.begin(), places.end(), caches.begin(), [](const Place& place) { return place.cache; });
  return caches;
}

// Whether the numbers divide the domains that there are, and leave some ranks together.
bool divides(const Topology& topology, const std::vector<uint32_t>& numbers) {
  std::map<uint32_t, std::set<uint32_t>> inner;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> rank_counts;
  for (uint32_t rank = 0; rank < numbers.size(); ++rank) {
    const uint32_t outer = topology.levels().empty() ? topology.host(rank) : topology.levels().back().domains[rank];
    inner[outer].insert(numbers[rank]);
    ++rank_counts[{outer, numbers[rank]}];
  }
  return std::any_of(inner.begin(), inner.end(), [](const auto& entry) { return entry.second.size() > 1; }) &&
         std::any_of(rank_counts.begin(), rank_counts.end(), [](const auto& entry) { return entry.second > 1; });
}

void add_if_divides(Topology& topology, Level level) {
  if (divides(topology, level.domains)) {
    topology.add_level(std::move(level));
  }
}

}  // namespace

void add_levels(Topology& topology, std::span<const Place> places) {
  assert(places.size() == topology.rank_count());
  add_if_divides(topology, {.name = "package",
                            .domains = packages_of(places),
                            .crossing_ns = kPackageCrossing_ns,
                            .crossing_bytes_per_s = kPackageCrossingBytes_per_s,
                            .source = kPackageSource});
  add_if_divides(topology, {.name = "L3 cache",
                            .domains = caches_of(places),
                            .crossing_ns = kCacheCrossing_ns,
                            .crossing_bytes_per_s = kCacheCrossingBytes_per_s,
                            .source = kCacheSource});
}

}  // namespace tutti::topology
