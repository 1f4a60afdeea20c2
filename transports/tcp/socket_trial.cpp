// SPDX-License-Identifier: Apache-2.0
#include "transports/tcp/socket_trial.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace tutti::transports::tcp {

namespace {

// Several sockets cost small messages some time, so that they have to be worth it.
constexpr uint64_t kLeastGainPercent = 130;
// One thread serves all sockets of a link. What one socket does beyond this, several would hardly do 1.3 times: two hosts of one machine came to 2.9 GB/s with one,
// and 1.6 with four.
constexpr uint64_t kFastest_bytes_per_s = 1'250'000'000;
// A network that has not been worth it is not likely to become so, but may.
constexpr uint64_t kPatienceGrowth = 16;
constexpr uint64_t kMostPatienceCount = 1'000'000;
// A link that has nothing to send after all tells nothing of several sockets.
constexpr uint64_t kLongestTrial_ns = 5'000'000'000;

}  // namespace

void SocketTrial::note(Direction direction, uint64_t rate_bytes_per_s) {
  if (is_changing_) {
    return;
  }
  Tally& tally = (phase_ == Phase::usual ? usual_ : tried_)[static_cast<size_t>(direction)];
  ++tally.count;
  tally.best_bytes_per_s = std::max(tally.best_bytes_per_s, rate_bytes_per_s);
}

int SocketTrial::decisive() const {
  for (int direction = 0; direction < 2; ++direction) {
    const auto index = static_cast<size_t>(direction);
    if (usual_[index].count >= kLeastCount && tried_[index].count >= kLeastCount) {
      return direction;
    }
  }
  return -1;
}

SocketTrial::Rates SocketTrial::rates() const {
  const int direction = decisive();
  const auto index = static_cast<size_t>(std::max(direction, 0));
  return {.usual_bytes_per_s = usual_[index].best_bytes_per_s, .tried_bytes_per_s = tried_[index].best_bytes_per_s};
}

uint64_t SocketTrial::sockets(uint64_t now_ns) {
  if (phase_ == Phase::usual && !is_changing_) {
    const bool was_full = std::ranges::any_of(usual_, [&](const Tally& tally) { return tally.count >= patience_count_; });
    const bool is_fast = std::ranges::any_of(usual_, [](const Tally& tally) { return tally.best_bytes_per_s > kFastest_bytes_per_s; });
    if (was_full && !is_fast) {
      leave_for(Phase::trying);
    }
  } else if (phase_ == Phase::trying && !is_changing_ && (decisive() >= 0 || now_ns >= give_up_ns_)) {
    const Rates rates = this->rates();
    const bool is_worth_it = decisive() >= 0 && rates.tried_bytes_per_s * 100 >= rates.usual_bytes_per_s * kLeastGainPercent;
    log::info("tcp: a link does {} MB/s with one socket on each interface and {} with {}: it keeps {}", rates.usual_bytes_per_s / 1'000'000,
              rates.tried_bytes_per_s / 1'000'000, kTriedSockets, is_worth_it ? kTriedSockets : 1);
    if (is_worth_it) {
      phase_ = Phase::kept;
    } else {
      patience_count_ = std::min(patience_count_ * kPatienceGrowth, kMostPatienceCount);
      leave_for(Phase::usual);
    }
  }
  return phase_ == Phase::usual ? 1 : kTriedSockets;
}

void SocketTrial::leave_for(Phase phase) {
  phase_ = phase;
  is_changing_ = true;
}

void SocketTrial::changed(uint64_t now_ns) {
  is_changing_ = false;
  give_up_ns_ = now_ns + kLongestTrial_ns;
  (phase_ == Phase::usual ? usual_ : tried_) = {};
}

}  // namespace tutti::transports::tcp
