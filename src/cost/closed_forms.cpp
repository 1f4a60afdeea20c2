// SPDX-License-Identifier: Apache-2.0
#include "cost/closed_forms.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/grid_forms.hpp"
#include "cost/stages.hpp"
#include "cost/wave.hpp"
#include "topology/circles.hpp"
#include "topology/fitting.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::Pattern;
using schedule::Problem;
using topology::Fabric;

// All pairs of so many ranks are looked at one by one, and of more about as many pairs altogether as kMostPairs.
constexpr uint32_t kMostRanksInPairs = 192;
constexpr uint64_t kMostPairs = 400'000;
// Rounds of so many ranks are looked at message by message, if their ways are not too long (cost/stages.cpp).
constexpr uint32_t kMostRanksInRounds = 2048;
// Of a ring's hops, how many of how many steps are taken along the ring rather than at its slowest hop.
constexpr uint32_t kMixes = 64;
// In which ring's reduce cuts the vector.
constexpr uint64_t kChainChunks = 8;

class Forms {
 public:
  Forms(const Problem& problem, const topology::Topology& topology, const Workload& workload)
      : problem_(problem),
        topology_(topology),
        fabric_(*topology.fabric()),
        workload_(workload),
        bytes_(multiply(workload.element_count, workload.element_bytes)),
        slice_bytes_(workload.slice_bytes),
        ranks_(problem.rank_count) {}

  std::optional<uint64_t> price(const Messages& messages) {
    if (follows_grid(messages.pattern)) {
      const auto note_wave = [this](const Wave& wave, uint64_t times) { note(wave, times); };
      return grid_form_ns(messages.pattern, problem_, topology_, workload_, carried_bytes_.empty() ? NoteWave() : note_wave);
    }
    const std::optional<uint64_t> time = messages.outline ? as_told(messages.outline) : without_base(messages.pattern);
    return time ? std::optional(add(*time, base_ns_)) : std::nullopt;
  }
  uint64_t base_ns() const { return base_ns_; }

  // Before price(): has it note what links carry.
  void note_loads() { carried_bytes_.assign(fabric_.link_count(), 0); }
  const std::vector<uint64_t>& carried_bytes() const { return carried_bytes_; }

 private:
  std::optional<uint64_t> without_base(Pattern pattern) {
    switch (pattern) {
      case Pattern::ring: return ring();
      case Pattern::rings: return rings();
      case Pattern::one_shot: return one_shot();
      case Pattern::two_shot: return two_shot();
      case Pattern::pairwise: return pairwise();
      case Pattern::recursive_doubling: return problem_.collective == Collective::all_gather ? doubling_blocks() : doubling();
      case Pattern::recursive_halving: return recursive_halving();
      case Pattern::circulant: return circulant();
      case Pattern::dissemination: return dissemination();
      case Pattern::bruck: return bruck();
      case Pattern::bruck_four: return wide_bruck(4);
      case Pattern::bruck_eight: return wide_bruck(8);
      case Pattern::circulant_pipeline: return circulant_pipeline();
      case Pattern::parallel_trees: return parallel_trees();
      case Pattern::neighbour_exchange: return neighbour_exchange();
      case Pattern::flat_tree: return flat_tree();
      default: return std::nullopt;
    }
  }

  uint64_t part(uint64_t count) const { return bytes_ / count + (bytes_ % count != 0 ? 1 : 0); }
  uint32_t ahead(uint32_t rank, uint32_t distance) const { return static_cast<uint32_t>((uint64_t{rank} + distance) % ranks_); }

  Wave make_wave(uint64_t bytes) const { return Wave(fabric_, bytes); }
  // A wave that goes so many times.
  void note(const Wave& wave, uint64_t times = 1) {
    base_ns_ = std::max(base_ns_, wave.base_ns());
    for (topology::LinkId link = 0; link < carried_bytes_.size(); ++link) {
      carried_bytes_[link] = add(carried_bytes_[link], multiply(times, wave.link_bytes(link)));
    }
  }
  // What a wave takes from its beginning to its end.
  uint64_t whole(const Wave& wave) {
    note(wave);
    return add(wave.latency_ns(), wave.transfer_ns());
  }

  uint64_t as_told(const std::function<void(schedule::Outline&)>& tell) {
    Stages stages(fabric_, {.bytes = bytes_, .least_bytes = problem_.collective == Collective::barrier ? 1u : 0u, .slice_bytes = slice_bytes_});
    tell(stages);
    note(stages);
    return stages.price_ns();
  }
  void note(const Stages& stages) {
    for (const Wave& wave : stages.waves()) {
      note(wave);
    }
  }

  // All ranks to the one so far ahead.
  Wave shift(uint32_t distance, uint64_t bytes) const {
    Wave wave = make_wave(bytes);
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      wave.add(rank, ahead(rank, distance));
    }
    return wave;
  }

  // Distances 1 to ranks-1, or as many of them as there is time for, evenly spread and in no step with the sizes of units.
  std::vector<uint32_t> distances() const {
    std::vector<uint32_t> some;
    const uint64_t count = ranks_ <= kMostRanksInPairs ? ranks_ - 1 : std::clamp<uint64_t>(kMostPairs / ranks_, 4, ranks_ - 1);
    if (count == ranks_ - 1) {
      for (uint32_t distance = 1; distance < ranks_; ++distance) {
        some.push_back(distance);
      }
      return some;
    }
    constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio
    for (uint64_t index = 1; index <= count; ++index) {
      __extension__ using Wide = unsigned __int128;
      some.push_back(1 + static_cast<uint32_t>(Wide{index * kGolden} * (ranks_ - 1) >> 64));
    }
    return some;
  }

  // But for those with `without`.
  Wave all_pairs(uint64_t bytes, std::optional<uint32_t> without = {}) const {
    Wave wave = make_wave(bytes);
    const std::vector<uint32_t> some = distances();
    const uint64_t weight = Wave::kUnit * (ranks_ - 1) / some.size();
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      for (const uint32_t distance : some) {
        if (rank != without && ahead(rank, distance) != without) {
          wave.add(rank, ahead(rank, distance), weight);
        }
      }
    }
    return wave;
  }

  Wave from_root(uint32_t root, uint64_t bytes) const {
    Wave wave = make_wave(bytes);
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      wave.add(root, rank);
    }
    return wave;
  }
  Wave to_root(uint32_t root, uint64_t bytes) const {
    Wave wave = make_wave(bytes);
    for (uint32_t rank = 0; rank < ranks_; ++rank) {
      wave.add(rank, root);
    }
    return wave;
  }

  using Circles = std::vector<std::vector<uint32_t>>;

  // By circle, in its order, from each rank to the next. `times`: that messages go around.
  std::vector<std::vector<Wave::Hop>> hops_of_rings(uint64_t bytes, uint64_t times, const Circles& circles) {
    Wave wave = make_wave(bytes);
    const auto for_each_hop = [](const std::vector<uint32_t>& circle, auto visit) {
      for (size_t place = 0; place < circle.size(); ++place) {
        visit(circle[place], circle[(place + 1) % circle.size()]);
      }
    };
    for (const std::vector<uint32_t>& circle : circles) {
      for_each_hop(circle, [&](uint32_t source, uint32_t target) { wave.add(source, target); });
    }
    note(wave, times);
    std::vector<std::vector<Wave::Hop>> hops(circles.size());
    for (size_t ring = 0; ring < circles.size(); ++ring) {
      for_each_hop(circles[ring], [&](uint32_t source, uint32_t target) { hops[ring].push_back(wave.hop(source, target, slice_bytes_)); });
    }
    return hops;
  }

  uint64_t ring() { return around_all({topology::circle_of(topology_)}); }

  std::optional<uint64_t> rings() {
    const Circles circles = topology::circles_of(topology_);
    return circles.empty() ? std::nullopt : std::optional(around_all(circles));
  }

  // Each with a share.
  uint64_t around_all(const Circles& circles) {
    const uint64_t share_count = circles.size();
    uint64_t longest = 0;
    const auto for_each_ring = [&](uint64_t bytes, uint64_t times, auto time_of) {
      const std::vector<std::vector<Wave::Hop>> hops = hops_of_rings(bytes, times, circles);
      for (size_t ring = 0; ring < circles.size(); ++ring) {
        longest = std::max(longest, time_of(hops[ring], circles[ring]));
      }
    };
    // Of a chain the first slices are under way by themselves.
    const auto for_each_chain = [&](uint64_t bytes, uint64_t chunk_count) {
      for_each_ring(bytes, chunk_count, [&](std::vector<Wave::Hop> hops, const std::vector<uint32_t>& circle) {
        const std::vector<Wave::Hop> alone = hops_of_rings(bytes, 0, {circle}).front();
        for (size_t place = 0; place < hops.size(); ++place) {
          hops[place].transfer_ns = add(alone[place].slice_ns, hops[place].transfer_ns - hops[place].slice_ns);
          hops[place].slice_ns = alone[place].slice_ns;
        }
        return chain(hops, circle, chunk_count);
      });
    };
    const auto for_each_around = [&](uint64_t bytes, uint64_t step_count) {
      for_each_ring(bytes, step_count, [&](const auto& hops, const auto&) { return around(hops, step_count); });
    };
    switch (problem_.collective) {
      case Collective::broadcast:
      case Collective::reduce: {
        const uint64_t chunk_count = problem_.collective == Collective::reduce ? kChainChunks : 1;
        for_each_chain(part(chunk_count * share_count), chunk_count);
        break;
      }
      case Collective::all_reduce:
        for_each_around(part(ranks_ * share_count), 2 * (uint64_t{ranks_} - 1));
        break;
      default:
        for_each_around(part(share_count), uint64_t{ranks_} - 1);
        break;
    }
    return longest;
  }

  // Every rank passes on what came, `step_count` times. A message leaves when its predecessor from the same rank has left, and when its first slice has
  // come, so the end is that of the longest path on which each step either goes on to the next hop or stays, at the slowest of all.
  static uint64_t around(const std::vector<Wave::Hop>& hops, uint64_t step_count) {
    uint64_t slowest = 0;
    uint64_t more = 0;
    std::vector<uint64_t> sums = {0};
    for (uint64_t index = 0; index < hops.size() + step_count; ++index) {
      const Wave::Hop& hop = hops[index % hops.size()];
      sums.push_back(add(sums.back(), add(hop.latency_ns, hop.slice_ns)));
      slowest = std::max(slowest, hop.transfer_ns);
      more = std::max(more, hop.transfer_ns - hop.slice_ns);
    }
    uint64_t longest = 0;
    for (uint64_t mix = 0; mix <= kMixes; ++mix) {
      const uint64_t passed = 1 + (step_count - 1) * mix / kMixes;
      uint64_t window = 0;
      for (size_t first = 0; first < hops.size(); ++first) {
        window = std::max(window, sums[first + passed] - sums[first]);
      }
      longest = std::max(longest, add(window, multiply(step_count - passed, slowest)));
    }
    return add(longest, more);
  }

  // From the root on, or towards it.
  uint64_t chain(const std::vector<Wave::Hop>& hops, const std::vector<uint32_t>& circle, uint64_t chunk_count) const {
    uint64_t sum = 0;
    uint64_t longest = 0;
    uint64_t more = 0;  // that the slowest hop takes for a chunk than for a slice
    for (size_t place = 0; place < circle.size(); ++place) {
      const uint32_t end = problem_.collective == Collective::broadcast ? circle[(place + 1) % circle.size()] : circle[place];
      if (end != problem_.root) {
        sum = add(sum, add(hops[place].latency_ns, hops[place].slice_ns));
        longest = std::max(longest, hops[place].transfer_ns);
        more = std::max(more, hops[place].transfer_ns - hops[place].slice_ns);
      }
    }
    return add(add(sum, more), multiply(chunk_count - 1, longest));
  }

  std::optional<uint64_t> one_shot() {
    switch (problem_.collective) {
      case Collective::broadcast:
      case Collective::scatter:
        return whole(from_root(problem_.root, bytes_));
      case Collective::reduce:
      case Collective::gather:
        return whole(to_root(problem_.root, bytes_));
      case Collective::all_reduce:
      case Collective::all_gather:
      case Collective::reduce_scatter:
      case Collective::all_to_all:
        return whole(all_pairs(bytes_));
      default:
        return std::nullopt;
    }
  }

  void add_pairs(Stages& stages, std::optional<uint32_t> not_to) const {
    for (uint32_t distance = 1; distance < ranks_; ++distance) {
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        if (rank != not_to && ahead(rank, distance) != not_to) {
          stages.add({.source = rank, .target = ahead(rank, distance)});
        }
      }
    }
  }
  void add_rooted(Stages& stages) const {
    for (uint32_t distance = 1; distance < ranks_; ++distance) {
      const uint32_t other = ahead(problem_.root, distance);
      problem_.collective == Collective::broadcast ? stages.add({.source = problem_.root, .target = other})
                                                   : stages.add({.source = other, .target = problem_.root});
    }
  }

  uint64_t two_shot() {
    if (problem_.collective == Collective::all_reduce) {
      const Wave among_all = all_pairs(part(ranks_));
      note(among_all);
      return multiply(2, whole(among_all));
    }
    const uint64_t chunk = part(problem_.collective == Collective::broadcast ? ranks_ - 1 : ranks_);
    const uint64_t by_waves = rooted_two_shot(chunk);
    const std::optional<uint64_t> by_messages = ranks_ <= kMostRanksInPairs ? rooted_two_shot_by_messages(chunk) : std::nullopt;
    return by_messages && (chunk <= slice_bytes_ || *by_messages < by_waves) ? *by_messages : by_waves;
  }

  // Chunks of more than a slice stream: both halves are then under way at once.
  uint64_t rooted_two_shot(uint64_t chunk) {
    const bool is_broadcast = problem_.collective == Collective::broadcast;
    Wave among_all = all_pairs(chunk, is_broadcast ? std::optional(problem_.root) : std::nullopt);
    const Wave other = is_broadcast ? from_root(problem_.root, chunk) : to_root(problem_.root, chunk);
    if (chunk <= slice_bytes_) {
      return add(whole(among_all), whole(other));
    }
    const uint64_t last = (is_broadcast ? among_all : other).transfer_ns(slice_bytes_);
    const uint64_t latency_ns = add(among_all.latency_ns(), other.latency_ns());
    among_all.add(other);
    note(among_all);
    return add(add(among_all.transfer_ns(), last), latency_ns);
  }

  std::optional<uint64_t> rooted_two_shot_by_messages(uint64_t chunk) const {
    const bool is_broadcast = problem_.collective == Collective::broadcast;
    Stages stages(fabric_, {.slice_bytes = slice_bytes_, .detail = Detail::messages});
    for (const bool is_rooted : {is_broadcast, !is_broadcast}) {
      stages.begin_stage_of(chunk);
      is_rooted ? add_rooted(stages) : add_pairs(stages, is_broadcast ? std::optional(problem_.root) : std::nullopt);
    }
    return stages.price_by_messages_ns();
  }

  // Sends follow one another without waiting for what comes. Ranks whose way is fast for some rounds run ahead and meet messages of others at their targets:
  // that is left out.
  std::optional<uint64_t> pairwise() {
    const std::vector<uint32_t> some = distances();
    uint64_t sum = 0;
    uint64_t latency_ns = 0;
    for (const uint32_t distance : some) {
      const Wave wave = shift(distance, bytes_);
      note(wave, (ranks_ - 1) / some.size());
      sum = add(sum, wave.transfer_ns());
      latency_ns = std::max(latency_ns, wave.latency_ns());
    }
    return add(std::max(multiply_divide(sum, ranks_ - 1, some.size()), all_pairs(bytes_).transfer_ns()), latency_ns);
  }

  // Rounds of one message from every rank, or from some, to one other. A rank sends when it has sent what went before and, as `mode` says, when what
  // came before is there whole or begins to be; then its last slice leaves when the rest has come.
  class Rounds {
   public:
    Rounds(Forms& forms, schedule::WaitMode mode) : forms_(forms), mode_(mode), ranks_(forms.ranks_) {}

    // `target_of`: of a rank, itself for none. `count` messages each.
    void add(uint64_t bytes, auto target_of, uint64_t count = 1) {
      struct Sent {
        uint32_t target = 0;
        size_t first_link = 0;
        size_t link_count = 0;
        uint64_t units = 0;
        uint64_t latency_ns = 0;
      };
      Wave wave = forms_.make_wave(bytes);
      std::vector<Sent> sent;  // by rank
      std::vector<topology::LinkId> links;
      for (uint32_t rank = 0; rank < forms_.ranks_; ++rank) {
        const Wave::Way way = wave.add(rank, target_of(rank), count * Wave::kUnit);
        sent.push_back({target_of(rank), links.size(), way.links.size(), way.units, way.latency_ns});
        links.insert(links.end(), way.links.begin(), way.links.end());
      }
      forms_.note(wave);
      std::vector<Rank> next = ranks_;
      for (uint32_t rank = 0; rank < forms_.ranks_; ++rank) {
        const auto& [target, first_link, link_count, units, latency_ns] = sent[rank];
        if (target == rank) {
          continue;
        }
        const Rank& now = ranks_[rank];
        const Wave::Hop hop = wave.hop({.links = {links.data() + first_link, link_count}, .units = units, .latency_ns = latency_ns}, forms_.slice_bytes_);
        const uint64_t begin_ns = std::max(now.left_ns, mode_ == schedule::WaitMode::streaming ? now.begun_ns : now.came_ns);
        const uint64_t left_ns = std::max(cost::add(begin_ns, hop.transfer_ns), cost::add(now.came_ns, hop.slice_ns));
        next[rank].left_ns = left_ns;
        next[target].begun_ns = std::max(now.begun_ns, cost::add(cost::add(begin_ns, hop.slice_ns), hop.latency_ns));
        next[target].came_ns = std::max(ranks_[target].came_ns, cost::add(left_ns, hop.latency_ns));
      }
      ranks_ = std::move(next);
    }

    uint64_t end_ns() const {
      return std::max_element(ranks_.begin(), ranks_.end(), [](const Rank& left, const Rank& right) { return left.came_ns < right.came_ns; })->came_ns;
    }

   private:
    struct Rank {
      uint64_t left_ns = 0;   // when its last message had left
      uint64_t begun_ns = 0;  // when the first slice came of what came last
      uint64_t came_ns = 0;   // when all that had come was there
    };
    Forms& forms_;
    schedule::WaitMode mode_;
    std::vector<Rank> ranks_;
  };

  // Rounds of which each has messages of so many bytes, as many as it says from every rank to one other, itself for none; `tell` calls what it is given for
  // each.
  uint64_t in_rounds(schedule::WaitMode mode, auto tell) {
    if (ranks_ <= kMostRanksInRounds) {
      const uint64_t passed_on = mode == schedule::WaitMode::streaming ? slice_bytes_ : UINT64_MAX;
      Stages stages(fabric_, {.sends = StageSends::in_turn, .slice_bytes = passed_on, .detail = Detail::messages});
      tell([&](uint64_t bytes, auto target_of, uint64_t count = 1) {
        stages.begin_stage_of(bytes);
        for (uint32_t rank = 0; rank < ranks_ && stages.is_detailed(); ++rank) {
          stages.add({.source = rank, .target = target_of(rank), .count = count});
        }
      });
      if (const auto price = stages.price_by_messages_ns()) {
        note(stages);
        return *price;
      }
    }
    Rounds rounds(*this, mode);
    tell([&](uint64_t bytes, auto target_of, uint64_t count = 1) { rounds.add(bytes, target_of, count); });
    return rounds.end_ns();
  }

  uint64_t doubling() {
    const uint32_t core_count = std::bit_floor(ranks_);
    const uint32_t extra_count = ranks_ - core_count;
    const auto is_extra = [&](uint32_t rank) { return rank < 2 * extra_count && rank % 2 == 0; };
    const auto is_lent_to = [&](uint32_t rank) { return rank < 2 * extra_count && rank % 2 == 1; };
    const auto seat_of = [&](uint32_t rank) { return rank < 2 * extra_count ? rank / 2 : rank - extra_count; };
    const auto rank_at = [&](uint32_t seat) { return seat < extra_count ? 2 * seat + 1 : seat + extra_count; };
    return in_rounds(schedule::WaitMode::streaming, [&](auto round) {
      if (extra_count != 0) {
        round(bytes_, [&](uint32_t rank) { return is_extra(rank) ? rank + 1 : rank; });
      }
      for (uint32_t distance = 1; distance < core_count; distance *= 2) {
        round(bytes_, [&](uint32_t rank) { return is_extra(rank) ? rank : rank_at(seat_of(rank) ^ distance); });
      }
      if (extra_count != 0) {
        round(bytes_, [&](uint32_t rank) { return is_lent_to(rank) ? rank - 1 : rank; });
      }
    });
  }

  std::optional<uint64_t> doubling_blocks() {
    if (!std::has_single_bit(ranks_)) {
      return std::nullopt;
    }
    return in_rounds(schedule::WaitMode::complete, [&](auto round) {
      for (uint32_t distance = 1; distance < ranks_; distance *= 2) {
        round(multiply(distance, bytes_), [&](uint32_t rank) { return rank ^ distance; });
      }
    });
  }

  // Rounds of a reducescatter, given as how many chunks go how far; those of an allreduce then pass backwards.
  struct Share {
    uint32_t count = 0;
    uint32_t distance = 0;
  };
  uint64_t there_and_back(const std::vector<Share>& shares, auto ahead_by, auto behind_by) {
    const bool is_whole = problem_.collective == Collective::all_reduce;
    const uint64_t chunk = is_whole ? part(ranks_) : bytes_;
    return in_rounds(schedule::WaitMode::complete, [&](auto round) {
      for (const Share& share : shares) {
        round(multiply(share.count, chunk), [&](uint32_t rank) { return ahead_by(rank, share.distance); });
      }
      for (auto share = shares.rbegin(); is_whole && share != shares.rend(); ++share) {
        round(multiply(share->count, chunk), [&](uint32_t rank) { return behind_by(rank, share->distance); });
      }
    });
  }

  std::optional<uint64_t> recursive_halving() {
    if (!std::has_single_bit(ranks_)) {
      return std::nullopt;
    }
    std::vector<Share> shares;
    for (uint32_t distance = 1; distance < ranks_; distance *= 2) {
      const uint32_t other = ranks_ / 2 / distance;
      shares.push_back(problem_.collective == Collective::all_reduce ? Share{other, distance} : Share{other, other});
    }
    const auto partner = [](uint32_t rank, uint32_t distance) { return rank ^ distance; };
    return there_and_back(shares, partner, partner);
  }

  uint64_t circulant() {
    std::vector<Share> shares;
    for (uint32_t span = ranks_; span > 1; span = (span + 1) / 2) {
      shares.push_back({span / 2, (span + 1) / 2});
    }
    return there_and_back(
        shares, [&](uint32_t rank, uint32_t distance) { return ahead(rank, distance); },
        [&](uint32_t rank, uint32_t distance) { return ahead(rank, ranks_ - distance); });
  }

  uint64_t parallel_trees() {
    const bool is_whole = problem_.collective == Collective::all_reduce;
    const uint32_t largest = std::bit_floor(ranks_ - 1);
    return in_rounds(schedule::WaitMode::complete, [&](auto round) {
      const auto pass = [&](uint32_t distance, uint32_t way) {
        const uint64_t block_count = (ranks_ - distance + 2 * uint64_t{distance} - 1) / (2 * uint64_t{distance});
        round(is_whole ? part(ranks_) : bytes_, [&](uint32_t rank) { return ahead(rank, way); }, block_count);
      };
      for (uint32_t distance = 1; distance <= largest && problem_.collective != Collective::all_gather; distance *= 2) {
        pass(distance, ranks_ - distance);
      }
      for (uint32_t distance = largest; distance > 0 && problem_.collective != Collective::reduce_scatter; distance /= 2) {
        pass(distance, distance);
      }
    });
  }

  // After the first round all are alike but for the side. A rank is as slow as both of its sides.
  std::optional<uint64_t> neighbour_exchange() {
    if (ranks_ % 2 != 0) {
      return std::nullopt;
    }
    const auto exchange = [&](uint64_t bytes, uint32_t first, uint64_t times) {
      Wave wave = make_wave(bytes);
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        wave.add(rank, rank % 2 == first ? ahead(rank, 1) : ahead(rank, ranks_ - 1));
      }
      note(wave, times);
      return multiply(times, add(wave.latency_ns(), wave.transfer_ns()));
    };
    const uint64_t count = ranks_ / 2 - 1;
    if (ranks_ <= kMostRanksInPairs) {
      return in_rounds(schedule::WaitMode::complete, [&](auto round) {
        for (uint32_t index = 0; index <= count; ++index) {
          const auto target_of = [&](uint32_t rank) { return rank % 2 == index % 2 ? ahead(rank, 1) : ahead(rank, ranks_ - 1); };
          round(index == 0 ? bytes_ : multiply(2, bytes_), target_of);
        }
      });
    }
    return add(exchange(bytes_, 0, 1), add(exchange(multiply(2, bytes_), 1, count - count / 2), exchange(multiply(2, bytes_), 0, count / 2)));
  }

  uint64_t dissemination() {
    return in_rounds(schedule::WaitMode::complete, [&](auto round) {
      for (uint32_t distance = 1; distance < ranks_; distance *= 2) {
        round(1, [&](uint32_t rank) { return ahead(rank, distance); });
      }
    });
  }

  // In round k the blocks with bit k of their number go, or as many as still lack.
  uint64_t bruck() {
    return in_rounds(schedule::WaitMode::complete, [&](auto round) {
      for (uint32_t distance = 1; distance < ranks_; distance *= 2) {
        const uint32_t rest = ranks_ % (2 * distance);
        const uint64_t moved = uint64_t{ranks_ / (2 * distance)} * distance + (rest > distance ? rest - distance : 0);
        const uint64_t count = problem_.collective == Collective::all_to_all ? moved : std::min(distance, ranks_ - distance);
        round(multiply(count, bytes_), [&](uint32_t rank) { return ahead(rank, ranks_ - distance); });
      }
    });
  }

  // All skips are busy at once, each with its share of the chunks; the last chunk then goes along some of them, by the way of most.
  uint64_t circulant_pipeline() {
    const auto skip_count = static_cast<uint64_t>(std::bit_width(ranks_ - 1));
    const uint64_t chunk_count = 2 * skip_count * skip_count;
    Wave together = make_wave(part(chunk_count));
    uint64_t last = 0;
    for (uint32_t skip = ranks_; skip > 1;) {
      skip = (skip + 1) / 2;
      const uint32_t distance = problem_.collective == Collective::broadcast ? skip : ranks_ - skip;
      const Wave one = shift(distance, part(chunk_count));
      last = add(last, add(one.latency_ns(), one.transfer_ns()));
      for (uint32_t rank = 0; rank < ranks_; ++rank) {
        together.add(rank, ahead(rank, distance), Wave::kUnit * chunk_count / skip_count);
      }
    }
    note(together);
    return add(together.transfer_ns(), last / 3 * 2);
  }

  // Messages of one digit are under way together, the first being the longest.
  uint64_t wide_bruck(uint32_t radix) {
    uint64_t sum = 0;
    for (uint64_t weight = 1; weight < ranks_; weight *= radix) {
      const uint64_t period = weight * radix;
      const auto count_of = [&](uint64_t distance) {
        const uint64_t rest = ranks_ % period;
        return ranks_ / period * weight + (rest > distance ? std::min(rest - distance, weight) : 0);
      };
      Wave wave = make_wave(multiply(count_of(weight), bytes_));
      for (uint64_t distance = weight; distance < std::min<uint64_t>(period, ranks_); distance += weight) {
        for (uint32_t rank = 0; rank < ranks_; ++rank) {
          wave.add(rank, ahead(rank, ranks_ - static_cast<uint32_t>(distance)), Wave::kUnit * count_of(distance) / count_of(weight));
        }
      }
      sum = add(sum, whole(wave));
    }
    return sum;
  }

  // To rank 0 at once, from there one after another.
  std::optional<uint64_t> flat_tree() {
    uint64_t given = 0;
    uint64_t got = 0;
    switch (problem_.collective) {
      case Collective::barrier: given = got = 1; break;
      case Collective::all_reduce: given = got = bytes_; break;
      case Collective::all_gather: given = bytes_, got = multiply(ranks_, bytes_); break;
      case Collective::reduce_scatter: given = multiply(ranks_, bytes_), got = bytes_; break;
      default: return std::nullopt;
    }
    uint64_t answers = 0;
    uint64_t last = 0;
    Wave alone = make_wave(got);
    for (uint32_t rank = 1; rank < ranks_; ++rank) {
      const Wave::Hop hop = alone.hop(0, rank, got);
      answers = add(answers, hop.transfer_ns);
      last = std::max(last, add(answers, hop.latency_ns));
      alone.add(0, rank, 0);
    }
    note(from_root(0, got));
    return add(whole(to_root(0, given)), last);
  }

  const Problem& problem_;
  const topology::Topology& topology_;
  const Fabric& fabric_;
  Workload workload_;
  uint64_t bytes_;  // of the vector, or of a block
  uint64_t slice_bytes_;
  uint32_t ranks_;
  uint64_t base_ns_ = 0;
  std::vector<uint64_t> carried_bytes_;  // by link; empty: not asked for
};

bool has_none(const Messages& messages, const Problem& problem, const topology::Topology& topology) {
  return topology.fabric() == nullptr || problem.rank_count < 2 || problem.blocks == schedule::Blocks::variable ||
         (messages.pattern == Pattern::other && !messages.outline);
}

}  // namespace

std::optional<uint64_t> closed_form_ns(const Messages& messages, const Problem& problem, const topology::Topology& topology, const Workload& workload) {
  return has_none(messages, problem, topology) ? std::nullopt : Forms(problem, topology, workload).price(messages);
}

std::optional<Bill> closed_form_bill(const Messages& messages, const Problem& problem, const topology::Topology& topology, const Workload& workload) {
  if (has_none(messages, problem, topology)) {
    return std::nullopt;
  }
  Forms forms(problem, topology, workload);
  forms.note_loads();
  const std::optional<uint64_t> price = forms.price(messages);
  if (!price) {
    return std::nullopt;
  }
  Bill bill;
  bill.price_ns = *price;
  bill.start_ns = std::min(forms.base_ns(), *price);
  const uint64_t least = schedule::is_cut_vector(problem.collective) ? problem.rank_count : 1;
  Forms of_bytes(problem, topology, {.element_count = std::min(least, multiply(workload.element_count, workload.element_bytes)), .element_bytes = 1});
  const uint64_t latency = of_bytes.price(messages).value_or(0);
  bill.latency_ns = std::min(*price - bill.start_ns, latency - std::min(latency, of_bytes.base_ns()));
  bill.transfer_ns = *price - bill.start_ns - bill.latency_ns;
  const topology::Fabric& fabric = *topology.fabric();
  for (topology::LinkId link = 0; link < fabric.link_count(); ++link) {
    take_if_busier(bill, forms.carried_bytes()[link], fabric.bytes_per_s(link), [&] { return fabric.name(link); });
  }
  return bill;
}

}  // namespace tutti::cost
