// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <mutex>

#include "base/hash.hpp"
#include "bootstrap/unique_id.hpp"
#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

namespace {

// What the exchanges of one job share; the mutex guards all of it but the constants.
struct Board {
  struct Place {
    std::optional<Bytes> contribution;  // to the running round
    std::optional<std::vector<Bytes>> result;
    bool left = false;
  };

  Key secret{};
  uint64_t job_id = 0;
  std::mutex mutex;
  std::vector<Place> places;
  Status failure;

  void fail(Status why) {
    if (failure.ok()) {
      failure = std::move(why);
    }
  }
  MissingRanks missing() const {
    MissingRanks missing;
    for (uint32_t rank = 0; rank < places.size(); ++rank) {
      if (!places[rank].contribution) {
        ++missing.count;
        if (missing.listed.size() < kMaxListedRanks) {
          missing.listed.push_back(rank);
        }
      }
    }
    return missing;
  }
  void complete_round_if_possible() {
    if (std::any_of(places.begin(), places.end(), [](const Place& place) { return !place.contribution; })) {
      return;
    }
    std::vector<Bytes> round;
    round.reserve(places.size());
    for (Place& place : places) {
      round.push_back(std::move(*place.contribution));
      place.contribution.reset();
    }
    for (Place& place : places) {
      place.result = round;
    }
  }
  // A rank that has left keeps those waiting that have contributed.
  void fail_if_someone_left() {
    const auto absent = std::find_if(places.begin(), places.end(), [](const Place& p) { return p.left && !p.contribution; });
    const bool awaited = std::any_of(places.begin(), places.end(), [](const Place& p) { return p.contribution.has_value(); });
    if (absent != places.end() && awaited) {
      fail(remote_error("bootstrap: rank {} left before a round in which others take part", absent - places.begin()));
    }
  }
};

class InMemoryExchange final : public Exchange {
 public:
  InMemoryExchange(std::shared_ptr<Board> board, uint32_t rank) : board_(std::move(board)), rank_(rank) {}
  ~InMemoryExchange() override {
    const std::lock_guard lock(board_->mutex);
    board_->places[rank_].left = true;
    board_->fail_if_someone_left();
  }

  uint32_t rank() const override { return rank_; }
  uint32_t rank_count() const override { return static_cast<uint32_t>(board_->places.size()); }
  const Key& secret() const override { return board_->secret; }
  uint64_t job_id() const override { return board_->job_id; }

  Status begin_all_gather(std::span<const std::byte> contribution) override {
    const std::lock_guard lock(board_->mutex);
    Board::Place& place = board_->places[rank_];
    if (round_running_) {
      return invalid_usage("bootstrap: rank {} began a round before the one before it had ended", rank_);
    }
    if (contribution.size() > kMaxContributionBytes) {
      return invalid_argument("bootstrap: rank {} contributes {} bytes; at most {} are allowed", rank_, contribution.size(),
                              kMaxContributionBytes);
    }
    TUTTI_RETURN_IF_ERROR(board_->failure);
    round_running_ = true;
    place.contribution.emplace(contribution.begin(), contribution.end());
    board_->complete_round_if_possible();
    board_->fail_if_someone_left();
    return {};
  }

  Result<std::optional<std::vector<Bytes>>> poll() override {
    const std::lock_guard lock(board_->mutex);
    Board::Place& place = board_->places[rank_];
    if (place.result) {
      round_running_ = false;
      return std::exchange(place.result, std::nullopt);
    }
    TUTTI_UNEXPECTED_IF_ERROR(board_->failure);
    if (!round_running_) {
      return tl::make_unexpected(invalid_usage("bootstrap: rank {} polls although no round runs", rank_));
    }
    return std::nullopt;
  }

  std::string waiting_for() const override {
    const std::lock_guard lock(board_->mutex);
    return to_string(board_->missing());
  }

  void abandon(const Status& why) override {
    const std::lock_guard lock(board_->mutex);
    board_->fail(remote_error("bootstrap: rank {} gave up: {}", rank_, sanitised(why.message())));
  }

 private:
  std::shared_ptr<Board> board_;
  uint32_t rank_;
  bool round_running_ = false;
};

}  // namespace

std::vector<std::unique_ptr<Exchange>> in_memory_exchanges(uint32_t rank_count, uint64_t seed) {
  auto board = std::make_shared<Board>();
  board->places.resize(rank_count);
  board->job_id = mix64(seed);
  for (size_t i = 0; i < board->secret.size(); ++i) {
    board->secret[i] = static_cast<std::byte>(hash_combine(seed, i));
  }
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    exchanges.push_back(std::make_unique<InMemoryExchange>(board, rank));
  }
  return exchanges;
}

}  // namespace tutti::bootstrap
