// SPDX-License-Identifier: Apache-2.0
#include "cost/direct_forms.hpp"

#include <algorithm>
#include <vector>

namespace tutti::cost {
namespace {

// Rounds in which ranks come to the distances from each other that they keep.
constexpr uint64_t kLeastPlayedRounds = 32;
// What links take in fourths of what they carry, where ranks have few messages under way.
constexpr uint64_t kFarFirstFourths = 5;

using schedule::Collective;
using schedule::WaitMode;

// Chunks of more than a slice stream: both halves are then under way at once.
uint64_t rooted_two_shot(Form& form, uint64_t chunk) {
  const uint32_t root = form.problem().root;
  const bool is_broadcast = form.problem().collective == Collective::broadcast;
  Wave among_all = form.all_pairs(chunk, is_broadcast ? std::optional(root) : std::nullopt);
  const Wave other = is_broadcast ? form.from_root(root, chunk) : form.to_root(root, chunk);
  if (chunk <= form.slice_bytes()) {
    return add(form.whole(among_all), form.whole(other));
  }
  const uint64_t last = (is_broadcast ? among_all : other).transfer_ns(form.slice_bytes());
  const uint64_t latency_ns = add(among_all.latency_ns(), other.latency_ns());
  among_all.add(other);
  form.note(among_all);
  return add(add(among_all.transfer_ns(), last), latency_ns);
}

// Partners at one distance after another, which is as fast as messages in step are. It is no cheaper than all messages at once, which it never is.
uint64_t pairwise_by_waves(Form& form) {
  const std::vector<uint32_t> some = form.distances();
  uint64_t sum = 0;
  uint64_t latency_ns = 0;
  for (const uint32_t distance : some) {
    const Wave wave = form.shift(distance, form.bytes());
    form.note(wave, (form.ranks() - 1) / some.size());
    sum = add(sum, wave.transfer_ns());
    latency_ns = std::max(latency_ns, wave.latency_ns());
  }
  return add(std::max(multiply_divide(sum, form.ranks() - 1, some.size()), form.all_pairs(form.bytes()).transfer_ns()), latency_ns);
}

}  // namespace

std::optional<uint64_t> one_shot_form_ns(Form& form) {
  switch (form.problem().collective) {
    case Collective::broadcast:
    case Collective::scatter:
      return form.whole(form.from_root(form.problem().root, form.bytes()));
    case Collective::reduce:
    case Collective::gather:
      return form.whole(form.to_root(form.problem().root, form.bytes()));
    case Collective::all_reduce:
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
      return form.whole(form.all_pairs(form.bytes()));
    default:
      return std::nullopt;
  }
}

// Of each latency, what goes as far or farther has left before the last of it is under way. With few messages under way from each rank some links wait.
uint64_t far_first_form_ns(Form& form) {
  struct Pair {
    uint64_t latency_ns;
    uint32_t source;
    uint32_t target;
  };
  std::vector<Pair> pairs;
  Wave latencies = form.make_wave(form.bytes());
  for (uint32_t distance = 1; distance < form.ranks(); ++distance) {
    for (uint32_t rank = 0; rank < form.ranks(); ++rank) {
      pairs.push_back({latencies.add(rank, form.ahead(rank, distance)).latency_ns, rank, form.ahead(rank, distance)});
    }
  }
  std::ranges::stable_sort(pairs, [](const Pair& left, const Pair& right) { return left.latency_ns > right.latency_ns; });
  Wave wave = form.make_wave(form.bytes());
  uint64_t end_ns = 0;
  for (size_t index = 0; index < pairs.size(); ++index) {
    wave.add(pairs[index].source, pairs[index].target);
    if (index + 1 == pairs.size() || pairs[index + 1].latency_ns != pairs[index].latency_ns) {
      end_ns = std::max(end_ns, add(pairs[index].latency_ns, wave.transfer_ns() / 4 * kFarFirstFourths));
    }
  }
  form.note(wave);
  return end_ns;
}

uint64_t two_shot_form_ns(Form& form) {
  const uint64_t ranks = form.ranks();
  if (form.problem().collective == Collective::all_reduce) {
    const Wave among_all = form.all_pairs(form.part(ranks));
    form.note(among_all);
    return multiply(2, form.whole(among_all));
  }
  const uint64_t chunk = form.part(form.problem().collective == Collective::broadcast ? ranks - 1 : ranks);
  return rooted_two_shot(form, chunk);
}

// Sends follow one another without waiting for what comes: k ahead, then k behind, for each k. Ranks whose way is fast for some rounds run ahead and meet
// messages of others at their targets, which soon is as it stays: some rounds, spread over all, stand for the rest.
std::optional<uint64_t> pairwise_played(Form& form) {
  const uint64_t rounds = form.ranks() - 1;
  std::vector<uint32_t> some = form.distances(form.most_played() / form.ranks());
  if (some.size() < std::min<uint64_t>(rounds, kLeastPlayedRounds)) {
    return std::nullopt;
  }
  const auto both_ways = [&](uint32_t distance) { return std::pair(std::min(distance, form.ranks() - distance), distance); };
  std::ranges::sort(some, {}, both_ways);
  MessageGraph messages(form.ranks());
  uint64_t latency_ns = 0;
  for (const uint32_t distance : some) {
    for (uint32_t rank = 0; rank < form.ranks(); ++rank) {
      messages.add({.source = rank, .target = form.ahead(rank, distance), .bytes = form.bytes()});
    }
  }
  const auto played = form.play(messages, Form::Notes::no);
  if (!played) {
    return std::nullopt;
  }
  for (const uint32_t distance : some) {
    const Wave wave = form.shift(distance, form.bytes());
    form.note(wave, rounds / some.size());
    latency_ns = std::max(latency_ns, wave.latency_ns());
  }
  latency_ns = std::min(latency_ns, *played);
  return add(multiply_divide(*played - latency_ns, rounds, some.size()), latency_ns);
}

uint64_t pairwise_form_ns(Form& form) {
  const auto played = pairwise_played(form);
  return played ? *played : pairwise_by_waves(form);
}

std::optional<uint64_t> flat_tree_form_ns(Form& form) {
  const uint64_t bytes = form.bytes();
  uint64_t given = 0;
  uint64_t got = 0;
  switch (form.problem().collective) {
    case Collective::barrier: given = got = 1; break;
    case Collective::all_reduce: given = got = bytes; break;
    case Collective::all_gather: given = bytes, got = multiply(form.ranks(), bytes); break;
    case Collective::reduce_scatter: given = multiply(form.ranks(), bytes), got = bytes; break;
    default: return std::nullopt;
  }
  uint64_t answers = 0;
  uint64_t last = 0;
  Wave alone = form.make_wave(got);
  for (uint32_t rank = 1; rank < form.ranks(); ++rank) {
    const Wave::Hop hop = alone.hop(0, rank, got);
    answers = add(answers, hop.transfer_ns);
    last = std::max(last, add(answers, hop.latency_ns));
    alone.add(0, rank, 0);
  }
  form.note(form.from_root(0, got));
  return add(form.whole(form.to_root(0, given)), last);
}

}  // namespace tutti::cost
