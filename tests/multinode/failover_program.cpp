// SPDX-License-Identifier: Apache-2.0
// A rank that adds up vectors with the others until rank 0's standard input ends, and checks every element of every sum.
//
//   failover_program <bytes>
//
// Rank 0 writes for each sum a line to standard output: when it began, in nanoseconds of CLOCK_MONOTONIC, and how long it took. Exit status 0: all
// sums were right.
#include <poll.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "tutti/tutti.h"

namespace {

uint64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

bool input_has_ended() {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  char ignored = 0;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &ignored, 1) <= 0;
}

// Small whole numbers, so that sums of them are exact; another one in each sum.
float value_of(uint64_t sum, size_t index, int rank) {
  return static_cast<float>((sum * 7 + index * 13 + static_cast<uint64_t>(rank) * 29) % 1021);
}

int fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, tuttiGetLastError(nullptr));
  return EXIT_FAILURE;
}

int run(tuttiComm_t comm, size_t count) {
  int rank = 0;
  int rank_count = 0;
  if (tuttiCommUserRank(comm, &rank) != tuttiSuccess || tuttiCommCount(comm, &rank_count) != tuttiSuccess) {
    return fail("tuttiCommUserRank");
  }
  std::vector<float> input(count);
  std::vector<float> output(count);
  for (uint64_t sum = 0; output[0] == 0; ++sum) {
    for (size_t index = 1; index < count; ++index) {
      input[index] = value_of(sum, index, rank);
    }
    input[0] = rank == 0 && input_has_ended() ? 1.0f : 0.0f;  // whether this is the last one
    const uint64_t begin_ns = now_ns();
    if (tuttiAllReduce(input.data(), output.data(), count, tuttiFloat32, tuttiSum, comm, nullptr) != tuttiSuccess ||
        tuttiCommSynchronize(comm) != tuttiSuccess) {
      return fail("tuttiAllReduce");
    }
    if (rank == 0) {
      std::printf("%" PRIu64 " %" PRIu64 "\n", begin_ns, now_ns() - begin_ns);
      std::fflush(stdout);
    }
    for (size_t index = 1; index < count; ++index) {
      float expected = 0;
      for (int other = 0; other < rank_count; ++other) {
        expected += value_of(sum, index, other);
      }
      if (output[index] != expected) {
        std::fprintf(stderr, "sum %" PRIu64 ", element %zu: %f, expected %f\n", sum, index, static_cast<double>(output[index]),
                     static_cast<double>(expected));
        return EXIT_FAILURE;
      }
    }
  }
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t count = argc == 2 ? std::strtoull(argv[1], nullptr, 10) / sizeof(float) : 0;
  if (count < 2) {
    std::fprintf(stderr, "usage: failover_program <bytes>, of two numbers or more\n");
    return EXIT_FAILURE;
  }
  tuttiComm_t comm = nullptr;
  if (tuttiCommInitFromEnv(&comm, nullptr) != tuttiSuccess) {
    return fail("tuttiCommInitFromEnv");
  }
  const int status = run(comm, count);
  return tuttiCommDestroy(comm) == tuttiSuccess || status != EXIT_SUCCESS ? status : fail("tuttiCommDestroy");
}
