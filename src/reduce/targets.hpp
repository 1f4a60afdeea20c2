// SPDX-License-Identifier: Apache-2.0
// Which instruction sets the kernels are compiled for. Include before any Highway header, in each file that includes one.
#pragma once

#include "hwy/detect_targets.h"

// Each instruction set costs compile time and code size. SSSE3 alone is no longer met; the vectors of SVE have no fixed
// size, so that they fit in no struct, and NEON does its work. What stays: SSE4, AVX2, AVX3 (AVX-512), NEON, and the
// compiler's baseline.
#undef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
