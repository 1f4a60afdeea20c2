// SPDX-License-Identifier: Apache-2.0
// The closed form of exchanges along one axis of a torus or mesh after another.
#pragma once

#include <cstdint>
#include <optional>

#include "cost/form.hpp"

namespace tutti::cost {

// Of an allreduce of few enough messages, chip by chip: in the middle of a line that does not wrap they have heard everybody first, and are on the next axis
// while others still need this one. Nothing for others.
std::optional<uint64_t> axis_exchange_played_ns(Form& form);

}  // namespace tutti::cost
