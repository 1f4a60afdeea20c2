// SPDX-License-Identifier: Apache-2.0
#include "cost/stages.hpp"

#include <algorithm>
#include <queue>
#include <utility>

#include "cost/arithmetic.hpp"

namespace tutti::cost {

static_assert(Wave::kUnit == schedule::Outline::kOne);

namespace {

// Of more links on all ways together, messages are not remembered one by one.
constexpr size_t kMostLinksOnWays = 600'000;
// So often is it worked out when messages begin and how long they take, until the end changes by no more than a kSettled-th.
constexpr uint32_t kMostRounds = 12;
constexpr uint64_t kSettled = 200;
constexpr uint64_t kShares = uint64_t{1} << 20;
// Of the time a link gives to each of its messages; longer ones than fit are not worked out one by one.
constexpr uint64_t kFineness = uint64_t{1} << 12;
constexpr uint64_t kLongest_ns = uint64_t{1} << 50;

}  // namespace

Stages::Stages(const topology::Fabric& fabric, const Options& options)
    : fabric_(fabric),
      options_(options),
      is_detailed_(options.detail == Detail::messages),
      latencies_ns_(fabric.chip_count(), 0),
      next_latencies_ns_(fabric.chip_count(), 0) {}

void Stages::begin_stage(uint32_t part_count, Follows follows) {
  const uint64_t count = std::max(part_count, 1u);
  begin_stage_of(options_.bytes / count + (options_.bytes % count != 0 ? 1 : 0), follows);
}

void Stages::begin_stage_of(uint64_t message_bytes, Follows follows) {
  waves_.emplace_back(fabric_, std::max(options_.least_bytes, message_bytes));
  stages_.push_back({.first_message = static_cast<uint32_t>(messages_.size()), .follows = follows});
  latencies_ns_ = next_latencies_ns_;
}

void Stages::add(const schedule::Outline::Message& message) {
  if (message.source == message.target || message.weight == 0 || message.count == 0) {
    return;
  }
  Wave& wave = waves_.back();
  const Wave::Way way = wave.add(message.source, message.target, multiply(message.count, message.weight));
  stages_.back().most_messages = std::max(stages_.back().most_messages, message.count);
  uint64_t& latency_ns = next_latencies_ns_[message.target];
  latency_ns = std::max(latency_ns, cost::add(latencies_ns_[message.source], way.latency_ns));
  longest_latency_ns_ = std::max(longest_latency_ns_, latency_ns);
  is_detailed_ &= links_.size() + way.links.size() <= kMostLinksOnWays;
  if (!is_detailed_) {
    return;
  }
  const uint64_t bytes = wave.message_bytes();
  const uint64_t slice_share = (bytes == 0 ? kShares : multiply_divide(std::min(bytes, options_.slice_bytes), kShares, bytes)) / message.count;
  // Those that several ranks send come together in the end, and the first of them keeps the others from being passed on till then.
  const bool is_kept = message.count > 1 && options_.sends == StageSends::side_by_side;
  messages_.push_back({.source = message.source,
                       .target = message.target,
                       .first_link = static_cast<uint32_t>(links_.size()),
                       .bytes = multiply_divide(bytes, way.units, Wave::kUnit),
                       .first_share = slice_share,
                       .last_share = is_kept ? kShares - kShares / message.count : slice_share,
                       .latency_ns = way.latency_ns});
  links_.insert(links_.end(), way.links.begin(), way.links.end());
}

uint64_t Stages::base_ns() const {
  uint64_t longest = 0;
  for (const Wave& wave : waves_) {
    longest = std::max(longest, wave.base_ns());
  }
  return longest;
}

std::optional<uint64_t> Stages::price_by_messages_ns() {
  if (!is_detailed_ || price_ns() > kLongest_ns / 8) {
    return std::nullopt;
  }
  for (Sent& message : messages_) {
    const size_t index = static_cast<size_t>(&message - messages_.data());
    const size_t end = index + 1 < messages_.size() ? messages_[index + 1].first_link : links_.size();
    for (size_t link = message.first_link; link < end; ++link) {
      message.transfer_ns = std::max(message.transfer_ns, duration_ns(message.bytes, fabric_.bytes_per_s(links_[link])));
    }
  }
  uint64_t end_ns = time_messages();
  for (uint32_t round = 0; round < kMostRounds; ++round) {
    share_links();
    const uint64_t before_ns = std::exchange(end_ns, time_messages());
    const uint64_t change_ns = end_ns > before_ns ? end_ns - before_ns : before_ns - end_ns;
    if (change_ns <= end_ns / kSettled) {
      return end_ns;
    }
  }
  return std::nullopt;
}

// The link that has most to carry does so all the time, but for what passes the other stages before it begins and after it ends: a slice, or one of several
// messages.
uint64_t Stages::together_ns(size_t first, size_t end) const {
  uint64_t in_turn = 0;
  uint64_t at_ends = 0;
  uint64_t longest = 0;
  uint64_t of_longest = 0;
  for (size_t stage = first; stage < end; ++stage) {
    const Wave& wave = waves_[stage];
    const uint64_t transfer = wave.transfer_ns();
    const uint64_t at_end = stages_[stage].most_messages > 1 ? transfer / stages_[stage].most_messages
                                                            : wave.transfer_ns(std::min(options_.slice_bytes, wave.message_bytes()));
    in_turn = cost::add(in_turn, transfer);
    at_ends = cost::add(at_ends, at_end);
    if (transfer > longest) {
      longest = transfer;
      of_longest = at_end;
    }
  }
  return std::min(in_turn, cost::add(busiest_ns({waves_.data() + first, end - first}), at_ends - std::min(at_ends, of_longest)));
}

// Where messages that wait for the one before them, which waits for what comes to its end, keep those that have begun to come from being passed on.
bool Stages::begins_anew(size_t stage) const {
  return stages_[stage].follows == Follows::all && (stages_[stage].most_messages > 1 || stages_[stage - 1].most_messages > 1);
}

uint64_t Stages::price_ns() const {
  uint64_t sum = longest_latency_ns_;
  size_t first = 0;
  for (size_t stage = 1; stage <= waves_.size(); ++stage) {
    if (stage == waves_.size() || begins_anew(stage)) {
      sum = cost::add(sum, together_ns(first, stage));
      first = stage;
    }
  }
  return sum;
}

uint64_t Stages::time_messages() {
  std::vector<Rank> ranks(fabric_.chip_count());
  uint64_t end_ns = 0;
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    const size_t end = stage + 1 < stages_.size() ? stages_[stage + 1].first_message : messages_.size();
    std::vector<std::pair<uint32_t, Rank>> news;
    for (size_t index = stages_[stage].first_message; index < end; ++index) {
      Sent& message = messages_[index];
      const Rank& source = ranks[message.source];
      const uint64_t first_ns = multiply_divide(message.transfer_ns, message.first_share, kShares);
      const uint64_t last_ns = multiply_divide(message.transfer_ns, message.last_share, kShares);
      message.begin_ns = std::max(source.begun_ns, options_.sends == StageSends::in_turn ? source.left_ns : 0);
      const uint64_t left_ns = std::max(message.begin_ns + message.transfer_ns, source.came_ns + last_ns);
      news.push_back({message.source, {.left_ns = left_ns}});
      news.push_back({message.target, {.begun_ns = message.begin_ns + first_ns + message.latency_ns, .came_ns = left_ns + message.latency_ns}});
      end_ns = std::max(end_ns, left_ns + message.latency_ns);
    }
    for (const auto& [rank, later] : news) {
      ranks[rank].left_ns = std::max(ranks[rank].left_ns, later.left_ns);
      ranks[rank].begun_ns = std::max(ranks[rank].begun_ns, later.begun_ns);
      ranks[rank].came_ns = std::max(ranks[rank].came_ns, later.came_ns);
    }
  }
  return end_ns;
}

void Stages::share_links() {
  std::vector<std::pair<topology::LinkId, uint32_t>> uses;
  uses.reserve(links_.size());
  for (uint32_t index = 0; index < messages_.size(); ++index) {
    const size_t end = index + 1 < messages_.size() ? messages_[index + 1].first_link : links_.size();
    for (size_t link = messages_[index].first_link; link < end; ++link) {
      uses.emplace_back(links_[link], index);
    }
    messages_[index].transfer_ns = 0;
  }
  std::sort(uses.begin(), uses.end());
  std::vector<uint32_t> sharing;
  for (size_t first = 0; first < uses.size();) {
    const topology::LinkId link = uses[first].first;
    sharing.clear();
    for (; first < uses.size() && uses[first].first == link; ++first) {
      sharing.push_back(uses[first].second);
    }
    share_link(link, sharing);
  }
}

// Each message on the link has had as much time of it, in fine parts, as any other while both were there: that is one clock for all, which runs slower the
// more there are. A message ends when the clock is as far on from where it began as the message takes alone.
void Stages::share_link(topology::LinkId link, std::vector<uint32_t>& messages) {
  std::sort(messages.begin(), messages.end(), [&](uint32_t left, uint32_t right) {
    const uint64_t left_ns = messages_[left].begin_ns;
    const uint64_t right_ns = messages_[right].begin_ns;
    return left_ns != right_ns ? left_ns < right_ns : left < right;
  });
  using End = std::pair<uint64_t, uint32_t>;  // by the clock
  std::priority_queue<End, std::vector<End>, std::greater<>> ends;
  uint64_t clock = 0;
  uint64_t now_ns = 0;
  const auto pass_until = [&](uint64_t until_ns) {
    while (!ends.empty()) {
      const uint64_t count = ends.size();
      const uint64_t next_ns = now_ns + (ends.top().first - clock) / kFineness * count + (ends.top().first - clock) % kFineness * count / kFineness;
      if (next_ns > until_ns) {
        clock += (until_ns - now_ns) * kFineness / count;
        break;
      }
      now_ns = next_ns;
      clock = ends.top().first;
      Sent& done = messages_[ends.top().second];
      done.transfer_ns = std::max(done.transfer_ns, now_ns - done.begin_ns);
      ends.pop();
    }
    now_ns = std::max(now_ns, until_ns);
  };
  for (const uint32_t index : messages) {
    pass_until(messages_[index].begin_ns);
    ends.emplace(clock + duration_ns(messages_[index].bytes, fabric_.bytes_per_s(link)) * kFineness, index);
  }
  pass_until(kLongest_ns);
}

}  // namespace tutti::cost
