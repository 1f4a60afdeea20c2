/* SPDX-License-Identifier: Apache-2.0
 *
 * What measure.cpp asks of a library. Each adapter defines these functions; a program is measure.cpp and one adapter. Elements are float,
 * reductions are sums, the root is rank 0. Except for the version, a function returns 0, or prints why it failed and returns something else. */
#ifndef TUTTI_BENCH_PEERS_ADAPTER_H_
#define TUTTI_BENCH_PEERS_ADAPTER_H_

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum PeerCollective {
  kPeerAllReduce,
  kPeerAllGather,
  kPeerReduceScatter,
  kPeerBroadcast, /* in place: `receive` of every rank; `send` is not used */
  kPeerAllToAll,
  kPeerReduce,
  kPeerBarrier,
  kPeerCollectiveCount
} PeerCollective;

typedef struct PeerCall {
  PeerCollective collective;
  const float* send;
  float* receive;
  size_t count; /* elements of a whole vector: for all-gather, reduce-scatter and all-to-all, of all ranks' blocks together */
} PeerCall;

typedef enum PeerMemory { kPeerMemoryMalloc, kPeerMemoryOwn } PeerMemory;

typedef struct PeerWorld {
  int rank;
  int rank_count;
  const char* folder; /* a folder that the ranks of this run share and nobody else uses; in */
} PeerWorld;

/* Joins the other ranks and fills in rank and rank_count. */
int peer_begin(PeerWorld* world, int* argc, char*** argv);
/* Name and version of the library, for the report. Valid until the next call. */
const char* peer_version(void);
/* Memory that the library likes best. A library that has no such memory returns an error. */
int peer_allocate(size_t bytes, void** memory);
int peer_free(void* memory);
/* Called by all ranks before the first call of a kind and size, not timed: for libraries whose calls are objects. */
int peer_prepare(const PeerCall* call);
/* Runs the collective and returns when this rank's part is complete and its buffers may be used again. */
int peer_run(const PeerCall* call);
/* Parts from the others; all ranks call it. */
int peer_end(void);

#ifdef __cplusplus
}
#endif

#endif /* TUTTI_BENCH_PEERS_ADAPTER_H_ */
