// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace tutti::algorithms {

// Whether what one rank sends to several others, or they send to one to be reduced, is a gang (base/gang.hpp).
enum class Travel : uint8_t { alone, in_gangs };

}  // namespace tutti::algorithms
