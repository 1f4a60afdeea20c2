// SPDX-License-Identifier: Apache-2.0
// What goes into every collective and what must come out, element by element, from (seed, rank, index) alone. Written from the header's
// definitions and independent of the library's code. Elements are raw bits in the low end of 64.
//
// Moved data is any bits, NaNs with payloads included. Reduced integers are any bits too, since their arithmetic wraps. Reduced floating-point
// numbers of Values::exact are small integers or powers of two, chosen so that each partial result of up to 9 ranks (of float32 and float64: of
// any number of ranks here) is representable in the type: the order of the reduction cannot matter, and bits are compared.
#pragma once

#include <cstddef>
#include <cstdint>

#include "support/exercise.hpp"

namespace tutti::tests {

// Contents repeat with this period, a prime that no slice or chunk is a multiple of, so that large buffers are cheap to make.
inline constexpr size_t kPeriod = 8191;

// A well-mixed hash of both.
uint64_t mix(uint64_t a, uint64_t b);

// Element `index` of what `rank` contributes.
uint64_t input_element(const Exercise& exercise, int rank, size_t index);
// The reduction of element `index` over all ranks; for Values::exact.
uint64_t reduced_element(const Exercise& exercise, size_t index);
// The scalar of `rank`'s Reduction::pre_multiplied_sum.
uint64_t premultiplier(tuttiDataType_t datatype, int rank);

// The value of a finite floating-point element.
double decode(tuttiDataType_t datatype, uint64_t bits);
// The bits of `value`, which must be representable: throws std::logic_error otherwise.
uint64_t encode(tuttiDataType_t datatype, double value);
// A type's distance from 1 to the next larger value.
double epsilon_of(tuttiDataType_t datatype);

// The function of Reduction::user_function: exclusive or of all bits, which any type and any order bears. `context` may be null or point to a
// std::atomic<uint64_t> that counts elements.
void user_function(const void* in, void* inout, size_t count, tuttiDataType_t datatype, void* context);

}  // namespace tutti::tests
