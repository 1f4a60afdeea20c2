// SPDX-License-Identifier: Apache-2.0
#include "base/types.hpp"

#include <array>

namespace tutti {

namespace {

struct DataTypeFacts {
  size_t bytes;
  std::string_view name;
  bool floating;
};

constexpr std::array<DataTypeFacts, tuttiNumTypes> kDataTypes{{
    {1, "int8", false},
    {1, "uint8", false},
    {4, "int32", false},
    {4, "uint32", false},
    {8, "int64", false},
    {8, "uint64", false},
    {2, "float16", true},
    {4, "float32", true},
    {8, "float64", true},
    {2, "bfloat16", true},
    {1, "float8e4m3", true},
    {1, "float8e5m2", true},
}};

constexpr std::array<std::string_view, tuttiNumOps> kOperators{"sum", "prod", "max", "min", "avg", "band", "bor", "bxor"};

constexpr std::array<std::string_view, tuttiNumResults> kResults{
    "tuttiSuccess",         "tuttiUnhandledCudaError", "tuttiSystemError", "tuttiInternalError",
    "tuttiInvalidArgument", "tuttiInvalidUsage",       "tuttiRemoteError", "tuttiInProgress",
    "tuttiMismatch",        "tuttiTimeout",            "tuttiAborted",     "tuttiUnsupported"};

const DataTypeFacts& facts(tuttiDataType_t datatype) {
  static constexpr DataTypeFacts invalid{0, "invalid", false};
  const auto index = static_cast<size_t>(datatype);
  return index < kDataTypes.size() ? kDataTypes[index] : invalid;
}

}  // namespace

size_t size_of(tuttiDataType_t datatype) { return facts(datatype).bytes; }
std::string_view name_of(tuttiDataType_t datatype) { return facts(datatype).name; }
bool is_floating(tuttiDataType_t datatype) { return facts(datatype).floating; }

std::string_view name_of(tuttiRedOp_t op) {
  const auto index = static_cast<size_t>(op);
  return index < kOperators.size() ? kOperators[index] : "custom";
}

std::string_view name_of(tuttiResult_t result) {
  const auto index = static_cast<size_t>(result);
  return index < kResults.size() ? kResults[index] : "unknown result";
}

}  // namespace tutti
