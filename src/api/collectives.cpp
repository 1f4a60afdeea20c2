// SPDX-License-Identifier: Apache-2.0
// Every collective and message: each function writes its arguments down as a comm::Call.
#include "api/group.hpp"
#include "api/objects.hpp"
#include "tutti/tutti.h"

namespace {

using namespace tutti;
using namespace tutti::api;
using comm::Call;
using schedule::Blocks;
using schedule::Collective;

struct Destination {
  tuttiComm_t comm;
  tuttiStream_t stream;
};

Status submit(const Call& call, const Destination& destination) {
  auto pin = pin_communicator(destination.comm, call.function);
  if (!pin) {
    return pin.error();
  }
  comm::Communicator& communicator = *(*pin)->communicator;
  auto stream = find_stream(destination.stream, call.function);
  if (!stream) {
    return stream.error();
  }
  Group& group = Group::of_thread();
  Status status;
  if (group.is_open()) {
    status = communicator.check_usable(call.function);
    status = status.ok() ? communicator.check_call(call) : status;
    if (status.ok()) {
      group.add(pin->shared(), call, std::move(*stream));
    }
  } else {
    status = communicator.enqueue(call, *stream);
  }
  keep_error(**pin, status);
  return status;
}

tuttiResult_t run(const Call& call, const Destination& destination) {
  return guarded([&]() -> Status {
    Status status = submit(call, destination);
    if (!status.ok() && Group::of_thread().is_open()) {
      Group::of_thread().note(status);
    }
    return status;
  });
}

}  // namespace

extern "C" {

tuttiResult_t tuttiAllReduce(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, tuttiRedOp_t op,
                             tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiAllReduce",
              .collective = Collective::all_reduce,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .op = op},
             {comm, stream});
}

tuttiResult_t tuttiReduce(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, tuttiRedOp_t op, int root,
                          tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiReduce",
              .collective = Collective::reduce,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .op = op,
              .root = root},
             {comm, stream});
}

tuttiResult_t tuttiBroadcast(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, int root,
                             tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiBroadcast",
              .collective = Collective::broadcast,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .root = root},
             {comm, stream});
}

tuttiResult_t tuttiBcast(void* buff, size_t count, tuttiDataType_t datatype, int root, tuttiComm_t comm, tuttiStream_t stream) {
  return tuttiBroadcast(buff, buff, count, datatype, root, comm, stream);
}

tuttiResult_t tuttiAllGather(const void* sendbuff, void* recvbuff, size_t sendcount, tuttiDataType_t datatype, tuttiComm_t comm,
                             tuttiStream_t stream) {
  return run({.function = "tuttiAllGather",
              .collective = Collective::all_gather,
              .send = sendbuff,
              .receive = recvbuff,
              .count = sendcount,
              .datatype = datatype},
             {comm, stream});
}

tuttiResult_t tuttiReduceScatter(const void* sendbuff, void* recvbuff, size_t recvcount, tuttiDataType_t datatype, tuttiRedOp_t op,
                                 tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiReduceScatter",
              .collective = Collective::reduce_scatter,
              .send = sendbuff,
              .receive = recvbuff,
              .count = recvcount,
              .datatype = datatype,
              .op = op},
             {comm, stream});
}

tuttiResult_t tuttiAlltoAll(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, tuttiComm_t comm,
                            tuttiStream_t stream) {
  return run({.function = "tuttiAlltoAll",
              .collective = Collective::all_to_all,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype},
             {comm, stream});
}

tuttiResult_t tuttiGather(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, int root, tuttiComm_t comm,
                          tuttiStream_t stream) {
  return run({.function = "tuttiGather",
              .collective = Collective::gather,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .root = root},
             {comm, stream});
}

tuttiResult_t tuttiScatter(const void* sendbuff, void* recvbuff, size_t count, tuttiDataType_t datatype, int root, tuttiComm_t comm,
                           tuttiStream_t stream) {
  return run({.function = "tuttiScatter",
              .collective = Collective::scatter,
              .send = sendbuff,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .root = root},
             {comm, stream});
}

tuttiResult_t tuttiBarrier(tuttiComm_t comm, tuttiStream_t stream) {
  return run(comm::barrier_call("tuttiBarrier"), {comm, stream});
}

tuttiResult_t tuttiAllGatherV(const void* sendbuff, size_t sendcount, void* recvbuff, const size_t recvcounts[], const size_t displs[],
                              tuttiDataType_t datatype, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiAllGatherV",
              .collective = Collective::all_gather,
              .blocks = Blocks::variable,
              .send = sendbuff,
              .receive = recvbuff,
              .count = sendcount,
              .datatype = datatype,
              .receive_counts = recvcounts,
              .receive_displacements = displs},
             {comm, stream});
}

tuttiResult_t tuttiReduceScatterV(const void* sendbuff, void* recvbuff, const size_t recvcounts[], tuttiDataType_t datatype,
                                  tuttiRedOp_t op, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiReduceScatterV",
              .collective = Collective::reduce_scatter,
              .blocks = Blocks::variable,
              .send = sendbuff,
              .receive = recvbuff,
              .datatype = datatype,
              .op = op,
              .receive_counts = recvcounts},
             {comm, stream});
}

tuttiResult_t tuttiAlltoAllV(const void* sendbuff, const size_t sendcounts[], const size_t sdispls[], void* recvbuff,
                             const size_t recvcounts[], const size_t rdispls[], tuttiDataType_t datatype, tuttiComm_t comm,
                             tuttiStream_t stream) {
  return run({.function = "tuttiAlltoAllV",
              .collective = Collective::all_to_all,
              .blocks = Blocks::variable,
              .send = sendbuff,
              .receive = recvbuff,
              .datatype = datatype,
              .send_counts = sendcounts,
              .send_displacements = sdispls,
              .receive_counts = recvcounts,
              .receive_displacements = rdispls},
             {comm, stream});
}

tuttiResult_t tuttiGatherV(const void* sendbuff, size_t sendcount, void* recvbuff, const size_t recvcounts[], const size_t displs[],
                           tuttiDataType_t datatype, int root, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiGatherV",
              .collective = Collective::gather,
              .blocks = Blocks::variable,
              .send = sendbuff,
              .receive = recvbuff,
              .count = sendcount,
              .datatype = datatype,
              .root = root,
              .receive_counts = recvcounts,
              .receive_displacements = displs},
             {comm, stream});
}

tuttiResult_t tuttiScatterV(const void* sendbuff, const size_t sendcounts[], const size_t displs[], void* recvbuff, size_t recvcount,
                            tuttiDataType_t datatype, int root, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiScatterV",
              .collective = Collective::scatter,
              .blocks = Blocks::variable,
              .send = sendbuff,
              .receive = recvbuff,
              .count = recvcount,
              .datatype = datatype,
              .root = root,
              .send_counts = sendcounts,
              .send_displacements = displs},
             {comm, stream});
}

tuttiResult_t tuttiSend(const void* sendbuff, size_t count, tuttiDataType_t datatype, int peer, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiSend",
              .collective = Collective::send,
              .send = sendbuff,
              .count = count,
              .datatype = datatype,
              .root = peer},
             {comm, stream});
}

tuttiResult_t tuttiRecv(void* recvbuff, size_t count, tuttiDataType_t datatype, int peer, tuttiComm_t comm, tuttiStream_t stream) {
  return run({.function = "tuttiRecv",
              .collective = Collective::receive,
              .receive = recvbuff,
              .count = count,
              .datatype = datatype,
              .root = peer},
             {comm, stream});
}

tuttiResult_t tuttiGroupStart(void) {
  return guarded([] { return Group::of_thread().start(); });
}

tuttiResult_t tuttiGroupEnd(void) {
  return guarded([] { return Group::of_thread().end(); });
}

}  // extern "C"
