// SPDX-License-Identifier: Apache-2.0
// The command line of the *_perf programs: nccl-tests' flags with their meanings, and two of our own (--memory, -I's columns).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "types.hpp"

namespace tutti::perf {

enum class Waiting { once_at_the_end, after_each_call };       // -z
enum class Average { rank_0 = 0, mean = 1, min = 2, max = 3 };  // -a: which of the ranks' times is reported
enum class Registration { none, local };                       // -R
enum class Iterations { totalled, timed_one_by_one };          // -I
enum class Memory { tutti, ordinary };                         // --memory: tuttiMemAlloc or malloc

inline constexpr int kAllRoots = -1;

struct Options {
  size_t min_bytes = size_t{32} << 20;
  size_t max_bytes = size_t{32} << 20;
  size_t step_bytes = size_t{1} << 20;
  size_t step_factor = 1;  // above 1 it replaces step_bytes
  int iterations = 20;
  int warmup_iterations = 5;
  int aggregated = 1;
  int check_iterations = 1;
  std::vector<Operator> operators;
  std::vector<DataType> datatypes;
  int root = 0;
  int thread_count = 1;
  int timeout_s = 0;  // 0: the library's default
  Waiting waiting = Waiting::once_at_the_end;
  Average average = Average::mean;
  Registration registration = Registration::none;
  Iterations per_iteration = Iterations::totalled;
  Memory memory = Memory::tutti;
  std::string output_file;  // JSON; empty: none
};

// The program is to end with `status`, after printing `text`: help, or what was wrong.
struct EarlyExit {
  int status;
  std::string text;
};

// `arguments` without the program's name. Never prints.
std::variant<Options, EarlyExit> parse_options(std::string_view program, const std::vector<std::string>& arguments);

// "4", "8K", "1.5M", "2G" (suffixes of 1024, either case) in bytes. Throws std::invalid_argument naming the text.
size_t parse_size(const std::string& text);

// The sizes from min_bytes to max_bytes by step_factor or step_bytes; stops before an overflow. At least one.
std::vector<size_t> sizes_of(const Options& options);

}  // namespace tutti::perf
