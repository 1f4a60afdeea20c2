/* SPDX-License-Identifier: Apache-2.0
 *
 * MPI_Allreduce of floats, timed and printed as all_reduce_perf does: warm-up, iterations back to back between a barrier and
 * the end of the last, mean over the ranks. MPI_Allreduce returns when it is done, so -z is accepted and changes nothing.
 *
 *   mpirun -n 2 mpi_all_reduce [-b bytes] [-e bytes] [-f factor] [-n iterations] [-w warm-up] [-z 0|1] [-c 0|1] */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  size_t min_bytes;
  size_t max_bytes;
  size_t factor;
  int iterations;
  int warmup_iterations;
  int check;
} Options;

typedef struct {
  float* send;
  float* receive;
  int count;
  int rank;
  int rank_count;
} Problem;

static size_t parse_size(const char* text) {
  char* end = NULL;
  const double number = strtod(text, &end);
  double unit = 1;
  if (*end == 'K' || *end == 'k') unit = 1024.0;
  if (*end == 'M' || *end == 'm') unit = 1024.0 * 1024.0;
  if (*end == 'G' || *end == 'g') unit = 1024.0 * 1024.0 * 1024.0;
  return (size_t)(number * unit);
}

static Options parse_options(int argc, char** argv) {
  Options options = {32u << 20, 32u << 20, 2, 20, 5, 1};
  int flag;
  while ((flag = getopt(argc, argv, "b:e:f:n:w:z:c:")) != -1) {
    switch (flag) {
      case 'b': options.min_bytes = parse_size(optarg); break;
      case 'e': options.max_bytes = parse_size(optarg); break;
      case 'f': options.factor = parse_size(optarg); break;
      case 'n': options.iterations = atoi(optarg); break;
      case 'w': options.warmup_iterations = atoi(optarg); break;
      case 'c': options.check = atoi(optarg); break;
      case 'z': break;
      default: MPI_Abort(MPI_COMM_WORLD, 2);
    }
  }
  if (options.factor < 2 || options.min_bytes < 1 || options.iterations < 1 || options.max_bytes > (size_t)INT32_MAX) {
    fprintf(stderr, "mpi_all_reduce: -f must be 2 or more, -b and -n 1 or more, -e less than 2G\n");
    MPI_Abort(MPI_COMM_WORLD, 2);
  }
  return options;
}

/* Small integers: their sum is exact in any order. */
static float input(int rank, int index) { return (float)(((uint32_t)index * 2654435761u + (uint32_t)rank * 40503u) >> 20); }

static void prepare(const Problem* problem, int in_place) {
  float* const own = in_place ? problem->receive : problem->send;
  for (int i = 0; i < problem->count; ++i) own[i] = input(problem->rank, i);
}

static void all_reduce(const Problem* problem, int in_place) {
  MPI_Allreduce(in_place ? MPI_IN_PLACE : problem->send, problem->receive, problem->count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

static double time_us(const Problem* problem, const Options* options, int in_place) {
  for (int i = 0; i < options->warmup_iterations; ++i) all_reduce(problem, in_place);
  MPI_Barrier(MPI_COMM_WORLD);
  const double begin = MPI_Wtime();
  for (int i = 0; i < options->iterations; ++i) all_reduce(problem, in_place);
  double own = (MPI_Wtime() - begin) * 1e6 / options->iterations;
  double sum = 0;
  MPI_Allreduce(&own, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
  return sum / problem->rank_count;
}

static int64_t count_wrong(const Problem* problem, int in_place) {
  prepare(problem, in_place);
  all_reduce(problem, in_place);
  int64_t own = 0;
  for (int i = 0; i < problem->count; ++i) {
    float expected = 0;
    for (int rank = 0; rank < problem->rank_count; ++rank) expected += input(rank, i);
    own += problem->receive[i] != expected;
  }
  int64_t all = 0;
  MPI_Allreduce(&own, &all, 1, MPI_INT64_T, MPI_SUM, MPI_COMM_WORLD);
  return all;
}

static int64_t measure(const Problem* problem, const Options* options, int in_place) {
  prepare(problem, in_place);
  const double us = time_us(problem, options, in_place);
  const int64_t wrong = options->check ? count_wrong(problem, in_place) : 0;
  const double algorithm_gb_per_s = (double)problem->count * sizeof(float) / 1e3 / us;
  const double bus_gb_per_s = algorithm_gb_per_s * 2 * (problem->rank_count - 1) / problem->rank_count;
  if (problem->rank == 0) printf("  %7.2f  %6.2f  %6.2f  %6lld", us, algorithm_gb_per_s, bus_gb_per_s, (long long)wrong);
  return wrong;
}

static float* allocate(size_t bytes) {
  float* const memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (memory == NULL) {
    fprintf(stderr, "mpi_all_reduce: no memory for %zu bytes\n", bytes);
    MPI_Abort(MPI_COMM_WORLD, 3);
  }
  memset(memory, 0, bytes);
  return memory;
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  const Options options = parse_options(argc, argv);
  Problem problem = {allocate(options.max_bytes), allocate(options.max_bytes), 0, 0, 1};
  MPI_Comm_rank(MPI_COMM_WORLD, &problem.rank);
  MPI_Comm_size(MPI_COMM_WORLD, &problem.rank_count);
  if (problem.rank == 0) {
    printf("# MPI_Allreduce, %d ranks\n", problem.rank_count);
    printf("# %10s  %12s  %8s  %6s  %6s  %7s  %6s  %6s  %6s  %7s  %6s  %6s  %6s\n", "size", "count", "type", "redop", "root", "time",
           "algbw", "busbw", "#wrong", "time", "algbw", "busbw", "#wrong");
  }
  int64_t wrong = 0;
  for (size_t bytes = options.min_bytes; bytes <= options.max_bytes; bytes *= options.factor) {
    problem.count = (int)(bytes / sizeof(float));
    if (problem.rank == 0) printf("%12zu  %12d  %8s  %6s  %6d", bytes, problem.count, "float", "sum", -1);
    wrong += measure(&problem, &options, 0);
    wrong += measure(&problem, &options, 1);
    if (problem.rank == 0) printf("\n");
    fflush(stdout);
  }
  free(problem.send);
  free(problem.receive);
  MPI_Finalize();
  return wrong == 0 ? 0 : 1;
}
