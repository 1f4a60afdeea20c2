// SPDX-License-Identifier: Apache-2.0
#include "transports/ofi/registrations.hpp"

#include <algorithm>

namespace tutti::transports::ofi {

namespace {

constexpr size_t kMinEntries = 64;

}  // namespace

Result<std::shared_ptr<Registration>> Registrations::get(std::span<const std::byte> memory, Access access) {
  const auto begin = reinterpret_cast<uintptr_t>(memory.data());
  const uintptr_t end = begin + memory.size();
  if (std::shared_ptr<Registration> found = find(begin, end, access)) {
    return found;
  }
  auto made = endpoint_.register_memory(memory, access);
  if (!made) {
    return tl::make_unexpected(made.error());
  }
  std::shared_ptr<Registration> registration = std::move(*made);
  if (entries_.size() >= forget_at_) {
    forget_unused();
  }
  entries_[{access, begin}] = {.end = end, .registration = registration};
  return registration;
}

// The range that begins last before `begin` is looked at, and no other: ranges that overlap are rare.
std::shared_ptr<Registration> Registrations::find(uintptr_t begin, uintptr_t end, Access access) const {
  auto after = entries_.upper_bound({access, begin});
  if (after == entries_.begin()) {
    return nullptr;
  }
  const auto& [key, entry] = *--after;
  return key.first == access && entry.end >= end ? entry.registration.lock() : nullptr;
}

void Registrations::forget_unused() {
  std::erase_if(entries_, [](const Entries::value_type& entry) { return entry.second.registration.expired(); });
  forget_at_ = std::max(kMinEntries, 2 * entries_.size());
}

size_t Registrations::count() {
  forget_unused();
  return entries_.size();
}

}  // namespace tutti::transports::ofi
