// SPDX-License-Identifier: Apache-2.0
#include "support/calls.hpp"

#include <fmt/format.h>

#include "support/reference.hpp"

namespace tutti::tests {

OperatorHandle::OperatorHandle(const Exercise& exercise, int rank, tuttiComm_t comm) : comm_(comm) {
  if (!is_reducing(exercise.operation)) {
    return;
  }
  if (exercise.reduction == Reduction::pre_multiplied_sum) {
    uint64_t scalar = premultiplier(exercise.datatype, rank);
    made_ = tuttiRedOpCreatePreMulSum(&op_, &scalar, exercise.datatype, tuttiScalarHostImmediate, comm);
    custom_ = made_ == tuttiSuccess;
  } else if (exercise.reduction == Reduction::user_function) {
    made_ = tuttiRedOpCreate(&op_, user_function, nullptr, comm);
    custom_ = made_ == tuttiSuccess;
  } else {
    op_ = static_cast<tuttiRedOp_t>(exercise.reduction);
  }
}

OperatorHandle::~OperatorHandle() {
  if (custom_) {
    tuttiRedOpDestroy(op_, comm_);
  }
}

namespace {

tuttiResult_t issue_exchange(const Part& part, tuttiComm_t comm, tuttiStream_t stream) {
  const Exercise& exercise = part.exercise();
  const int target = (part.rank() + exercise.root) % exercise.rank_count;
  const int source = (part.rank() + exercise.rank_count - exercise.root) % exercise.rank_count;
  const Arguments& arguments = part.arguments();
  tuttiGroupStart();
  tuttiSend(arguments.send, exercise.count, exercise.datatype, target, comm, stream);
  tuttiRecv(arguments.receive, exercise.count, exercise.datatype, source, comm, stream);
  return tuttiGroupEnd();
}

const size_t* table(const std::vector<size_t>& values) { return values.empty() ? nullptr : values.data(); }

tuttiResult_t issue_variable(const Part& part, tuttiRedOp_t op, tuttiComm_t comm, tuttiStream_t stream) {
  const Exercise& exercise = part.exercise();
  const Arguments& a = part.arguments();
  switch (exercise.operation) {
    case Operation::all_gather_v:
      return tuttiAllGatherV(a.send, a.count, a.receive, table(a.receive_counts), table(a.receive_displacements), exercise.datatype,
                             comm, stream);
    case Operation::reduce_scatter_v:
      return tuttiReduceScatterV(a.send, a.receive, table(a.receive_counts), exercise.datatype, op, comm, stream);
    case Operation::all_to_all_v:
      return tuttiAlltoAllV(a.send, table(a.send_counts), table(a.send_displacements), a.receive, table(a.receive_counts),
                            table(a.receive_displacements), exercise.datatype, comm, stream);
    case Operation::gather_v:
      return tuttiGatherV(a.send, a.count, a.receive, table(a.receive_counts), table(a.receive_displacements), exercise.datatype,
                          exercise.root, comm, stream);
    default:
      return tuttiScatterV(a.send, table(a.send_counts), table(a.send_displacements), a.receive, a.count, exercise.datatype,
                           exercise.root, comm, stream);
  }
}

}  // namespace

tuttiResult_t issue(const Part& part, tuttiComm_t comm, tuttiStream_t stream) {
  const Exercise& exercise = part.exercise();
  const Arguments& a = part.arguments();
  const OperatorHandle op(exercise, part.rank(), comm);
  if (op.made() != tuttiSuccess) {
    return op.made();
  }
  switch (exercise.operation) {
    case Operation::all_reduce: return tuttiAllReduce(a.send, a.receive, a.count, exercise.datatype, op.get(), comm, stream);
    case Operation::reduce: return tuttiReduce(a.send, a.receive, a.count, exercise.datatype, op.get(), exercise.root, comm, stream);
    case Operation::broadcast: return tuttiBroadcast(a.send, a.receive, a.count, exercise.datatype, exercise.root, comm, stream);
    case Operation::all_gather: return tuttiAllGather(a.send, a.receive, a.count, exercise.datatype, comm, stream);
    case Operation::reduce_scatter:
      return tuttiReduceScatter(a.send, a.receive, a.count, exercise.datatype, op.get(), comm, stream);
    case Operation::all_to_all: return tuttiAlltoAll(a.send, a.receive, a.count, exercise.datatype, comm, stream);
    case Operation::gather: return tuttiGather(a.send, a.receive, a.count, exercise.datatype, exercise.root, comm, stream);
    case Operation::scatter: return tuttiScatter(a.send, a.receive, a.count, exercise.datatype, exercise.root, comm, stream);
    case Operation::barrier: return tuttiBarrier(comm, stream);
    case Operation::send_receive: return issue_exchange(part, comm, stream);
    default: return issue_variable(part, op.get(), comm, stream);
  }
}

std::string describe_result(tuttiResult_t result, const Exercise& exercise, int rank, tuttiComm_t comm) {
  if (result == tuttiSuccess) {
    return {};
  }
  return fmt::format("rank {}: {} ({}, \"{}\"); {}", rank, tuttiGetErrorString(result), static_cast<int>(result),
                     tuttiGetLastError(comm), to_string(exercise));
}

std::string perform(const Exercise& exercise, int rank, tuttiComm_t comm) {
  const Part part(exercise, rank);
  tuttiResult_t result = issue(part, comm, nullptr);
  if (result == tuttiSuccess) {
    result = tuttiCommSynchronize(comm);
  }
  return result == tuttiSuccess ? part.check() : describe_result(result, exercise, rank, comm);
}

}  // namespace tutti::tests
