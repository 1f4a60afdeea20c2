// SPDX-License-Identifier: Apache-2.0
// What rank 0 puts where a launcher lets all ranks look: the id it has made, or why it could not.
#pragma once

#include <span>
#include <string_view>

#include "base/settings.hpp"
#include "base/status.hpp"
#include "bootstrap/wire.hpp"
#include "tutti/tutti.h"

namespace tutti::bootstrap {

// Makes an id with the service behind it.
Bytes make_announcement(const Settings& settings);
// Errors: rank 0's own; tuttiInternalError naming the launcher if it is neither an id nor an error.
Result<tuttiUniqueId> read_announcement(std::span<const std::byte> announcement, std::string_view launcher);

}  // namespace tutti::bootstrap
