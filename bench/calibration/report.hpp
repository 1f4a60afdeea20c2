// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "measurements.hpp"

namespace tutti::calibrate {

void print_table(const Figures& figures);
void print_json(const Figures& figures);

}  // namespace tutti::calibrate
