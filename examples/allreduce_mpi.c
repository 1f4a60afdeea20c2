/* SPDX-License-Identifier: Apache-2.0
 *
 * Tutti beside MPI: MPI starts the processes and introduces them, Tutti carries the collectives.
 *   mpirun -n 2 ./allreduce_mpi */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include <tutti/mpi.h>

/* One rank's failure ends the job, as MPI_Abort does, so that no other rank waits for it. */
static void check(tuttiResult_t result, tuttiComm_t comm, const char* call) {
  if (result != tuttiSuccess) {
    fprintf(stderr, "%s: %s: %s\n", call, tuttiGetErrorString(result), tuttiGetLastError(comm));
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0;
  int rankCount = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &rankCount);

  tuttiConfig_t config = TUTTI_CONFIG_INITIALIZER;
  config.commName = "example"; /* appears in messages */
  tuttiComm_t comm = NULL;
  check(tuttiCommInitMPI(MPI_COMM_WORLD, &comm, &config), NULL, "tuttiCommInitMPI");

  /* The same reduction by both libraries. */
  double mine = 1.0 / (rank + 1);
  double byTutti = 0;
  double byMpi = 0;
  check(tuttiAllReduce(&mine, &byTutti, 1, tuttiFloat64, tuttiMax, comm, NULL), comm, "tuttiAllReduce");
  check(tuttiCommSynchronize(comm), comm, "tuttiCommSynchronize");
  MPI_Allreduce(&mine, &byMpi, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  printf("rank %d of %d: Tutti says %g, MPI says %g\n", rank, rankCount, byTutti, byMpi);

  check(tuttiCommDestroy(comm), NULL, "tuttiCommDestroy");
  MPI_Finalize();
  return byTutti == byMpi ? EXIT_SUCCESS : EXIT_FAILURE;
}
