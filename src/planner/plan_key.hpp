// SPDX-License-Identifier: Apache-2.0
// Which calls share a plan.
#pragma once

#include <cstdint>

namespace tutti::planner {

struct Call;

// Calls with equal keys share a plan. Never 0. Covers all of a problem but its rank count.
uint64_t key_of(const Call& call);
// That of calls which a prescription fits, `number` below kMostPrescriptions.
uint64_t prescribed(uint64_t key, uint32_t number);
// What a prescription's range is about.
uint64_t prescribed_bytes(const Call& call);
// The bytes that stand for all calls with `call`'s key when it is priced: their smallest size.
uint64_t priced_bytes(const Call& call);

}  // namespace tutti::planner
