// SPDX-License-Identifier: Apache-2.0
// The closed forms of rings and chains through all ranks.
#pragma once

#include <cstdint>
#include <optional>

#include "cost/form.hpp"

namespace tutti::cost {

// Of one ring. Without what protocols take to begin, as all forms.
uint64_t ring_form_ns(Form& form);
// Of several, each with a share; nothing where no such circles are known.
std::optional<uint64_t> rings_form_ns(Form& form);

}  // namespace tutti::cost
