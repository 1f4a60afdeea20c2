// SPDX-License-Identifier: Apache-2.0
// One rank of the condensed conformance suite as a process of its own. How it finds the others, by its argument:
//   pipe <rank> <rank count>: the unique id comes by standard input;
//   environment: as the launcher says (mpirun, torchrun's variables).
// Exit status 0: all well. Otherwise 1, with the reason on standard error.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "support/calls.hpp"
#include "support/exercises.hpp"
#include "support/reference.hpp"

namespace tutti::tests {
namespace {

std::string failure_of(const char* what) { return fmt::format("{}: {}", what, tuttiGetLastError(nullptr)); }

std::string init_by_pipe(int rank, int rank_count, tuttiComm_t* comm) {
  tuttiUniqueId id;
  size_t length = 0;
  while (length < sizeof id.internal) {
    const ssize_t count = read(STDIN_FILENO, id.internal + length, sizeof id.internal - length);
    if (count <= 0) {
      return "the unique id does not come";
    }
    length += static_cast<size_t>(count);
  }
  return tuttiCommInitRank(comm, rank_count, id, rank) == tuttiSuccess ? "" : failure_of("tuttiCommInitRank");
}

std::string perform_all(const std::vector<Exercise>& exercises, int rank, tuttiComm_t comm) {
  for (const Exercise& exercise : exercises) {
    if (std::string failure = perform(exercise, rank, comm); !failure.empty()) {
      return failure;
    }
  }
  return {};
}

// Sums that round: ranks compare hashes of their outputs.
std::string check_same_bits(int rank, int rank_count, tuttiComm_t comm) {
  for (const size_t count : {97, 4099, 70'001}) {
    const Part part({.count = count, .rank_count = rank_count, .seed = count, .values = Values::rounded}, rank);
    if (issue(part, comm, nullptr) != tuttiSuccess || tuttiCommSynchronize(comm) != tuttiSuccess) {
      return failure_of("tuttiAllReduce");
    }
    uint64_t hash = 0;
    for (const std::byte byte : part.output()) {
      hash = mix(hash, static_cast<uint64_t>(byte));
    }
    std::vector<uint64_t> hashes(static_cast<size_t>(rank_count));
    if (tuttiAllGather(&hash, hashes.data(), 1, tuttiUint64, comm, nullptr) != tuttiSuccess ||
        tuttiCommSynchronize(comm) != tuttiSuccess) {
      return failure_of("tuttiAllGather");
    }
    for (const uint64_t other : hashes) {
      if (other != hash) {
        return fmt::format("rank {}: sums of {} elements differ between ranks", rank, count);
      }
    }
  }
  return {};
}

std::string exercise_split(int rank, int rank_count, tuttiComm_t comm) {
  tuttiComm_t part = nullptr;
  if (tuttiCommSplit(comm, rank % 2, rank_count - rank, &part, nullptr) != tuttiSuccess) {
    return failure_of("tuttiCommSplit");
  }
  int place = 0;
  int size = 0;
  tuttiCommUserRank(part, &place);
  tuttiCommCount(part, &size);
  if (std::string failure = perform_all(random_exercises(size, 20, test_seed()), place, part); !failure.empty()) {
    return failure;
  }
  return tuttiCommDestroy(part) == tuttiSuccess ? "" : failure_of("tuttiCommDestroy");
}

std::string condensed_suite(tuttiComm_t comm) {
  int rank = -1;
  int rank_count = 0;
  if (tuttiCommUserRank(comm, &rank) != tuttiSuccess || tuttiCommCount(comm, &rank_count) != tuttiSuccess) {
    return failure_of("tuttiCommUserRank");
  }
  if (const char* const expected = std::getenv("TUTTI_TEST_RANKS"); expected != nullptr && std::atoi(expected) != rank_count) {
    return fmt::format("{} ranks, expected {}", rank_count, expected);
  }
  std::vector<Exercise> exercises = every_combination(rank_count, 1, test_seed());
  const std::vector<Exercise> others = random_exercises(rank_count, 150, test_seed() + 1);
  exercises.insert(exercises.end(), others.begin(), others.end());
  if (test_size() == Size::small) {
    exercises = random_exercises(rank_count, 100, test_seed());
  }
  for (const auto& list : {exercises, large_exercises(rank_count, test_seed())}) {
    if (std::string failure = perform_all(list, rank, comm); !failure.empty()) {
      return failure;
    }
  }
  if (std::string failure = check_same_bits(rank, rank_count, comm); !failure.empty()) {
    return failure;
  }
  return exercise_split(rank, rank_count, comm);
}

int run(const std::vector<std::string_view>& arguments) {
  tuttiComm_t comm = nullptr;
  std::string failure = "usage: pipe <rank> <rank count> | environment";
  if (arguments.size() == 3 && arguments[0] == "pipe") {
    failure = init_by_pipe(std::atoi(arguments[1].data()), std::atoi(arguments[2].data()), &comm);
  } else if (arguments.size() == 1 && arguments[0] == "environment") {
    failure = tuttiCommInitFromEnv(&comm, nullptr) == tuttiSuccess ? "" : failure_of("tuttiCommInitFromEnv");
  }
  if (failure.empty()) {
    failure = condensed_suite(comm);
  }
  const tuttiResult_t destroyed = tuttiCommDestroy(comm);
  if (failure.empty() && destroyed != tuttiSuccess) {
    failure = failure_of("tuttiCommDestroy");
  }
  if (!failure.empty()) {
    fmt::print(stderr, "{} (TUTTI_TEST_SEED={})\n", failure, test_seed());
  }
  return failure.empty() ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace
}  // namespace tutti::tests

int main(int argc, char** argv) { return tutti::tests::run({argv + 1, argv + argc}); }
