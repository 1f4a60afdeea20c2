// SPDX-License-Identifier: Apache-2.0
// What ranks use before they have links: an all-gather of small texts. Never blocks, so that one thread can bring up many ranks and any
// wait can be cut off.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/authentication.hpp"
#include "base/status.hpp"

namespace tutti::bootstrap {

using Bytes = std::vector<std::byte>;

inline constexpr size_t kMaxContributionBytes = 64 * 1024;

class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual uint32_t rank() const = 0;
  virtual uint32_t rank_count() const = 0;
  // Known to the ranks of this job only. Transports derive their keys from it.
  virtual const Key& secret() const = 0;
  // Equal on all ranks, different for every job with high probability; not secret.
  virtual uint64_t job_id() const = 0;

  // Starts a round with this rank's contribution, at most kMaxContributionBytes. One round at a time.
  virtual Status begin_all_gather(std::span<const std::byte> contribution) = 0;
  // Carries the round on. Empty while it runs; then, once, the contributions of all ranks. Errors: tuttiRemoteError naming the rank that died or
  // gave up, tuttiSystemError, tuttiMismatch when ranks disagree about their number.
  virtual Result<std::optional<std::vector<Bytes>>> poll() = 0;
  // Whom the running round still waits for, for a timeout's message: "ranks 2, 5"; "the root at 10.0.0.1:4711".
  virtual std::string waiting_for() const = 0;
  // Tells the others, as far as possible without waiting, that this rank gives up and why.
  virtual void abandon(const Status& why) = 0;
};

}  // namespace tutti::bootstrap
