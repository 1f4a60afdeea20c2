// SPDX-License-Identifier: Apache-2.0
// The closed forms of algorithms that go in rounds, in each of which a rank waits for what came before.
#pragma once

#include <cstdint>
#include <optional>

#include "cost/form.hpp"
#include "schedule/pattern.hpp"

namespace tutti::cost {

bool goes_in_rounds(schedule::Pattern pattern);
// Without what protocols take to begin, as all forms. Nothing for counts of ranks that the pattern does not serve.
std::optional<uint64_t> round_form_ns(schedule::Pattern pattern, Form& form);

}  // namespace tutti::cost
