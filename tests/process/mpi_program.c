/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that uses MPI and Tutti side by side: both must give the same sum. */
#include <stdio.h>
#include <stdlib.h>

#include "tutti/mpi.h"

#define COUNT 10007

enum Start { BY_MPI, BY_LAUNCHER };

static int check(tuttiResult_t result, const char* what) {
  if (result != tuttiSuccess) {
    fprintf(stderr, "%s: %s: %s\n", what, tuttiGetErrorString(result), tuttiGetLastError(NULL));
  }
  return result == tuttiSuccess;
}

/* Sums over `mpi` by both libraries, Tutti's ranks finding each other by `start`; the number of differences, or -1. */
static int compare(MPI_Comm mpi, enum Start start) {
  static long long input[COUNT], by_mpi[COUNT], by_tutti[COUNT];
  tuttiComm_t comm = NULL;
  int mpi_rank = -1, mpi_size = -1, rank = -1, size = -1, differences = 0;
  MPI_Comm_rank(mpi, &mpi_rank);
  MPI_Comm_size(mpi, &mpi_size);
  if (!check(start == BY_MPI ? tuttiCommInitMPI(mpi, &comm, NULL) : tuttiCommInitFromEnv(&comm, NULL), "initialisation") ||
      !check(tuttiCommUserRank(comm, &rank), "tuttiCommUserRank") || !check(tuttiCommCount(comm, &size), "tuttiCommCount")) {
    return -1;
  }
  if (rank != mpi_rank || size != mpi_size) {
    fprintf(stderr, "rank %d of %d by MPI, %d of %d by Tutti\n", mpi_rank, mpi_size, rank, size);
    return -1;
  }
  for (int i = 0; i < COUNT; ++i) {
    input[i] = (long long)i * (rank + 3) - 77;
  }
  MPI_Allreduce(input, by_mpi, COUNT, MPI_LONG_LONG, MPI_SUM, mpi);
  if (!check(tuttiAllReduce(input, by_tutti, COUNT, tuttiInt64, tuttiSum, comm, NULL), "tuttiAllReduce") ||
      !check(tuttiCommSynchronize(comm), "tuttiCommSynchronize") || !check(tuttiCommDestroy(comm), "tuttiCommDestroy")) {
    return -1;
  }
  for (int i = 0; i < COUNT; ++i) {
    differences += by_mpi[i] != by_tutti[i];
  }
  return differences;
}

int main(int argc, char** argv) {
  MPI_Comm part;
  int rank = 0, bad = 0;
  MPI_Init(&argc, &argv);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  bad = compare(MPI_COMM_WORLD, BY_MPI) != 0;
  bad |= compare(MPI_COMM_WORLD, BY_LAUNCHER) != 0; /* through the launcher's interface that MPI uses, too */
  /* A communicator that is not the world: two ranks in reversed order, and one alone. */
  MPI_Comm_split(MPI_COMM_WORLD, rank == 0, -rank, &part);
  bad |= compare(part, BY_MPI) != 0;
  MPI_Comm_free(&part);
  MPI_Finalize();
  return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}
