// SPDX-License-Identifier: Apache-2.0
#include "types.hpp"

#include <algorithm>
#include <array>

namespace tutti::perf {
namespace {

constexpr std::array<DataType, 12> kDataTypes{{
    {tuttiInt8, "int8", "char", 1, false},
    {tuttiUint8, "uint8", "", 1, false},
    {tuttiInt32, "int32", "int", 4, false},
    {tuttiUint32, "uint32", "", 4, false},
    {tuttiInt64, "int64", "", 8, false},
    {tuttiUint64, "uint64", "", 8, false},
    {tuttiFloat16, "half", "float16", 2, true},
    {tuttiFloat32, "float", "float32", 4, true},
    {tuttiFloat64, "double", "float64", 8, true},
    {tuttiBfloat16, "bfloat16", "", 2, true},
    {tuttiFloat8e4m3, "f8e4m3", "float8e4m3", 1, true},
    {tuttiFloat8e5m2, "f8e5m2", "float8e5m2", 1, true},
}};

constexpr std::array<Operator, 9> kOperators{{
    {OperatorKind::builtin, tuttiSum, "sum"},
    {OperatorKind::builtin, tuttiProd, "prod"},
    {OperatorKind::builtin, tuttiMax, "max"},
    {OperatorKind::builtin, tuttiMin, "min"},
    {OperatorKind::builtin, tuttiAvg, "avg"},
    {OperatorKind::premultiplied_sum, tuttiSum, "mulsum"},
    {OperatorKind::builtin, tuttiBand, "band"},
    {OperatorKind::builtin, tuttiBor, "bor"},
    {OperatorKind::builtin, tuttiBxor, "bxor"},
}};

}  // namespace

std::span<const DataType> all_datatypes() { return kDataTypes; }
std::span<const Operator> all_operators() { return kOperators; }

const DataType& datatype_of(tuttiDataType_t code) {
  return *std::ranges::find(kDataTypes, code, &DataType::code);
}

std::optional<DataType> find_datatype(std::string_view name) {
  const auto found = std::ranges::find_if(
      kDataTypes, [&](const DataType& type) { return name == type.name || (!name.empty() && name == type.alias); });
  return found == kDataTypes.end() ? std::nullopt : std::optional(*found);
}

std::optional<Operator> find_operator(std::string_view name) {
  const auto found = std::ranges::find(kOperators, name, &Operator::name);
  return found == kOperators.end() ? std::nullopt : std::optional(*found);
}

bool is_defined(const Operator& op, const DataType& datatype) {
  const bool bitwise =
      op.kind == OperatorKind::builtin && (op.code == tuttiBand || op.code == tuttiBor || op.code == tuttiBxor);
  return !(bitwise && datatype.floating);
}

}  // namespace tutti::perf
