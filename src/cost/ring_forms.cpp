// SPDX-License-Identifier: Apache-2.0
#include "cost/ring_forms.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "topology/circles.hpp"
#include "topology/fitting.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::WaitMode;
using Circle = std::vector<uint32_t>;
using Circles = std::vector<Circle>;
using Hops = std::vector<Wave::Hop>;  // of a circle, in its order, from each rank to the next

// Of a ring's hops, how many of how many steps are taken along the ring rather than at its slowest hop.
constexpr uint32_t kMixes = 64;
// In which ring's reduce cuts the vector.
constexpr uint32_t kChainChunks = 8;
// Steps that are played have brought rings to the pace that they keep.
constexpr uint64_t kLeastPlayedSteps = 16;

void for_each_hop(const Circle& circle, auto visit) {
  for (size_t place = 0; place < circle.size(); ++place) {
    visit(circle[place], circle[(place + 1) % circle.size()]);
  }
}

Wave wave_of(const Form& form, const Circles& circles, uint64_t bytes) {
  Wave wave = form.make_wave(bytes);
  for (const Circle& circle : circles) {
    for_each_hop(circle, [&](uint32_t source, uint32_t target) { wave.add(source, target); });
  }
  return wave;
}

// By circle. `times`: that messages go around.
std::vector<Hops> hops_of(Form& form, const Circles& circles, uint64_t bytes, uint64_t times) {
  Wave wave = wave_of(form, circles, bytes);
  form.note(wave, times);
  std::vector<Hops> hops(circles.size());
  for (size_t ring = 0; ring < circles.size(); ++ring) {
    for_each_hop(circles[ring], [&](uint32_t source, uint32_t target) { hops[ring].push_back(wave.hop(source, target, form.slice_bytes())); });
  }
  return hops;
}

// Every rank passes on what came, `step_count` times. A message leaves when its predecessor from the same rank has left, and when its first slice has
// come, so the end is that of the longest path on which each step either goes on to the next hop or stays, at the slowest of all.
uint64_t around(const Hops& hops, uint64_t step_count) {
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

uint64_t around_by_waves(Form& form, const Circles& circles, uint64_t bytes, uint64_t step_count) {
  uint64_t longest = 0;
  for (const Hops& hops : hops_of(form, circles, bytes, step_count)) {
    longest = std::max(longest, around(hops, step_count));
  }
  return longest;
}

std::optional<uint64_t> steps_played(Form& form, const Circles& circles, uint64_t bytes, uint64_t step_count) {
  MessageGraph messages(form.ranks());
  for (uint32_t ring = 0; ring < circles.size(); ++ring) {
    std::vector<uint32_t> before(form.ranks());  // by place: the message that leaves there
    for (uint64_t step = 0; step < step_count; ++step) {
      std::vector<uint32_t> now;
      for_each_hop(circles[ring], [&](uint32_t source, uint32_t target) {
        now.push_back(messages.add({.source = source, .target = target, .bytes = bytes, .send_lane = ring, .receive_lane = ring}));
        if (step != 0) {
          messages.wait(now.back(), before[(now.size() + form.ranks() - 2) % form.ranks()], WaitMode::streaming);
        }
      });
      before = std::move(now);
    }
  }
  return form.play(messages, Form::Notes::no);
}

// Once rings have come to their pace, as many steps more take as much longer: of many steps the last half of those that are played stands for the rest.
std::optional<uint64_t> around_played(Form& form, const Circles& circles, uint64_t bytes, uint64_t step_count) {
  const uint64_t messages_of_step = uint64_t{form.ranks()} * circles.size();
  if (form.may_play(messages_of_step * step_count)) {
    form.note(wave_of(form, circles, bytes), step_count);
    return steps_played(form, circles, bytes, step_count);
  }
  if (!form.may_play(messages_of_step * kLeastPlayedSteps)) {
    return std::nullopt;
  }
  form.note(wave_of(form, circles, bytes), step_count);
  uint64_t played_count = kLeastPlayedSteps;
  while (form.may_play(messages_of_step * 2 * played_count)) {
    played_count *= 2;
  }
  const auto half = steps_played(form, circles, bytes, played_count / 2);
  const auto all = steps_played(form, circles, bytes, played_count);
  if (!half || !all) {
    return std::nullopt;
  }
  return add(*all, multiply_divide(*all - std::min(*all, *half), step_count - played_count, played_count / 2));
}

// From the root on, or towards it.
uint64_t chain(const Form& form, const Hops& hops, const Circle& circle, uint64_t chunk_count) {
  uint64_t sum = 0;
  uint64_t longest = 0;
  uint64_t more = 0;  // that the slowest hop takes for a chunk than for a slice
  for (size_t place = 0; place < circle.size(); ++place) {
    const uint32_t end = form.problem().collective == Collective::broadcast ? circle[(place + 1) % circle.size()] : circle[place];
    if (end != form.problem().root) {
      sum = add(sum, add(hops[place].latency_ns, hops[place].slice_ns));
      longest = std::max(longest, hops[place].transfer_ns);
      more = std::max(more, hops[place].transfer_ns - hops[place].slice_ns);
    }
  }
  return add(add(sum, more), multiply(chunk_count - 1, longest));
}

// Of a chain the first slices are under way by themselves.
uint64_t chains_by_waves(Form& form, const Circles& circles, uint64_t bytes, uint64_t chunk_count) {
  uint64_t longest = 0;
  std::vector<Hops> hops = hops_of(form, circles, bytes, chunk_count);
  for (size_t ring = 0; ring < circles.size(); ++ring) {
    const Hops alone = hops_of(form, {circles[ring]}, bytes, 0).front();
    for (size_t place = 0; place < alone.size(); ++place) {
      Wave::Hop& hop = hops[ring][place];
      hop.transfer_ns = add(alone[place].slice_ns, hop.transfer_ns - hop.slice_ns);
      hop.slice_ns = alone[place].slice_ns;
    }
    longest = std::max(longest, chain(form, hops[ring], circles[ring], chunk_count));
  }
  return longest;
}

uint64_t chains(Form& form, const Circles& circles) {
  const uint32_t chunk_count = form.problem().collective == Collective::reduce && form.ranks() > 2 ? kChainChunks : 1;
  const uint64_t bytes = form.part(chunk_count * circles.size());
  return chains_by_waves(form, circles, bytes, chunk_count);
}

}  // namespace

uint64_t ring_form_ns(Form& form) {
  const uint64_t ranks = form.ranks();
  const Circles circles = {topology::circle_of(form.topology())};
  switch (form.problem().collective) {
    case Collective::broadcast:
    case Collective::reduce: return chains(form, circles);
    case Collective::all_reduce: return around_by_waves(form, circles, form.part(ranks), 2 * (ranks - 1));
    default: return around_by_waves(form, circles, form.bytes(), ranks - 1);
  }
}

std::optional<uint64_t> rings_form_ns(Form& form) {
  const Circles circles = topology::circles_of(form.topology());
  if (circles.empty()) {
    return std::nullopt;
  }
  if (schedule::is_rooted(form.problem().collective)) {
    return chains(form, circles);
  }
  const uint64_t ranks = form.ranks();
  const bool is_whole = form.problem().collective == Collective::all_reduce;
  const uint64_t bytes = form.part((is_whole ? ranks : 1) * circles.size());
  const uint64_t step_count = (is_whole ? 2 : 1) * (ranks - 1);
  const auto played = around_played(form, circles, bytes, step_count);
  return played ? played : around_by_waves(form, circles, bytes, step_count);
}

}  // namespace tutti::cost
