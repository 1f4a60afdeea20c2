// SPDX-License-Identifier: Apache-2.0
#include "schedule/circulant_rounds.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace tutti::schedule {
namespace {

// Which chunks a position gets in q rounds, relative to the first that is new to all in them: one that is new, the `base`, and of those of the q
// rounds before all others, as -1 .. -q. They are found by looking, in the order in which they are sent, for ways along different skips to the
// positions whence this one hears.
class Hearing {
 public:
  Hearing(const CirculantSkips& skips, uint32_t position)
      : skips_(skips), position_(skips[skips.count()] + position), after_(skips.count() + 2), before_(skips.count() + 2) {
    const auto count = static_cast<int32_t>(skips.count());
    for (int32_t skip = -1; skip <= count; ++skip) {
      after(skip) = skip == -1 ? count : skip - 1;
      before(skip) = skip == count ? -1 : skip + 1;
    }
    const int32_t base = base_of(position);
    leave_out(base);
    search(0, 2 * skips[skips.count()], count);
    for (int32_t& chunk : heard_) {
      chunk = chunk == count ? base : chunk - count;
    }
  }

  const std::vector<int32_t>& chunks() const { return heard_; }

 private:
  // The last skip on the way from the root by the largest skips.
  int32_t base_of(uint32_t position) const {
    for (uint32_t skip = skips_.count(); skip-- > 0;) {
      if (skips_[skip] == position) {
        return static_cast<int32_t>(skip);
      }
      position -= skips_[skip] < position ? skips_[skip] : 0;
    }
    return static_cast<int32_t>(skips_.count());
  }

  // Skips still to be looked at, as a list that begins and ends at -1.
  int32_t& after(int32_t skip) { return after_[static_cast<size_t>(skip + 1)]; }
  int32_t& before(int32_t skip) { return before_[static_cast<size_t>(skip + 1)]; }
  void leave_out(int32_t skip) {
    after(before(skip)) = after(skip);
    before(after(skip)) = before(skip);
  }

  // From `there` on along the skips from `skip` downwards, to what is below `limit`. The depth is that of the skips.
  void search(uint32_t there, uint32_t limit, int32_t skip) {
    const auto source = [&](size_t round) { return position_ - skips_[static_cast<uint32_t>(round)]; };
    for (; skip != -1; skip = after(skip)) {
      const uint32_t next = there + skips_[static_cast<uint32_t>(skip)];
      if (heard_.size() == skips_.count() || next > source(heard_.size()) || next >= limit) {
        continue;
      }
      if (next <= source(heard_.size() + 1)) {
        search(next, limit, skip);
      }
      if (heard_.size() == skips_.count() || there > source(heard_.size() + 1)) {
        return;
      }
      limit = next;
      heard_.push_back(skip);
      leave_out(skip);
    }
  }

  const CirculantSkips& skips_;
  uint32_t position_;  // once around more, so that nothing is negative
  std::vector<int32_t> after_;
  std::vector<int32_t> before_;
  std::vector<int32_t> heard_;  // by round
};

}  // namespace

CirculantSkips::CirculantSkips(uint32_t rank_count) {
  for (skips_ = {rank_count}; skips_.back() > 1;) {
    skips_.push_back((skips_.back() + 1) / 2);
  }
  std::reverse(skips_.begin(), skips_.end());
}

std::vector<CirculantArrival> circulant_arrivals(const CirculantSkips& skips, uint32_t chunk_count, uint32_t position) {
  const uint32_t period = skips.count();
  const uint32_t last = chunk_count - 1;
  const uint32_t round_count = last + period;
  const uint32_t idle = (period - round_count % period) % period;  // rounds before the first, so that the last is the end of a period
  const std::vector<int32_t> heard = Hearing(skips, position).chunks();
  std::vector<CirculantArrival> arrivals;
  bool has_last = false;
  for (uint32_t round = idle; round < idle + round_count; ++round) {
    const int64_t chunk = int64_t{heard[round % period]} + round / period * period - idle;
    if (chunk < 0 || (chunk >= last && std::exchange(has_last, true))) {
      continue;
    }
    arrivals.push_back({round, static_cast<uint32_t>(std::min<int64_t>(chunk, last))});
  }
  return arrivals;
}

}  // namespace tutti::schedule
