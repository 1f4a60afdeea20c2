/* SPDX-License-Identifier: Apache-2.0
 *
 * A Tutti communicator over the ranks of an MPI communicator. Header-only, in C11 and C++, so that libtutti depends on no MPI library and
 * works with any: compile the including file with the MPI library's own compiler wrapper. */
#ifndef TUTTI_MPI_H_
#define TUTTI_MPI_H_

#include <mpi.h>
#include <string.h>

#include "tutti/tutti.h"

/* Collective over `mpiComm`, an intra-communicator: makes `*comm`, in which every process has the rank it has in `mpiComm`. `config` may be
 * NULL for all defaults. Blocks: rank 0 broadcasts an id by MPI_Bcast, and tuttiCommInitRankConfig follows, whose errors it returns. Must be
 * called between MPI_Init and MPI_Finalize, by a thread that may call MPI; the communicator made needs MPI no more and may outlive it.
 * On a failure of rank 0 to make the id every rank returns that error. tuttiSystemError: an MPI call failed (when the communicator's error
 * handler returns at all). Not to be called inside a group with several communicators of one thread. */
static inline tuttiResult_t tuttiCommInitMPI(MPI_Comm mpiComm, tuttiComm_t* comm, const tuttiConfig_t* config) {
  struct {
    tuttiUniqueId id;
    int result;
  } announcement;
  int rank = 0;
  int rankCount = 0;
  memset(&announcement, 0, sizeof announcement);
  if (MPI_Comm_rank(mpiComm, &rank) != MPI_SUCCESS || MPI_Comm_size(mpiComm, &rankCount) != MPI_SUCCESS) {
    return tuttiSystemError;
  }
  if (rank == 0) {
    announcement.result = (int)tuttiGetUniqueId(&announcement.id);
  }
  /* The result travels with the id, so that no rank waits for an id that does not come. */
  if (MPI_Bcast(&announcement, (int)sizeof announcement, MPI_BYTE, 0, mpiComm) != MPI_SUCCESS) {
    return tuttiSystemError;
  }
  if (announcement.result != (int)tuttiSuccess) {
    return (tuttiResult_t)announcement.result;
  }
  return tuttiCommInitRankConfig(comm, rankCount, announcement.id, rank, config);
}

#endif /* TUTTI_MPI_H_ */
