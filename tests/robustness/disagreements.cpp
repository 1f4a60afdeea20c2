// SPDX-License-Identifier: Apache-2.0
#include "robustness/disagreements.hpp"

namespace tutti::robustness {

namespace {

constexpr size_t kCount = 1'000;
constexpr size_t kLarge = 30'000;

bool is_odd_one(int rank, int rank_count) { return rank == rank_count - 1; }

tuttiResult_t all_reduce(Buffers& b, size_t count, tuttiDataType_t type, tuttiRedOp_t op, tuttiComm_t comm) {
  return tuttiAllReduce(b.input.data(), b.output.data(), count, type, op, comm, nullptr);
}

// Equal blocks of `count`; the odd one's table differs from the others' in its first entry.
void make_tables(Buffers& b, int rank_count, size_t count) {
  b.counts.assign(static_cast<size_t>(rank_count), count);
  b.displacements.clear();
  for (int block = 0; block < rank_count; ++block) {
    b.displacements.push_back(static_cast<size_t>(block) * 2 * count);
  }
}

constexpr Disagreement kDisagreements[] = {
    {"collective", "called",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiAllGather(b.input.data(), b.output.data(), kCount, tuttiInt32, comm, nullptr)
                                  : all_reduce(b, kCount, tuttiInt32, tuttiSum, comm);
     }},
    {"barrier", "called",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiBarrier(comm, nullptr) : all_reduce(b, kCount, tuttiInt32, tuttiSum, comm);
     }},
    {"order", "called",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       const auto broadcast = [&] { return tuttiBroadcast(b.input.data(), b.output.data(), kCount, tuttiInt32, 0, comm, nullptr); };
       const auto reduce = [&] { return all_reduce(b, kCount, tuttiInt32, tuttiSum, comm); };
       const tuttiResult_t first = is_odd_one(rank, n) ? broadcast() : reduce();
       return first != tuttiSuccess ? first : is_odd_one(rank, n) ? reduce() : broadcast();
     }},
    {"variable_or_equal", "called",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       return is_odd_one(rank, n) ? tuttiAllGatherV(b.input.data(), kCount, b.output.data(), b.counts.data(), b.displacements.data(),
                                                    tuttiInt32, comm, nullptr)
                                  : tuttiAllGather(b.input.data(), b.output.data(), kCount, tuttiInt32, comm, nullptr);
     }},
    {"count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, is_odd_one(rank, n) ? kCount / 2 : kCount, tuttiInt32, tuttiSum, comm);
     }},
    {"count_by_one", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, is_odd_one(rank, n) ? kCount + 1 : kCount, tuttiInt32, tuttiSum, comm);
     }},
    {"large_count_by_one", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, is_odd_one(rank, n) ? 200'001 : 200'000, tuttiInt32, tuttiSum, comm);
     }},
    {"count_zero", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, is_odd_one(rank, n) ? 0 : kCount, tuttiInt32, tuttiSum, comm);
     }},
    {"count_across_algorithms", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, is_odd_one(rank, n) ? 1 : 200'000, tuttiInt32, tuttiSum, comm);
     }},
    {"all_gather_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiAllGather(b.input.data(), b.output.data(), kLarge + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, comm, nullptr);
     }},
    {"reduce_scatter_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiReduceScatter(b.input.data(), b.output.data(), kLarge + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, tuttiSum, comm,
                                 nullptr);
     }},
    {"all_to_all_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiAlltoAll(b.input.data(), b.output.data(), kLarge + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, comm, nullptr);
     }},
    {"broadcast_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiBroadcast(b.input.data(), b.output.data(), kCount + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, 0, comm, nullptr);
     }},
    {"reduce_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiReduce(b.input.data(), b.output.data(), kCount + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, tuttiSum, 0, comm, nullptr);
     }},
    {"gather_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiGather(b.input.data(), b.output.data(), kCount + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, 0, comm, nullptr);
     }},
    {"scatter_count", "passed count",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiScatter(b.input.data(), b.output.data(), kCount + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, 0, comm, nullptr);
     }},
    {"datatype", "passed datatype",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, kCount, is_odd_one(rank, n) ? tuttiFloat32 : tuttiInt32, tuttiSum, comm);
     }},
    {"datatype_of_another_size", "passed datatype",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, kCount, is_odd_one(rank, n) ? tuttiInt8 : tuttiInt32, tuttiSum, comm);
     }},
    {"operator", "passed operator",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return all_reduce(b, kCount, tuttiInt32, is_odd_one(rank, n) ? tuttiMax : tuttiSum, comm);
     }},
    {"broadcast_root", "passed root",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiBroadcast(b.input.data(), b.output.data(), kCount, tuttiInt32, is_odd_one(rank, n) ? n - 1 : 0, comm, nullptr);
     }},
    {"reduce_root", "passed root",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiReduce(b.input.data(), b.output.data(), kCount, tuttiInt32, tuttiSum, is_odd_one(rank, n) ? n - 1 : 0, comm, nullptr);
     }},
    // With two ranks both only send, and both are done at once.
    {"gather_root_elsewhere", "passed root",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiGather(b.input.data(), b.output.data(), kCount, tuttiInt32, is_odd_one(rank, n) ? 0 : n - 1, comm, nullptr);
     }},
    {"scatter_root", "passed root",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return tuttiScatter(b.input.data(), b.output.data(), kCount, tuttiInt32, is_odd_one(rank, n) ? n - 1 : 0, comm, nullptr);
     }},
    {"all_gather_v_counts", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       b.counts[0] += is_odd_one(rank, n) ? 1 : 0;
       return tuttiAllGatherV(b.input.data(), b.counts[static_cast<size_t>(rank)], b.output.data(), b.counts.data(), b.displacements.data(),
                              tuttiInt32, comm, nullptr);
     }},
    {"all_gather_v_counts_across_algorithms", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, is_odd_one(rank, n) ? 20'000 : 1);
       return tuttiAllGatherV(b.input.data(), b.counts[static_cast<size_t>(rank)], b.output.data(), b.counts.data(), b.displacements.data(),
                              tuttiInt32, comm, nullptr);
     }},
    {"reduce_scatter_v_counts", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       b.counts[0] += is_odd_one(rank, n) ? 1 : 0;
       return tuttiReduceScatterV(b.input.data(), b.output.data(), b.counts.data(), tuttiInt32, tuttiSum, comm, nullptr);
     }},
    {"all_to_all_v_counts", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       b.other_counts = b.counts;
       b.other_counts[0] += is_odd_one(rank, n) ? 1 : 0;
       return tuttiAlltoAllV(b.input.data(), b.counts.data(), b.displacements.data(), b.output.data(), b.other_counts.data(),
                             b.displacements.data(), tuttiInt32, comm, nullptr);
     }},
    {"gather_v_counts", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       return tuttiGatherV(b.input.data(), kCount + (is_odd_one(rank, n) ? 1 : 0), b.output.data(), b.counts.data(), b.displacements.data(),
                           tuttiInt32, 0, comm, nullptr);
     }},
    {"scatter_v_counts", "",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       make_tables(b, n, kCount);
       return tuttiScatterV(b.input.data(), b.counts.data(), b.displacements.data(), b.output.data(),
                            kCount + (is_odd_one(rank, n) ? 1 : 0), tuttiInt32, 0, comm, nullptr);
     }},
    {"message_count", "elements",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiSend(b.input.data(), kCount, tuttiInt32, 0, comm, nullptr)
              : rank == 0         ? tuttiRecv(b.output.data(), kCount + 1, tuttiInt32, n - 1, comm, nullptr)
                                  : tuttiSuccess;
     }},
    {"message_count_large", "elements",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiSend(b.input.data(), 200'001, tuttiInt32, 0, comm, nullptr)
              : rank == 0         ? tuttiRecv(b.output.data(), 200'000, tuttiInt32, n - 1, comm, nullptr)
                                  : tuttiSuccess;
     }},
    {"message_empty", "elements",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiSend(b.input.data(), 0, tuttiInt32, 0, comm, nullptr)
              : rank == 0         ? tuttiRecv(b.output.data(), kCount, tuttiInt32, n - 1, comm, nullptr)
                                  : tuttiSuccess;
     }},
    {"message_datatype", "datatype",
     [](int rank, int n, tuttiComm_t comm, Buffers& b) {
       return is_odd_one(rank, n) ? tuttiSend(b.input.data(), kCount, tuttiInt32, 0, comm, nullptr)
              : rank == 0         ? tuttiRecv(b.output.data(), kCount, tuttiFloat32, n - 1, comm, nullptr)
                                  : tuttiSuccess;
     }},
};

}  // namespace

std::span<const Disagreement> disagreements() { return kDisagreements; }

Verdict disagree(const Disagreement& disagreement, int rank, int rank_count, tuttiComm_t comm, Buffers& buffers) {
  Verdict verdict;
  const auto completed = [comm](tuttiResult_t enqueued) { return enqueued != tuttiSuccess ? enqueued : tuttiCommSynchronize(comm); };
  verdict.call = verdict.code = completed(disagreement.call(rank, rank_count, comm, buffers));
  for (int call = 0; call < kCallsAfter && verdict.code == tuttiSuccess; ++call) {
    ++verdict.calls_before;
    verdict.code = completed(all_reduce(buffers, kCount, tuttiInt32, tuttiSum, comm));
  }
  return verdict;
}

}  // namespace tutti::robustness
