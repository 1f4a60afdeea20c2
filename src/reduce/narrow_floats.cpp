// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "reduce/narrow_floats.cpp"
#include "reduce/targets.hpp"

#include "hwy/foreach_target.h"

#include "reduce/simd_kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

template <class Codec>
struct Floats {
  static constexpr KernelFunction kKernels[kKernelCount] = {
      &Pass<Codec, Sum, Plain>::run,     &Pass<Codec, Product, Plain>::run,
      &Pass<Codec, Maximum, Plain>::run, &Pass<Codec, Minimum, Plain>::run,
      &Pass<Codec, Sum, DivideByRankCount>::run,
      nullptr, nullptr, nullptr,  // bit operators: is_supported() says no
      &Pass<Codec, Sum, MultiplyByFactor>::run,
  };
};

const KernelFunction* narrow_float_kernels(tuttiDataType_t datatype) {
  switch (datatype) {
    case tuttiFloat16: return Floats<Float16Codec>::kKernels;
    case tuttiBfloat16: return Floats<Bfloat16Codec>::kKernels;
    case tuttiFloat8e4m3: return Floats<Float8Codec<Float8e4m3Layout>>::kKernels;
    default: return Floats<Float8Codec<Float8e5m2Layout>>::kKernels;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti::reduce {

HWY_EXPORT(narrow_float_kernels);

const KernelFunction* find_narrow_float_kernels(tuttiDataType_t datatype) { return HWY_DYNAMIC_DISPATCH(narrow_float_kernels)(datatype); }

}  // namespace tutti::reduce
#endif
