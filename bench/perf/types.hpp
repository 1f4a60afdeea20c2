// SPDX-License-Identifier: Apache-2.0
// Element types and reduction operators by the names nccl-tests gives them.
#pragma once

#include <tutti/tutti.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace tutti::perf {

struct DataType {
  tuttiDataType_t code;
  std::string_view name;   // as printed
  std::string_view alias;  // also accepted; empty: none
  size_t size;             // bytes
  bool floating;
};

// How an operator reaches the library: by its code, or made for each communicator by tuttiRedOpCreatePreMulSum.
enum class OperatorKind { none, builtin, premultiplied_sum };

struct Operator {
  OperatorKind kind;
  tuttiRedOp_t code;  // of a builtin
  std::string_view name;
};

// In the order in which `all` runs them.
std::span<const DataType> all_datatypes();
std::span<const Operator> all_operators();

const DataType& datatype_of(tuttiDataType_t code);
std::optional<DataType> find_datatype(std::string_view name);
std::optional<Operator> find_operator(std::string_view name);

// What collectives without a reduction print and run with.
inline constexpr Operator kNoOperator{OperatorKind::none, tuttiSum, "none"};

// Bitwise operators take integers only.
bool is_defined(const Operator& op, const DataType& datatype);

}  // namespace tutti::perf
