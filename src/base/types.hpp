// SPDX-License-Identifier: Apache-2.0
// Sizes and names of the public enumerations.
#pragma once

#include <cstddef>
#include <string_view>

#include "tutti/tutti.h"

namespace tutti {

// Bytes of one element; 0 for a value outside the enumeration.
size_t size_of(tuttiDataType_t datatype);
// "float32"; "invalid" for a value outside the enumeration.
std::string_view name_of(tuttiDataType_t datatype);
// "sum"; "custom" for an operator made at run time.
std::string_view name_of(tuttiRedOp_t op);
// "tuttiMismatch"
std::string_view name_of(tuttiResult_t result);

bool is_floating(tuttiDataType_t datatype);

}  // namespace tutti
