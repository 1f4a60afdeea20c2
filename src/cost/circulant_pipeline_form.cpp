// SPDX-License-Identifier: Apache-2.0
#include "cost/circulant_pipeline_form.hpp"

#include <algorithm>
#include <bit>
#include <optional>
#include <vector>

#include "schedule/circulant_rounds.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::WaitMode;

// The first `chunk_count` chunks, each with a lane for each peer.
std::optional<uint64_t> chunks_played(Form& form, uint32_t chunk_count, uint64_t chunk) {
  const schedule::CirculantSkips skips(form.ranks());
  const uint32_t root = form.problem().root;
  struct Passing {
    uint32_t round = 0;
    uint32_t chunk = 0;
    uint32_t source = 0;
    uint32_t target = 0;
  };
  std::vector<Passing> passings;
  for (uint32_t position = 1; position < form.ranks(); ++position) {
    const uint32_t target = form.ahead(root, position);
    for (const auto& [round, number] : schedule::circulant_arrivals(skips, chunk_count, position)) {
      passings.push_back({round, number, form.behind(target, skips[round % skips.count()]), target});
    }
  }
  std::stable_sort(passings.begin(), passings.end(), [](const Passing& left, const Passing& right) { return left.round < right.round; });
  MessageGraph messages(form.ranks());
  const auto send = [&](uint32_t source, uint32_t target) {
    return messages.add({.source = source, .target = target, .bytes = chunk, .send_lane = target, .receive_lane = source});
  };
  const auto place_of = [&](uint32_t rank, uint32_t number) { return size_t{rank} * chunk_count + number; };
  if (form.problem().collective == Collective::broadcast) {
    std::vector<uint32_t> came(size_t{form.ranks()} * chunk_count);
    for (const Passing& one : passings) {
      const uint32_t message = send(one.source, one.target);
      if (one.source != root) {
        messages.wait(message, came[place_of(one.source, one.chunk)], WaitMode::streaming);
      }
      came[place_of(one.target, one.chunk)] = message;
    }
  } else {
    std::vector<std::vector<uint32_t>> came(size_t{form.ranks()} * chunk_count);
    for (auto one = passings.rbegin(); one != passings.rend(); ++one) {
      const uint32_t message = send(one->target, one->source);
      for (const uint32_t contribution : came[place_of(one->target, one->chunk)]) {
        messages.wait(message, contribution, WaitMode::streaming);
      }
      came[place_of(one->source, one->chunk)].push_back(message);
    }
  }
  return form.play(messages, Form::Notes::no);
}

// As many rounds as there are skips are like those before, so chunks that are too many to play take as much longer as the last of those that are.
std::optional<uint64_t> circulant_pipeline_played(Form& form, uint32_t chunk_count, uint64_t chunk) {
  const uint64_t others = form.ranks() - 1;
  if (form.may_play(others * chunk_count)) {
    return chunks_played(form, chunk_count, chunk);
  }
  const auto period = static_cast<uint32_t>(std::bit_width(others));
  if (!form.may_play(others * 2 * period)) {
    return std::nullopt;
  }
  uint32_t played_count = 2 * period;
  while (form.may_play(others * (played_count + 2 * period))) {
    played_count += 2 * period;
  }
  const auto half = chunks_played(form, played_count / 2, chunk);
  const auto all = chunks_played(form, played_count, chunk);
  if (!half || !all) {
    return std::nullopt;
  }
  return add(*all, multiply_divide(*all - std::min(*all, *half), chunk_count - played_count, played_count / 2));
}

}  // namespace

// All skips are busy at once, each with its share of the chunks; the last chunk then goes along some of them, by the way of most.
uint64_t circulant_pipeline_form_ns(Form& form) {
  const uint32_t ranks = form.ranks();
  const auto skip_count = static_cast<uint64_t>(std::bit_width(ranks - 1));
  const uint64_t chunk_count = 2 * skip_count * skip_count;
  const uint64_t chunk = form.part(chunk_count);
  Wave together = form.make_wave(chunk);
  uint64_t last = 0;
  for (uint32_t skip = ranks; skip > 1;) {
    skip = (skip + 1) / 2;
    const uint32_t distance = form.problem().collective == Collective::broadcast ? skip : ranks - skip;
    const Wave one = form.shift(distance, chunk);
    last = add(last, add(one.latency_ns(), one.transfer_ns()));
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      together.add(rank, form.ahead(rank, distance), Wave::kUnit * chunk_count / skip_count);
    }
  }
  form.note(together);
  const auto played = circulant_pipeline_played(form, static_cast<uint32_t>(chunk_count), chunk);
  return played ? *played : add(together.transfer_ns(), last / 3 * 2);
}

}  // namespace tutti::cost
