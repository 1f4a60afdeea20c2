// SPDX-License-Identifier: Apache-2.0
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "reduce/integers.cpp"
#include "reduce/targets.hpp"

#include "hwy/foreach_target.h"

#include "reduce/simd_kernel.hpp"

HWY_BEFORE_NAMESPACE();
namespace tutti::reduce {
namespace HWY_NAMESPACE {

// All but three kernels ignore the sign: they are the unsigned type's.
template <class T>
struct Integers {
  using Unsigned = PlainCodec<hwy::MakeUnsigned<T>, hwy::MakeUnsigned<T>>;
  using Signed = PlainCodec<T, hwy::MakeUnsigned<T>>;

  static constexpr KernelFunction kKernels[kKernelCount] = {
      &Pass<Unsigned, Sum, Plain>::run,    &Pass<Unsigned, Product, Plain>::run,
      &Pass<Signed, Maximum, Plain>::run,  &Pass<Signed, Minimum, Plain>::run,
      &Pass<Signed, Sum, DivideByRankCount>::run,
      &Pass<Unsigned, BitAnd, Plain>::run, &Pass<Unsigned, BitOr, Plain>::run,
      &Pass<Unsigned, BitXor, Plain>::run, &Pass<Unsigned, Sum, MultiplyByFactor>::run,
  };
};

const KernelFunction* integer_kernels(tuttiDataType_t datatype) {
  switch (datatype) {
    case tuttiInt8: return Integers<int8_t>::kKernels;
    case tuttiUint8: return Integers<uint8_t>::kKernels;
    case tuttiInt32: return Integers<int32_t>::kKernels;
    case tuttiUint32: return Integers<uint32_t>::kKernels;
    case tuttiInt64: return Integers<int64_t>::kKernels;
    default: return Integers<uint64_t>::kKernels;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tutti::reduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti::reduce {

HWY_EXPORT(integer_kernels);

const KernelFunction* find_integer_kernels(tuttiDataType_t datatype) { return HWY_DYNAMIC_DISPATCH(integer_kernels)(datatype); }

}  // namespace tutti::reduce
#endif
