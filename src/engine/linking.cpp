// SPDX-License-Identifier: Apache-2.0
// Links between ranks that had none: opened when an operation first needs them. The peer may be busy with something else, or not know of the operation, so it
// is asked over links that there are.
#include <algorithm>
#include <cassert>

#include "engine/executor.hpp"

namespace tutti::engine {

namespace {

// A peer that cannot be reached may have died: who has a link to it says so within this time.
constexpr uint64_t kOpeningVerdictDelayNs = 200'000'000;

}  // namespace

bool Executor::has_links(const Operation& operation) {
  if (opener_ == nullptr) {
    return true;
  }
  bool has_all = true;
  const auto want = [&](uint32_t peer) {
    if (!links_.has(peer)) {
      has_all = false;
      request_link(peer);
    }
  };
  if (operation.is_point_to_point()) {
    want(operation.request.peer);
  } else {
    std::ranges::for_each(operation.program().linked_peers(), want);
  }
  return has_all;
}

void Executor::request_link(uint32_t peer) {
  if (begin_opening(peer)) {
    post(next_hop(peer), LinkRequest{.origin = options_.rank, .target = peer});
  }
}

bool Executor::begin_opening(uint32_t peer) {
  const bool is_new = std::ranges::find(openings_, peer, &Opening::peer) == openings_.end();
  if (is_new) {
    openings_.push_back({.peer = peer, .since_ns = options_.clock->now_ns()});
  }
  return is_new;
}

// The peer with a link that is nearest before `target` in the circle of ranks. There is one nearer than this rank, since all have links to the next.
uint32_t Executor::next_hop(uint32_t target) const {
  const auto distance = [&](uint32_t rank) { return target >= rank ? target - rank : target + options_.rank_count - rank; };
  return *std::ranges::min_element(linked_, {}, distance);
}

void Executor::take_link_request(uint32_t peer, const LinkRequest& request) {
  if (opener_ == nullptr || request.origin >= options_.rank_count || request.target >= options_.rank_count || request.origin == request.target) {
    return note_failure(remote_error("rank {} sent a request for a link of ranks {} and {} that makes no sense", peer, request.origin, request.target));
  }
  if (request.target != options_.rank) {
    return post(next_hop(request.target), request);
  }
  if (!links_.has(request.origin)) {
    begin_opening(request.origin);
  }
}

size_t Executor::carry_openings(uint64_t now_ns) {
  return std::erase_if(openings_, [&](Opening& opening) {
    if (!opening.failure.ok()) {
      if (now_ns >= opening.since_ns + kOpeningVerdictDelayNs) {
        note_failure(opening.failure);
      }
      return false;
    }
    const auto link = opener_->open(opening.peer);
    if (!link) {
      opening.failure = link.error();
      opening.since_ns = now_ns;
      return false;
    }
    if (*link != nullptr) {
      add_link(opening.peer, **link);
      if (leaving_) {
        post(opening.peer, Goodbye{});
      }
      return true;
    }
    if (options_.timeout_ms != 0 && now_ns >= opening.since_ns + options_.timeout_ms * 1'000'000) {
      opening.failure = timeout_error("\"{}\": rank {} has waited {} ms for a link to rank {}", options_.name, options_.rank, options_.timeout_ms, opening.peer);
      note_failure(opening.failure);
    }
    return false;
  });
}

}  // namespace tutti::engine
