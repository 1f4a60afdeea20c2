/* SPDX-License-Identifier: Apache-2.0 */
/* Two ranks in one thread: as many allreduces of 8 bytes as the argument says, each waited for. For count_instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <tutti/tutti.h>

static void require(tuttiResult_t result) {
  if (result != tuttiSuccess) {
    fprintf(stderr, "small_calls: %s: %s\n", tuttiGetErrorString(result), tuttiGetLastError(NULL));
    exit(3);
  }
}

int main(int argument_count, char** arguments) {
  const long calls = argument_count == 2 ? strtol(arguments[1], NULL, 10) : 0;
  if (calls <= 0) {
    fprintf(stderr, "usage: small_calls <calls>\n");
    return 2;
  }
  tuttiComm_t comms[2];
  require(tuttiCommInitAll(comms, 2, NULL));
  float sent[2][2] = {{1, 2}, {3, 4}};
  float received[2][2] = {{0, 0}, {0, 0}};
  for (long call = 0; call < calls; ++call) {
    for (int rank = 0; rank < 2; ++rank) {
      require(tuttiAllReduce(sent[rank], received[rank], 2, tuttiFloat32, tuttiSum, comms[rank], NULL));
    }
    for (int rank = 0; rank < 2; ++rank) {
      require(tuttiCommSynchronize(comms[rank]));
    }
  }
  for (int rank = 0; rank < 2; ++rank) {
    if (received[rank][0] != 4 || received[rank][1] != 6) {
      fprintf(stderr, "small_calls: rank %d has %g and %g, not 4 and 6\n", rank, received[rank][0], received[rank][1]);
      return 1;
    }
    require(tuttiCommDestroy(comms[rank]));
  }
  return 0;
}
