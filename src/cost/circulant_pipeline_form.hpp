// SPDX-License-Identifier: Apache-2.0
// The closed form of broadcasts and reduces that go chunk by chunk on a circulant graph.
#pragma once

#include <cstdint>

#include "cost/form.hpp"

namespace tutti::cost {

// Without what protocols take to begin, as all forms.
uint64_t circulant_pipeline_form_ns(Form& form);

}  // namespace tutti::cost
