// SPDX-License-Identifier: Apache-2.0
#include "cost/direct_forms.hpp"

#include <algorithm>
#include <vector>

namespace tutti::cost {
namespace {

// Messages that are all under way at once take time to play that grows with the square of their number: of more ranks they are not.
constexpr uint64_t kMostPlayedAtOnce = 5'200;

// What links take in fourths of what they carry, where ranks have few messages under way.
constexpr uint64_t kFarFirstFourths = 5;

using schedule::Collective;
using schedule::WaitMode;

// The root's chunks to the others and theirs to each other, or the same backwards, with an own lane for each peer. Messages are added rank by rank: those
// that begin together choose their ways in that order.
std::optional<uint64_t> rooted_two_shot_played(Form& form, uint64_t chunk) {
  const uint32_t root = form.problem().root;
  const bool is_broadcast = form.problem().collective == Collective::broadcast;
  MessageGraph messages(form.ranks());
  const auto send = [&](uint32_t source, uint32_t target) {
    return messages.add({.source = source, .target = target, .bytes = chunk, .send_lane = target, .receive_lane = source});
  };
  const auto for_each_pair = [&](auto visit) {
    for (uint32_t source = 0; source < form.ranks(); ++source) {
      for (uint32_t distance = 1; distance < form.ranks(); ++distance) {
        visit(source, form.ahead(source, distance));
      }
    }
  };
  if (is_broadcast) {
    std::vector<uint32_t> first(form.ranks());  // by target
    for (uint32_t distance = 1; distance < form.ranks(); ++distance) {
      first[form.ahead(root, distance)] = send(root, form.ahead(root, distance));
    }
    for_each_pair([&](uint32_t source, uint32_t target) {
      if (source != root && target != root) {
        messages.wait(send(source, target), first[source], WaitMode::streaming);
      }
    });
    return form.play(messages);
  }
  std::vector<std::vector<uint32_t>> came(form.ranks());
  for_each_pair([&](uint32_t source, uint32_t target) { came[target].push_back(send(source, target)); });
  for (uint32_t rank = 0; rank < form.ranks(); ++rank) {
    if (rank != root) {
      const uint32_t reduced = send(rank, root);
      for (const uint32_t contribution : came[rank]) {
        messages.wait(reduced, contribution, WaitMode::streaming);
      }
    }
  }
  return form.play(messages);
}

// Chunks of more than a slice stream: both halves are then under way at once.
uint64_t rooted_two_shot_by_waves(Form& form, uint64_t chunk) {
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
  const std::optional<uint64_t> played = ranks * ranks <= kMostPlayedAtOnce && form.may_play(ranks * ranks) ? rooted_two_shot_played(form, chunk) : std::nullopt;
  return played ? *played : rooted_two_shot_by_waves(form, chunk);
}

// Sends follow one another without waiting for what comes: k ahead, then k behind, for each k. Ranks whose way is fast for some rounds run ahead and meet
// messages of others at their targets.
uint64_t pairwise_form_ns(Form& form) {
  const uint64_t ranks = form.ranks();
  if (form.may_play(ranks * (ranks - 1))) {
    MessageGraph messages(form.ranks());
    for (uint32_t distance = 1; 2 * distance <= ranks; ++distance) {
      for (uint32_t rank = 0; rank < ranks; ++rank) {
        messages.add({.source = rank, .target = form.ahead(rank, distance), .bytes = form.bytes()});
      }
      for (uint32_t rank = 0; rank < ranks && 2 * distance < ranks; ++rank) {
        messages.add({.source = rank, .target = form.behind(rank, distance), .bytes = form.bytes()});
      }
    }
    if (const auto played = form.play(messages)) {
      return *played;
    }
  }
  return pairwise_by_waves(form);
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
