/* SPDX-License-Identifier: Apache-2.0
 *
 * One rank per process, found through the launcher:
 *   mpirun -n 2 ./allreduce_processes
 * Every rank contributes rank + 1 in each element, so with n ranks each element of the result is n * (n + 1) / 2. */
#include <stdio.h>
#include <stdlib.h>

#include <tutti/tutti.h>

/* Every call returns a result. The phrase says what kind of error it was, the message which argument or rank was to blame. */
static void check(tuttiResult_t result, tuttiComm_t comm, const char* call) {
  if (result != tuttiSuccess) {
    fprintf(stderr, "%s: %s: %s\n", call, tuttiGetErrorString(result), tuttiGetLastError(comm));
    exit(EXIT_FAILURE);
  }
}

int main(void) {
  enum { kCount = 1 << 20 };

  /* PMIx under mpirun or srun, the variables of torchrun otherwise. NULL: the default configuration. */
  tuttiComm_t comm = NULL;
  check(tuttiCommInitFromEnv(&comm, NULL), NULL, "tuttiCommInitFromEnv");

  int rank = 0;
  int rankCount = 0;
  check(tuttiCommUserRank(comm, &rank), comm, "tuttiCommUserRank");
  check(tuttiCommCount(comm, &rankCount), comm, "tuttiCommCount");

  float* values = malloc(kCount * sizeof *values);
  if (values == NULL) {
    fprintf(stderr, "out of memory\n");
    return EXIT_FAILURE;
  }
  for (size_t i = 0; i < kCount; ++i) {
    values[i] = (float)(rank + 1);
  }

  /* Enqueued and running when the call returns: the buffer belongs to Tutti until the stream is synchronised. Sending and
   * receiving from one buffer is the in-place form. A NULL stream is the communicator's own. */
  check(tuttiAllReduce(values, values, kCount, tuttiFloat32, tuttiSum, comm, NULL), comm, "tuttiAllReduce");
  check(tuttiCommSynchronize(comm), comm, "tuttiCommSynchronize");

  const float expected = (float)(rankCount * (rankCount + 1) / 2);
  size_t wrong = 0;
  for (size_t i = 0; i < kCount; ++i) {
    wrong += values[i] != expected;
  }
  printf("rank %d of %d: %zu of %d elements are wrong\n", rank, rankCount, wrong, kCount);

  free(values);
  check(tuttiCommDestroy(comm), NULL, "tuttiCommDestroy");
  return wrong == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
