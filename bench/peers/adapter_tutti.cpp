// SPDX-License-Identifier: Apache-2.0
#include <tutti/tutti.h>

#include <cstdio>

#include "adapter.h"

namespace {

tuttiComm_t communicator = nullptr;
size_t ranks = 1;

int checked(tuttiResult_t result, const char* operation) {
  if (result == tuttiSuccess) return 0;
  std::fprintf(stderr, "%s: %s: %s\n", operation, tuttiGetErrorString(result), tuttiGetLastError(communicator));
  return 1;
}

tuttiResult_t enqueue(const PeerCall& call) {
  switch (call.collective) {
    case kPeerAllReduce:
      return tuttiAllReduce(call.send, call.receive, call.count, tuttiFloat32, tuttiSum, communicator, nullptr);
    case kPeerAllGather:
      return tuttiAllGather(call.send, call.receive, call.count / ranks, tuttiFloat32, communicator, nullptr);
    case kPeerReduceScatter:
      return tuttiReduceScatter(call.send, call.receive, call.count / ranks, tuttiFloat32, tuttiSum, communicator, nullptr);
    case kPeerBroadcast:
      return tuttiBroadcast(call.receive, call.receive, call.count, tuttiFloat32, 0, communicator, nullptr);
    case kPeerAllToAll:
      return tuttiAlltoAll(call.send, call.receive, call.count / ranks, tuttiFloat32, communicator, nullptr);
    case kPeerReduce:
      return tuttiReduce(call.send, call.receive, call.count, tuttiFloat32, tuttiSum, 0, communicator, nullptr);
    case kPeerBarrier:
      return tuttiBarrier(communicator, nullptr);
    case kPeerCollectiveCount:
      break;
  }
  return tuttiInvalidArgument;
}

}  // namespace

int peer_begin(PeerWorld* world, int*, char***) {
  if (checked(tuttiCommInitFromEnv(&communicator, nullptr), "tuttiCommInitFromEnv") != 0) return 1;
  if (checked(tuttiCommUserRank(communicator, &world->rank), "tuttiCommUserRank") != 0) return 1;
  if (checked(tuttiCommCount(communicator, &world->rank_count), "tuttiCommCount") != 0) return 1;
  ranks = static_cast<size_t>(world->rank_count);
  return 0;
}

const char* peer_version() {
  static char text[64];
  std::snprintf(text, sizeof text, "Tutti %d.%d.%d", TUTTI_MAJOR, TUTTI_MINOR, TUTTI_PATCH);
  return text;
}

int peer_allocate(size_t bytes, void** memory) { return checked(tuttiMemAlloc(memory, bytes), "tuttiMemAlloc"); }

int peer_free(void* memory) { return checked(tuttiMemFree(memory), "tuttiMemFree"); }

int peer_prepare(const PeerCall*) { return 0; }

int peer_run(const PeerCall* call) {
  const tuttiResult_t result = enqueue(*call);
  if (result != tuttiSuccess) return checked(result, "enqueue");
  return checked(tuttiCommSynchronize(communicator), "tuttiCommSynchronize");
}

int peer_end() {
  const tuttiComm_t last = communicator;
  communicator = nullptr;
  return checked(tuttiCommDestroy(last), "tuttiCommDestroy");
}
