// SPDX-License-Identifier: Apache-2.0
#include "support/exercise.hpp"

#include <array>

#include <fmt/format.h>

namespace tutti::tests {

namespace {

constexpr std::array<const char*, kOperationCount> kOperationNames = {
    "allreduce", "reduce",     "broadcast",      "allgather", "reducescatter", "alltoall",  "gather",     "scatter",
    "barrier",   "allgatherv", "reducescatterv", "alltoallv", "gatherv",       "scatterv", "sendreceive"};
constexpr std::array<const char*, kReductionCount> kReductionNames = {"sum",  "prod", "max",  "min",           "avg",
                                                                      "band", "bor",  "bxor", "premultiplied", "user"};
constexpr std::array<const char*, tuttiNumTypes> kTypeNames = {"int8",    "uint8",   "int32",   "uint32",   "int64",      "uint64",
                                                               "float16", "float32", "float64", "bfloat16", "float8e4m3", "float8e5m2"};

}  // namespace

std::string to_string(const Exercise& exercise) {
  std::string text = fmt::format("{} {}", kOperationNames[static_cast<size_t>(exercise.operation)], kTypeNames[exercise.datatype]);
  if (is_reducing(exercise.operation)) {
    text += fmt::format(" {}", kReductionNames[static_cast<size_t>(exercise.reduction)]);
  }
  return text + fmt::format(" count {} root {} ranks {} in place {:#x} seed {}{}", exercise.count, exercise.root, exercise.rank_count,
                            exercise.in_place_ranks, exercise.seed, exercise.values == Values::rounded ? " rounded" : "");
}

bool is_reducing(Operation operation) {
  return operation == Operation::all_reduce || operation == Operation::reduce || operation == Operation::reduce_scatter ||
         operation == Operation::reduce_scatter_v;
}

bool is_rooted(Operation operation) {
  switch (operation) {
    case Operation::reduce:
    case Operation::broadcast:
    case Operation::gather:
    case Operation::scatter:
    case Operation::gather_v:
    case Operation::scatter_v:
    case Operation::send_receive: return true;
    default: return false;
  }
}

bool has_variable_blocks(Operation operation) {
  return operation >= Operation::all_gather_v && operation <= Operation::scatter_v;
}

bool has_in_place_form(Operation operation) { return operation != Operation::barrier && operation != Operation::send_receive; }

std::vector<tuttiDataType_t> all_datatypes() {
  return {tuttiInt8,    tuttiUint8,   tuttiInt32,   tuttiUint32,   tuttiInt64,       tuttiUint64,
          tuttiFloat16, tuttiFloat32, tuttiFloat64, tuttiBfloat16, tuttiFloat8e4m3, tuttiFloat8e5m2};
}

bool is_floating(tuttiDataType_t datatype) { return datatype >= tuttiFloat16; }

size_t element_bytes(tuttiDataType_t datatype) {
  switch (datatype) {
    case tuttiInt32:
    case tuttiUint32:
    case tuttiFloat32: return 4;
    case tuttiInt64:
    case tuttiUint64:
    case tuttiFloat64: return 8;
    case tuttiFloat16:
    case tuttiBfloat16: return 2;
    default: return 1;
  }
}

std::vector<Reduction> reductions_of(tuttiDataType_t datatype) {
  std::vector<Reduction> reductions;
  for (int index = 0; index < kReductionCount; ++index) {
    const auto reduction = static_cast<Reduction>(index);
    const bool bitwise = reduction == Reduction::band || reduction == Reduction::bor || reduction == Reduction::bxor;
    if (!bitwise || !is_floating(datatype)) {
      reductions.push_back(reduction);
    }
  }
  return reductions;
}

}  // namespace tutti::tests
