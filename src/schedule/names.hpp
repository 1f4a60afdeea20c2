// SPDX-License-Identifier: Apache-2.0
// The words that the printer and the verifier use for the same things.
#pragma once

#include <string>
#include <string_view>

#include "schedule/schedule.hpp"

namespace tutti::schedule {

// "receive-reduce"; "invalid" outside the enumeration.
std::string_view name_of(StepKind kind);
// "scratch"; "invalid" outside the enumeration.
std::string_view name_of(Buffer buffer);
// "output[3]", or "nothing".
std::string text_of(Span span);

}  // namespace tutti::schedule
