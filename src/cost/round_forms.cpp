// SPDX-License-Identifier: Apache-2.0
#include "cost/round_forms.hpp"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::Pattern;
using schedule::WaitMode;

// Trees, or rounds, of which the last half has the pace of all.
constexpr uint64_t kLeastPlayedTrees = 16;
constexpr uint64_t kLeastPlayedExchanges = 16;

// Of a round, from each rank that sends in it to one other, one after another.
struct Sends {
  uint64_t bytes = 0;
  WaitMode mode = WaitMode::complete;  // whether what came before must be there whole or begins to be
  uint64_t count = 1;
};

// Rounds, each a wave. A rank sends when it has sent what went before and, as Sends::mode says, when what came before is there whole or begins to be; then
// its last slice leaves when the rest has come.
class Rounds {
 public:
  explicit Rounds(Form& form) : form_(form), ranks_(form.ranks()) {}

  // `target_of`: of a rank, itself for none.
  void add(const Sends& sends, auto target_of) {
    struct Sent {
      uint32_t target = 0;
      size_t first_link = 0;
      size_t link_count = 0;
      uint64_t units = 0;
      uint64_t latency_ns = 0;
    };
    Wave wave = form_.make_wave(sends.bytes);
    std::vector<Sent> sent;  // by rank
    std::vector<topology::LinkId> links;
    for (uint32_t rank = 0; rank < form_.ranks(); ++rank) {
      const Wave::Way way = wave.add(rank, target_of(rank), sends.count * Wave::kUnit);
      sent.push_back({target_of(rank), links.size(), way.links.size(), way.units, way.latency_ns});
      links.insert(links.end(), way.links.begin(), way.links.end());
    }
    form_.note(wave);
    std::vector<Rank> next = ranks_;
    for (uint32_t rank = 0; rank < form_.ranks(); ++rank) {
      const auto& [target, first_link, link_count, units, latency_ns] = sent[rank];
      if (target == rank) {
        continue;
      }
      const Rank& now = ranks_[rank];
      const Wave::Hop hop = wave.hop({.links = {links.data() + first_link, link_count}, .units = units, .latency_ns = latency_ns}, form_.slice_bytes());
      const uint64_t begin_ns = std::max(now.left_ns, sends.mode == WaitMode::streaming ? now.begun_ns : now.came_ns);
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
  Form& form_;
  std::vector<Rank> ranks_;
};

// `tell` calls what it is given for each round, with what is sent and who the target of a rank is: itself, if it sends nothing.
uint64_t in_rounds(Form& form, auto tell) {
  Rounds rounds(form);
  tell([&](const Sends& sends, auto target_of) { rounds.add(sends, target_of); });
  return rounds.end_ns();
}

// To a power of two of ranks the others lend their vectors.
uint64_t doubling(Form& form) {
  const uint32_t core_count = std::bit_floor(form.ranks());
  const uint32_t extra_count = form.ranks() - core_count;
  const auto is_extra = [&](uint32_t rank) { return rank < 2 * extra_count && rank % 2 == 0; };
  const auto is_lent_to = [&](uint32_t rank) { return rank < 2 * extra_count && rank % 2 == 1; };
  const auto seat_of = [&](uint32_t rank) { return rank < 2 * extra_count ? rank / 2 : rank - extra_count; };
  const auto rank_at = [&](uint32_t seat) { return seat < extra_count ? 2 * seat + 1 : seat + extra_count; };
  const Sends whole{.bytes = form.bytes(), .mode = WaitMode::streaming};
  return in_rounds(form, [&](auto round) {
    if (extra_count != 0) {
      round(whole, [&](uint32_t rank) { return is_extra(rank) ? rank + 1 : rank; });
    }
    for (uint32_t distance = 1; distance < core_count; distance *= 2) {
      round(whole, [&](uint32_t rank) { return is_extra(rank) ? rank : rank_at(seat_of(rank) ^ distance); });
    }
    if (extra_count != 0) {
      round(whole, [&](uint32_t rank) { return is_lent_to(rank) ? rank - 1 : rank; });
    }
  });
}

std::optional<uint64_t> doubling_blocks(Form& form) {
  if (!std::has_single_bit(form.ranks())) {
    return std::nullopt;
  }
  return in_rounds(form, [&](auto round) {
    for (uint32_t distance = 1; distance < form.ranks(); distance *= 2) {
      round({.bytes = multiply(distance, form.bytes())}, [&](uint32_t rank) { return rank ^ distance; });
    }
  });
}

// Rounds of a reducescatter, given as how many chunks go how far; those of an allreduce then pass backwards.
struct Portion {
  uint32_t count = 0;
  uint32_t distance = 0;
};

uint64_t chunk_of_half(const Form& form) {
  return form.problem().collective == Collective::all_reduce ? form.part(form.ranks()) : form.bytes();
}

uint64_t there_and_back(Form& form, const std::vector<Portion>& portions, auto ahead_by, auto behind_by) {
  const bool is_whole = form.problem().collective == Collective::all_reduce;
  const uint64_t chunk = chunk_of_half(form);
  return in_rounds(form, [&](auto round) {
    for (const Portion& portion : portions) {
      round({.bytes = multiply(portion.count, chunk)}, [&](uint32_t rank) { return ahead_by(rank, portion.distance); });
    }
    for (auto portion = portions.rbegin(); is_whole && portion != portions.rend(); ++portion) {
      // What the last round has reduced goes back as it is made.
      const WaitMode mode = portion == portions.rbegin() ? WaitMode::streaming : WaitMode::complete;
      round({.bytes = multiply(portion->count, chunk), .mode = mode}, [&](uint32_t rank) { return behind_by(rank, portion->distance); });
    }
  });
}

std::optional<uint64_t> halving(Form& form) {
  if (!std::has_single_bit(form.ranks())) {
    return std::nullopt;
  }
  std::vector<Portion> portions;
  for (uint32_t distance = 1; distance < form.ranks(); distance *= 2) {
    const uint32_t other = form.ranks() / 2 / distance;
    portions.push_back(form.problem().collective == Collective::all_reduce ? Portion{other, distance} : Portion{other, other});
  }
  const auto partner = [](uint32_t rank, uint32_t distance) { return rank ^ distance; };
  return there_and_back(form, portions, partner, partner);
}

uint64_t circulant(Form& form) {
  std::vector<Portion> portions;
  for (uint32_t span = form.ranks(); span > 1; span = (span + 1) / 2) {
    portions.push_back({span / 2, (span + 1) / 2});
  }
  return there_and_back(
      form, portions, [&](uint32_t rank, uint32_t distance) { return form.ahead(rank, distance); },
      [&](uint32_t rank, uint32_t distance) { return form.behind(rank, distance); });
}

// The trees of the first blocks, as many as may be played. In the tree of a block, a place is how far ahead of the block's own rank one is
// (algorithms/bruck/parallel_trees.cpp).
std::optional<uint64_t> trees_played(Form& form, uint32_t tree_count) {
  const uint32_t ranks = form.ranks();
  const bool scatters = form.problem().collective != Collective::all_gather;
  const bool gathers = form.problem().collective != Collective::reduce_scatter;
  const uint64_t bytes = chunk_of_half(form);
  const uint32_t largest = std::bit_floor(ranks - 1);
  MessageGraph messages(ranks);
  const auto for_each_parent = [&](uint32_t distance, auto visit) {
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      for (uint32_t place = 0; place + distance < ranks; place += 2 * distance) {
        if (const uint32_t block = form.behind(rank, place); block < tree_count) {
          visit(rank, block);
        }
      }
    }
  };
  std::vector<std::vector<uint32_t>> came(ranks, std::vector<uint32_t>(tree_count, kNone));  // by rank: what came last of the block
  for (uint32_t distance = 1; scatters && distance <= largest; distance *= 2) {
    for_each_parent(distance, [&](uint32_t target, uint32_t block) {
      const uint32_t source = form.ahead(target, distance);
      const uint32_t message = messages.add({.source = source, .target = target, .bytes = bytes});
      if (const uint32_t last = came[source][block]; last != kNone) {
        messages.wait(message, last, WaitMode::streaming);
      }
      came[target][block] = message;
    });
  }
  for (uint32_t distance = largest; gathers && distance > 0; distance /= 2) {
    for_each_parent(distance, [&](uint32_t source, uint32_t block) {
      const uint32_t target = form.ahead(source, distance);
      const uint32_t message = messages.add({.source = source, .target = target, .bytes = bytes, .send_lane = 1, .receive_lane = 1});
      if (const uint32_t last = came[source][block]; last != kNone) {
        messages.wait(message, last, WaitMode::streaming);
      }
      came[target][block] = message;
    });
  }
  return form.play(messages, Form::Notes::no);
}

// As many more blocks take as much longer as the last half of those that are played.
std::optional<uint64_t> parallel_trees_played(Form& form) {
  const uint64_t halves = form.problem().collective == Collective::all_reduce ? 2 : 1;
  const uint64_t most = form.most_played() / (halves * (form.ranks() - 1));
  if (most < kLeastPlayedTrees) {
    return std::nullopt;
  }
  const uint32_t count = most >= form.ranks() ? form.ranks() : std::bit_floor(static_cast<uint32_t>(most));
  const auto all = trees_played(form, count);
  const auto half = count == form.ranks() ? all : trees_played(form, count / 2);
  if (!half || !all) {
    return std::nullopt;
  }
  return add(*all, multiply_divide(*all - std::min(*all, *half), form.ranks() - count, count / 2));
}

uint64_t parallel_trees_by_waves(Form& form) {
  const uint32_t ranks = form.ranks();
  const uint32_t largest = std::bit_floor(ranks - 1);
  return in_rounds(form, [&](auto round) {
    const auto pass = [&](uint32_t distance, uint32_t way) {
      const uint64_t block_count = (ranks - distance + 2 * uint64_t{distance} - 1) / (2 * uint64_t{distance});
      round({.bytes = chunk_of_half(form), .count = block_count}, [&](uint32_t rank) { return form.ahead(rank, way); });
    };
    for (uint32_t distance = 1; distance <= largest && form.problem().collective != Collective::all_gather; distance *= 2) {
      pass(distance, ranks - distance);
    }
    for (uint32_t distance = largest; distance > 0 && form.problem().collective != Collective::reduce_scatter; distance /= 2) {
      pass(distance, distance);
    }
  });
}

uint64_t parallel_trees(Form& form) {
  const auto played = parallel_trees_played(form);
  const uint64_t waves = parallel_trees_by_waves(form);  // which notes what goes
  return played.value_or(waves);
}

// Between each rank and its two neighbours in turn: the first round has one block, the others two.
std::optional<uint64_t> exchanges_played(Form& form, uint64_t round_count) {
  MessageGraph messages(form.ranks());
  std::vector<uint32_t> came(form.ranks(), kNone);
  for (uint64_t round = 0; round < round_count; ++round) {
    std::vector<uint32_t> coming(form.ranks());
    for (uint32_t rank = 0; rank < form.ranks(); ++rank) {
      const uint32_t target = rank % 2 == round % 2 ? form.ahead(rank, 1) : form.behind(rank, 1);
      coming[target] = messages.add({.source = rank, .target = target, .bytes = multiply(round == 0 ? 1 : 2, form.bytes())});
      if (came[rank] != kNone) {
        messages.wait(coming[target], came[rank], WaitMode::complete);
      }
    }
    came = std::move(coming);
  }
  return form.play(messages, Form::Notes::no);
}

// A rank is as slow as both of its sides; of rounds that are played more take as much longer as the last half.
std::optional<uint64_t> neighbour_exchange(Form& form) {
  const uint32_t ranks = form.ranks();
  const uint64_t bytes = form.bytes();
  if (ranks % 2 != 0) {
    return std::nullopt;
  }
  const auto exchange = [&](uint64_t block_bytes, uint32_t first, uint64_t times) {
    Wave wave = form.make_wave(block_bytes);
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      wave.add(rank, rank % 2 == first ? form.ahead(rank, 1) : form.behind(rank, 1));
    }
    form.note(wave, times);
    return multiply(times, add(wave.latency_ns(), wave.transfer_ns()));
  };
  const uint64_t count = ranks / 2 - 1;
  const uint64_t slowest =
      add(exchange(bytes, 0, 1), add(exchange(multiply(2, bytes), 1, count - count / 2), exchange(multiply(2, bytes), 0, count / 2)));
  const uint64_t rounds = ranks / 2;
  const uint64_t most = std::min(rounds, form.most_played() / ranks / 2 * 2);
  if (most < std::min(rounds, kLeastPlayedExchanges)) {
    return slowest;
  }
  const auto all = exchanges_played(form, most);
  const auto half = most == rounds ? all : exchanges_played(form, most / 2);
  return all && half ? add(*all, multiply_divide(*all - std::min(*all, *half), rounds - most, most - most / 2)) : slowest;
}

uint64_t dissemination(Form& form) {
  return in_rounds(form, [&](auto round) {
    for (uint32_t distance = 1; distance < form.ranks(); distance *= 2) {
      round({.bytes = 1}, [&](uint32_t rank) { return form.ahead(rank, distance); });
    }
  });
}

// How many blocks have the digit that is `distance` / `weight` there, of those whose numbers are below the ranks'.
uint64_t blocks_with_digit(const Form& form, uint64_t distance, uint64_t weight, uint64_t radix) {
  const uint64_t period = weight * radix;
  const uint64_t rest = form.ranks() % period;
  return form.ranks() / period * weight + (rest > distance ? std::min(rest - distance, weight) : 0);
}

// Of each digit's values those that lie below the ranks, by what they are worth.
void for_each_digit(const Form& form, uint64_t radix, auto visit) {
  for (uint64_t weight = 1; weight < form.ranks(); weight *= radix) {
    visit(weight, std::min<uint64_t>(weight * radix, form.ranks()));
  }
}

// The bundles of a digit go side by side, each in a lane of its value. They wait for all of the digit before, unless they hold nothing that has moved.
std::optional<uint64_t> radix_bruck_played(Form& form, uint64_t radix) {
  const uint32_t ranks = form.ranks();
  uint64_t bundle_count = 0;
  for_each_digit(form, radix, [&](uint64_t weight, uint64_t end) { bundle_count += (end - 1) / weight; });
  if (!form.may_play(bundle_count * ranks)) {
    return std::nullopt;
  }
  MessageGraph messages(ranks);
  std::vector<std::vector<uint32_t>> came(ranks);  // by the digit before
  for_each_digit(form, radix, [&](uint64_t weight, uint64_t end) {
    std::vector<std::vector<uint32_t>> coming(ranks);
    for (uint32_t rank = 0; rank < ranks; ++rank) {
      for (uint64_t distance = weight; distance < end; distance += weight) {
        const auto value = static_cast<uint32_t>(distance / weight);
        const uint32_t target = form.behind(rank, static_cast<uint32_t>(distance));
        const uint64_t bytes = multiply(blocks_with_digit(form, distance, weight, radix), form.bytes());
        const uint32_t message = messages.add({.source = rank, .target = target, .bytes = bytes, .send_lane = value, .receive_lane = value});
        if (weight > 1 && distance + 1 < ranks) {
          for (const uint32_t earlier : came[rank]) {
            messages.wait(message, earlier, WaitMode::complete);
          }
        }
        coming[target].push_back(message);
      }
    }
    came = std::move(coming);
  });
  return form.play(messages);
}

// Messages of one digit are under way together, the first being the longest.
uint64_t radix_bruck(Form& form, uint64_t radix) {
  if (const auto played = radix_bruck_played(form, radix)) {
    return *played;
  }
  uint64_t sum = 0;
  for_each_digit(form, radix, [&](uint64_t weight, uint64_t end) {
    const uint64_t most = blocks_with_digit(form, weight, weight, radix);
    Wave wave = form.make_wave(multiply(most, form.bytes()));
    for (uint64_t distance = weight; distance < end; distance += weight) {
      for (uint32_t rank = 0; rank < form.ranks(); ++rank) {
        const uint64_t count = blocks_with_digit(form, distance, weight, radix);
        wave.add(rank, form.behind(rank, static_cast<uint32_t>(distance)), Wave::kUnit * count / most);
      }
    }
    sum = add(sum, form.whole(wave));
  });
  return sum;
}

// In round k as many blocks go as there are already, or still lack.
uint64_t bruck(Form& form) {
  const uint32_t ranks = form.ranks();
  if (form.problem().collective == Collective::all_to_all) {
    return radix_bruck(form, 2);
  }
  return in_rounds(form, [&](auto round) {
    for (uint32_t distance = 1; distance < ranks; distance *= 2) {
      round({.bytes = multiply(std::min(distance, ranks - distance), form.bytes())}, [&](uint32_t rank) { return form.behind(rank, distance); });
    }
  });
}

}  // namespace

bool goes_in_rounds(Pattern pattern) {
  switch (pattern) {
    case Pattern::recursive_doubling:
    case Pattern::recursive_halving:
    case Pattern::circulant:
    case Pattern::dissemination:
    case Pattern::bruck:
    case Pattern::bruck_four:
    case Pattern::bruck_eight:
    case Pattern::parallel_trees:
    case Pattern::neighbour_exchange:
      return true;
    default:
      return false;
  }
}

std::optional<uint64_t> round_form_ns(Pattern pattern, Form& form) {
  switch (pattern) {
    case Pattern::recursive_doubling: return form.problem().collective == Collective::all_gather ? doubling_blocks(form) : doubling(form);
    case Pattern::recursive_halving: return halving(form);
    case Pattern::circulant: return circulant(form);
    case Pattern::dissemination: return dissemination(form);
    case Pattern::bruck: return bruck(form);
    case Pattern::bruck_four: return radix_bruck(form, 4);
    case Pattern::bruck_eight: return radix_bruck(form, 8);
    case Pattern::parallel_trees: return parallel_trees(form);
    case Pattern::neighbour_exchange: return neighbour_exchange(form);
    default: return std::nullopt;
  }
}

}  // namespace tutti::cost
