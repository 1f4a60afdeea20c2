// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "reduce/wide_floats.cpp"
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

const KernelFunction* wide_float_kernels(tuttiDataType_t datatype) {
  switch (datatype) {
    case tuttiFloat32: return Floats<PlainCodec<float, uint32_t>>::kKernels;
    default: return Floats<PlainCodec<double, uint64_t>>::kKernels;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti::reduce {

HWY_EXPORT(wide_float_kernels);

const KernelFunction* find_wide_float_kernels(tuttiDataType_t datatype) { return HWY_DYNAMIC_DISPATCH(wide_float_kernels)(datatype); }

}  // namespace tutti::reduce
#endif
