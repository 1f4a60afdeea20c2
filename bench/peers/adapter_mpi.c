/* SPDX-License-Identifier: Apache-2.0
 * For every MPI: compiled against each one's own header. */
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "adapter.h"

static int ranks = 1;

static int checked(int code, const char* operation) {
  if (code == MPI_SUCCESS) return 0;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  fprintf(stderr, "%s: %.*s\n", operation, length, text);
  return 1;
}

int peer_begin(PeerWorld* world, int* argc, char*** argv) {
  if (checked(MPI_Init(argc, argv), "MPI_Init") != 0) return 1;
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &world->rank);
  MPI_Comm_size(MPI_COMM_WORLD, &world->rank_count);
  ranks = world->rank_count;
  return 0;
}

/* The first line, and of that what stands before a comma, with single spaces: MPIs add their whole configuration. */
const char* peer_version(void) {
  static char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  if (MPI_Get_library_version(text, &length) != MPI_SUCCESS) return "MPI";
  text[sizeof text - 1] = '\0';
  text[strcspn(text, ",\n")] = '\0';
  char* end = text;
  for (const char* c = text; *c != '\0'; ++c) {
    const int is_gap = *c == ' ' || *c == '\t' || *c == ':';
    if (!is_gap) *end++ = *c;
    if (is_gap && end > text && end[-1] != ' ') *end++ = ' ';
  }
  *end = '\0';
  return text;
}

int peer_allocate(size_t bytes, void** memory) { return checked(MPI_Alloc_mem((MPI_Aint)bytes, MPI_INFO_NULL, memory), "MPI_Alloc_mem"); }

int peer_free(void* memory) { return checked(MPI_Free_mem(memory), "MPI_Free_mem"); }

int peer_prepare(const PeerCall* call) {
  (void)call;
  return 0;
}

static int run(const PeerCall* call) {
  const int count = (int)call->count;
  const int block = count / ranks;
  switch (call->collective) {
    case kPeerAllReduce:
      return MPI_Allreduce(call->send, call->receive, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    case kPeerAllGather:
      return MPI_Allgather(call->send, block, MPI_FLOAT, call->receive, block, MPI_FLOAT, MPI_COMM_WORLD);
    case kPeerReduceScatter:
      return MPI_Reduce_scatter_block(call->send, call->receive, block, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    case kPeerBroadcast:
      return MPI_Bcast(call->receive, count, MPI_FLOAT, 0, MPI_COMM_WORLD);
    case kPeerAllToAll:
      return MPI_Alltoall(call->send, block, MPI_FLOAT, call->receive, block, MPI_FLOAT, MPI_COMM_WORLD);
    case kPeerReduce:
      return MPI_Reduce(call->send, call->receive, count, MPI_FLOAT, MPI_SUM, 0, MPI_COMM_WORLD);
    case kPeerBarrier:
      return MPI_Barrier(MPI_COMM_WORLD);
    case kPeerCollectiveCount:
      break;
  }
  return MPI_ERR_ARG;
}

int peer_run(const PeerCall* call) { return checked(run(call), "collective"); }

int peer_end(void) { return checked(MPI_Finalize(), "MPI_Finalize"); }
