// SPDX-License-Identifier: Apache-2.0
// Registrations of the callers' memory, by address range. A range that is in use several times, for several peers say, is registered once; one that nobody uses
// any more is given back at once. So what the callers unmap and map again is never taken for what it was: they may do that only while no frame
// uses the memory. Providers for which registering is expensive (efa, verbs) keep a cache of their own below, which watches the address space
// (FI_MR_CACHE_MONITOR); a second one here could only watch it once more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "base/status.hpp"
#include "transports/ofi/endpoint.hpp"

namespace tutti::transports::ofi {

class Registrations {
 public:
  // `endpoint` outlives this and all that get() gave.
  explicit Registrations(Endpoint& endpoint) : endpoint_(endpoint) {}

  // A registration in which `memory` lies; shared with whoever uses a range around it at the time.
  Result<std::shared_ptr<Registration>> get(std::span<const std::byte> memory, Access access);
  // How many are in use.
  size_t count();

 private:
  struct Entry {
    uintptr_t end = 0;
    std::weak_ptr<Registration> registration;
  };
  using Entries = std::map<std::pair<Access, uintptr_t>, Entry>;

  std::shared_ptr<Registration> find(uintptr_t begin, uintptr_t end, Access access) const;
  void forget_unused();

  Endpoint& endpoint_;
  Entries entries_;
  size_t forget_at_ = 64;  // entries
};

}  // namespace tutti::transports::ofi
