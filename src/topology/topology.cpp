// SPDX-License-Identifier: Apache-2.0
#include "topology/topology.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>

#include "base/hash.hpp"

namespace tutti::topology {
namespace {

// Pairs a line of text names before it says how many more there are.
constexpr uint32_t kPairsShown = 8;
constexpr uint32_t kDomainsShown = 16;

uint64_t hash_of(const LinkSpec& link) {
  const uint64_t kinds = (link.reaches_memory ? 1 : 0) + (link.copies_out ? 2 : 0);
  return hash_combine(hash_combine(hash_combine(1, link.latency_ns), link.bandwidth_bytes_per_s), kinds);
}

// The fabric's levels, and one pair of chips of each.
uint64_t hash_with(uint64_t seed, const Fabric& fabric) {
  seed = hash_combine(hash_combine(seed, fabric.chip_count()), fabric.link_count());
  for (LinkId link = 0; link < fabric.link_count(); ++link) {
    seed = hash_combine(seed, fabric.bytes_per_s(link));
  }
  Route route;
  for (const FabricLevel& level : fabric.levels()) {
    seed = hash_combine(hash_combine(seed, static_cast<uint64_t>(level.kind)), level.bytes_per_s);
    seed = hash_combine(hash_combine(seed, level.unit_count), level.is_twisted ? 1 : 0);
    for (size_t axis = 0; axis < level.dims.size(); ++axis) {
      seed = hash_combine(hash_combine(seed, level.dims[axis]), axis < level.wraps.size() && level.wraps[axis] ? 1 : 0);
    }
    for (const uint64_t figure : {uint64_t{level.port_count}, uint64_t{level.reduction_per_mille}, level.reduction_ns, uint64_t{level.multicast_per_mille}}) {
      seed = hash_combine(seed, figure);
    }
    if (level.chips_per_unit >= fabric.chip_count()) {
      continue;
    }
    fabric.route(0, level.chips_per_unit, 0, &route);
    seed = hash_combine(seed, route.latency_ns);
    for (const Protocol& protocol : fabric.protocols(0, level.chips_per_unit)) {
      seed = hash_combine(hash_combine(hash_combine(seed, protocol.base_ns), protocol.step_ns), protocol.efficiency_per_mille);
    }
  }
  return seed;
}

// Folds equal neighbours as one value and a count, so that a uniform machine of any size is two numbers.
class RunHash {
 public:
  explicit RunHash(uint64_t seed) : seed_(seed) {}

  void add(uint64_t value, uint64_t count) {
    if (value != value_) {
      flush();
      value_ = value;
    }
    count_ += count;
  }
  uint64_t finish() {
    flush();
    return seed_;
  }

 private:
  void flush() {
    if (count_ > 0) {
      seed_ = hash_combine(hash_combine(seed_, value_), count_);
    }
    count_ = 0;
  }

  uint64_t seed_;
  uint64_t value_ = 0;
  uint64_t count_ = 0;
};

std::string duration_text(uint64_t ns) { return ns < 1'000 ? fmt::format("{} ns", ns) : fmt::format("{:.2f} us", static_cast<double>(ns) / 1e3); }

std::string link_text(const LinkSpec& link) {
  return fmt::format("{}, {:.2f} GB/s{}{} ({})", duration_text(link.latency_ns), static_cast<double>(link.bandwidth_bytes_per_s) / 1e9,
                     link.reaches_memory ? ", reaches memory" : "", link.copies_out ? ", copies out" : "",
                     link.source.empty() ? std::string_view("no source") : std::string_view(link.source));
}

// "0-3, 6"
std::string ranges_text(const std::vector<uint32_t>& ascending) {
  std::string text;
  for (size_t first = 0; first < ascending.size();) {
    size_t last = first;
    while (last + 1 < ascending.size() && ascending[last + 1] == ascending[last] + 1) {
      ++last;
    }
    text += text.empty() ? "" : ", ";
    text += first == last ? fmt::format("{}", ascending[first]) : fmt::format("{}-{}", ascending[first], ascending[last]);
    first = last + 1;
  }
  return text;
}

std::string_view name_of(Adapters adapters) {
  switch (adapters) {
    case Adapters::per_link:
      return "a wire for each pair";
    case Adapters::per_rank:
      return "an adapter for each rank";
    case Adapters::per_host:
      return "an adapter for each host";
  }
  return "invalid";
}

// Relaxed: only that numbers differ matters.
uint64_t next_placement() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

// Blocks of a mesh that a plane joins: which one a unit is in, by its number.
uint32_t block_of(const FabricLevel& level, uint32_t unit) {
  uint32_t block = 0;
  uint32_t blocks_before = 1;
  for (size_t axis = 0; axis < level.dims.size(); ++axis) {
    block += unit % level.dims[axis] / level.block[axis] * blocks_before;
    blocks_before *= (level.dims[axis] + level.block[axis] - 1) / level.block[axis];
    unit /= level.dims[axis];
  }
  return block;
}

// Whether a single mesh has several.
bool has_blocks(const Fabric& fabric) {
  return fabric.levels().size() == 1 && !fabric.levels().front().block.empty() &&
         block_of(fabric.levels().front(), fabric.levels().front().unit_count - 1) != 0;
}

}  // namespace

Topology Topology::uniform(uint32_t rank_count, const LinkSpec& link) {
  Topology topology(rank_count);
  topology.specs_.front() = link;
  return topology;
}

Topology Topology::of(const std::shared_ptr<const Fabric>& fabric) {
  Topology topology(fabric->chip_count());
  topology.set_fabric(fabric);
  struct Domains {
    std::string_view name;  // of what joins them
    uint32_t chip_count = 0;
  };
  std::vector<Domains> nested;  // innermost first
  for (const FabricLevel& level : fabric->levels()) {
    if (level.chips_per_unit > 1) {
      nested.push_back({.name = level.name, .chip_count = level.chips_per_unit});
    }
    for (const uint32_t units : level.parts) {
      nested.push_back({.name = level.name, .chip_count = units * level.chips_per_unit});
    }
  }
  if (nested.empty()) {
    for (uint32_t rank = 0; has_blocks(*fabric) && rank < topology.rank_count(); ++rank) {
      topology.set_host(rank, block_of(fabric->levels().front(), rank));
    }
    return topology;
  }
  for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
    topology.set_host(rank, rank / nested.back().chip_count);
  }
  nested.pop_back();
  for (auto domains = nested.rbegin(); domains != nested.rend(); ++domains) {
    Level level{.name = std::string(domains->name), .domains = std::vector<uint32_t>(topology.rank_count())};
    for (uint32_t rank = 0; rank < topology.rank_count(); ++rank) {
      level.domains[rank] = rank / domains->chip_count;
    }
    topology.add_level(std::move(level));
  }
  return topology;
}

Topology::Topology(uint32_t rank_count) : rank_count_(rank_count), placement_(next_placement()), specs_(1), hosts_(rank_count) {
  std::iota(hosts_.begin(), hosts_.end(), 0u);
}

void Topology::set_host(uint32_t rank, uint32_t host) {
  hosts_[rank] = host;
  placement_ = next_placement();
}

void Topology::set_link(uint32_t a, uint32_t b, const LinkSpec& link) {
  assert(a < rank_count_ && b < rank_count_);
  const uint32_t index = find_or_add(link);
  if (link_specs_.empty()) {
    if (index == 0) {
      return;  // as all the others are
    }
    link_specs_.resize(size_t{rank_count_} * rank_count_, 0);
  }
  link_specs_[size_t{a} * rank_count_ + b] = index;
  link_specs_[size_t{b} * rank_count_ + a] = index;
}

uint32_t Topology::find_or_add(const LinkSpec& link) {
  const auto found = std::find(specs_.begin(), specs_.end(), link);
  if (found == specs_.end()) {
    specs_.push_back(link);
    return static_cast<uint32_t>(specs_.size() - 1);
  }
  return static_cast<uint32_t>(found - specs_.begin());
}

uint32_t Topology::host_count() const {
  std::vector<uint32_t> hosts = hosts_;
  std::sort(hosts.begin(), hosts.end());
  return static_cast<uint32_t>(std::unique(hosts.begin(), hosts.end()) - hosts.begin());
}

uint32_t Topology::ranks_on_host(uint32_t host) const {
  return static_cast<uint32_t>(std::count(hosts_.begin(), hosts_.end(), host));
}

void Topology::add_level(Level level) {
  placement_ = next_placement();
  assert(level.domains.size() == rank_count_);
  const std::vector<uint32_t>& outer = levels_.empty() ? hosts_ : levels_.back().domains;
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> numbers;
  for (uint32_t rank = 0; rank < rank_count_; ++rank) {
    const auto next = static_cast<uint32_t>(numbers.size());
    level.domains[rank] = numbers.try_emplace({outer[rank], level.domains[rank]}, next).first->second;
  }
  levels_.push_back(std::move(level));
}

void Topology::set_fabric(std::shared_ptr<const Fabric> fabric) {
  assert(fabric == nullptr || fabric->chip_count() >= rank_count_);
  fabric_ = std::move(fabric);
}

bool Topology::carries(uint32_t source, uint32_t target) const {
  return fabric_ == nullptr || messages == Messages::routed || source == target || fabric_->is_adjacent(source, target);
}

const Level* Topology::crossed(uint32_t source, uint32_t target) const {
  if (hosts_[source] != hosts_[target]) {
    return nullptr;
  }
  for (const Level& level : levels_) {
    if (level.domains[source] != level.domains[target]) {
      return &level;
    }
  }
  return nullptr;
}

uint64_t Topology::hash() const {
  uint64_t seed = hash_combine(0, rank_count_);
  seed = hash_combine(hash_combine(seed, reduce_bytes_per_s), fetch_bytes_per_s);
  seed = hash_combine(seed, cores_per_host);
  seed = hash_combine(seed, static_cast<uint64_t>(adapters));
  for (uint32_t host : hosts_) {
    seed = hash_combine(seed, host);
  }
  for (const Level& level : levels_) {
    seed = hash_combine(hash_combine(seed, level.crossing_ns), level.crossing_bytes_per_s);
    for (uint32_t domain : level.domains) {
      seed = hash_combine(seed, domain);
    }
  }
  if (fabric_ != nullptr) {
    seed = hash_combine(hash_with(seed, *fabric_), static_cast<uint64_t>(messages));
  }
  std::vector<uint64_t> spec_hashes(specs_.size());
  std::transform(specs_.begin(), specs_.end(), spec_hashes.begin(), hash_of);

  RunHash links(seed);
  if (link_specs_.empty()) {
    links.add(spec_hashes.front(), uint64_t{rank_count_} * (std::max(rank_count_, 1u) - 1));
    return links.finish();
  }
  for (uint32_t source = 0; source < rank_count_; ++source) {
    for (uint32_t target = 0; target < rank_count_; ++target) {
      if (source != target) {
        links.add(spec_hashes[spec_index(source, target)], 1);
      }
    }
  }
  return links.finish();
}

std::string Topology::to_string() const {
  std::string text = fmt::format("{} {} on {} {}, ", rank_count_, rank_count_ == 1 ? "rank" : "ranks", host_count(),
                                 host_count() == 1 ? "host" : "hosts");
  text += cores_per_host == 0 ? std::string("cores unknown") : fmt::format("{} cores a host", cores_per_host);
  text += fmt::format(", a core reduces {:.2f} GB/s and fetches {:.2f}, {}\n", static_cast<double>(reduce_bytes_per_s) / 1e9,
                      static_cast<double>(fetch_bytes_per_s) / 1e9, name_of(adapters));

  std::map<uint32_t, std::vector<uint32_t>> ranks_by_host;
  for (uint32_t rank = 0; rank < rank_count_; ++rank) {
    ranks_by_host[hosts_[rank]].push_back(rank);
  }
  for (const auto& [host, ranks] : ranks_by_host) {
    text += fmt::format("host {}: {} {}\n", host, ranks.size() == 1 ? "rank" : "ranks", ranges_text(ranks));
  }

  for (const Level& level : levels_) {
    text += to_string(level) + "\n";
  }

  if (rank_count_ > 1 && link_specs_.empty()) {
    return text + fmt::format("all pairs: {}\n", link_text(specs_.front()));
  }
  struct Users {
    uint64_t pair_count = 0;
    std::string shown;
  };
  std::vector<Users> users(specs_.size());
  for (uint32_t a = 0; a < rank_count_; ++a) {
    for (uint32_t b = a + 1; b < rank_count_; ++b) {
      Users& user = users[spec_index(a, b)];
      if (user.pair_count++ < kPairsShown) {
        user.shown += fmt::format(" {}-{}", a, b);
      }
    }
  }
  for (size_t index = 0; index < specs_.size(); ++index) {
    const Users& user = users[index];
    if (user.pair_count > 0) {
      text += fmt::format("{} {}: {}:{}{}\n", user.pair_count, user.pair_count == 1 ? "pair" : "pairs", link_text(specs_[index]), user.shown,
                          user.pair_count > kPairsShown ? " ..." : "");
    }
  }
  return text;
}

std::string Topology::to_string(const Level& level) {
  std::map<uint32_t, std::vector<uint32_t>> ranks_by_domain;
  for (uint32_t rank = 0; rank < level.domains.size(); ++rank) {
    ranks_by_domain[level.domains[rank]].push_back(rank);
  }
  std::string domains;
  uint32_t shown = 0;
  for (const auto& [domain, ranks] : ranks_by_domain) {
    if (shown++ == kDomainsShown) {
      domains += " ...";
      break;
    }
    domains += (domains.empty() ? "" : " | ") + ranges_text(ranks);
  }
  std::string text = fmt::format("{}: {}, between them {} more", level.name, domains, duration_text(level.crossing_ns));
  if (level.crossing_bytes_per_s != 0) {
    text += fmt::format(" and {:.2f} GB/s for all", static_cast<double>(level.crossing_bytes_per_s) / 1e9);
  }
  return text + (level.source.empty() ? std::string() : fmt::format(" ({})", level.source));
}

}  // namespace tutti::topology
