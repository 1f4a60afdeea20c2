// SPDX-License-Identifier: Apache-2.0
// The closed forms of algorithms in which ranks send to each other straight.
#pragma once

#include <cstdint>
#include <optional>

#include "cost/form.hpp"

namespace tutti::cost {

// Without what protocols take to begin, as all forms. Nothing for collectives that the pattern does not serve.
std::optional<uint64_t> one_shot_form_ns(Form& form);
uint64_t far_first_form_ns(Form& form);
uint64_t two_shot_form_ns(Form& form);
uint64_t pairwise_form_ns(Form& form);
// To rank 0 at once, from there one after another.
std::optional<uint64_t> flat_tree_form_ns(Form& form);

}  // namespace tutti::cost
