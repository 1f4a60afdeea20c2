// SPDX-License-Identifier: Apache-2.0
#include "cost/form.hpp"

#include <algorithm>

#include "cost/fabric_player.hpp"

namespace tutti::cost {
namespace {

// Of more ranks so many distances are looked at, and no more pairs altogether than that.
constexpr uint64_t kMostDistances = 64;
constexpr uint64_t kMostPairs = 400'000;
// Messages of which many are under way at once, on links of which many are shared, take long to play: that is given up where the rates of flows are worked
// out more often, which takes a twentieth of a second to a tenth.
constexpr uint64_t kMostRated = 500'000;

}  // namespace

Form::Form(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload, const Options& options)
    : problem_(problem),
      topology_(topology),
      workload_(workload),
      options_(options),
      bytes_(multiply(workload.element_count, workload.element_bytes)) {}

Wave Form::shift(uint32_t distance, uint64_t bytes) const {
  Wave wave = make_wave(bytes);
  for (uint32_t rank = 0; rank < ranks(); ++rank) {
    wave.add(rank, ahead(rank, distance));
  }
  return wave;
}

std::vector<uint32_t> Form::distances() const {
  return distances(ranks() <= kMostRanksInPairs ? ranks() - 1 : std::clamp<uint64_t>(kMostPairs / ranks(), 4, kMostDistances));
}

std::vector<uint32_t> Form::distances(uint64_t count) const {
  std::vector<uint32_t> some;
  const uint64_t all = ranks() - 1;
  if (count >= all) {
    for (uint32_t distance = 1; distance < ranks(); ++distance) {
      some.push_back(distance);
    }
    return some;
  }
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 over the golden ratio
  for (uint64_t index = 1; index <= count; ++index) {
    __extension__ using Wide = unsigned __int128;
    some.push_back(1 + static_cast<uint32_t>(Wide{index * kGolden} * all >> 64));
  }
  return some;
}

Wave Form::all_pairs(uint64_t bytes, std::optional<uint32_t> without) const {
  Wave wave = make_wave(bytes);
  const std::vector<uint32_t> some = distances();
  const uint64_t weight = Wave::kUnit * (ranks() - 1) / some.size();
  for (uint32_t rank = 0; rank < ranks(); ++rank) {
    for (const uint32_t distance : some) {
      if (rank != without && ahead(rank, distance) != without) {
        wave.add(rank, ahead(rank, distance), weight);
      }
    }
  }
  return wave;
}

Wave Form::from_root(uint32_t root, uint64_t bytes) const {
  Wave wave = make_wave(bytes);
  for (uint32_t rank = 0; rank < ranks(); ++rank) {
    wave.add(root, rank);
  }
  return wave;
}

Wave Form::to_root(uint32_t root, uint64_t bytes) const {
  Wave wave = make_wave(bytes);
  for (uint32_t rank = 0; rank < ranks(); ++rank) {
    wave.add(rank, root);
  }
  return wave;
}

void Form::note(const Wave& wave, uint64_t times) {
  base_ns_ = std::max(base_ns_, wave.base_ns());
  for (topology::LinkId link = 0; link < carried_bytes_.size(); ++link) {
    carried_bytes_[link] = add(carried_bytes_[link], multiply(times, wave.link_bytes(link)));
  }
}

void Form::note(const Stages& stages) {
  for (const Wave& wave : stages.waves()) {
    note(wave);
  }
}

uint64_t Form::whole(const Wave& wave) {
  note(wave);
  return add(wave.latency_ns(), wave.transfer_ns());
}

std::optional<uint64_t> Form::play(const MessageGraph& messages, Notes notes) {
  FabricPlayer player(messages, {.fabric = topology_.fabric(), .slice_bytes = slice_bytes()});
  return play(player, notes);
}

std::optional<uint64_t> Form::play(std::span<const schedule::Schedule> schedules) {
  FabricPlayer player({problem_, schedules, Peers::present, topology_, workload_});
  return play(player, Notes::yes);
}

std::optional<uint64_t> Form::play(FabricPlayer& player, Notes notes) {
  const std::optional<uint64_t> with_base = player.run_within(kMostRated);
  if (!with_base || *with_base == kNever) {
    return std::nullopt;
  }
  base_ns_ = std::max(base_ns_, player.traffic().base_ns());
  for (topology::LinkId link = 0; notes == Notes::yes && link < carried_bytes_.size(); ++link) {
    carried_bytes_[link] = add(carried_bytes_[link], player.traffic().flows().carried_bytes(link));
  }
  return *with_base - player.traffic().base_ns();
}

}  // namespace tutti::cost
