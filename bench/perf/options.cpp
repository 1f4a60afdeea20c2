// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace tutti::perf {
namespace {

constexpr int kUsageError = 2;
constexpr int kMostThreads = 1024;

// What CLI11 fills before it is given its meaning.
struct Texts {
  std::string min_bytes = "32M";
  std::string max_bytes = "32M";
  std::string step_bytes = "1M";
  std::string op = "sum";
  std::string datatype = "float";
  std::string root = "0";
  std::string memory = "tutti";
  int blocking = 0;
  int average = 1;
  int local_register = 0;
  int per_iteration = 0;
};

void add_sizes(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-b,--minbytes", texts.min_bytes, "smallest size, suffixes K M G (default 32M)");
  app.add_option("-e,--maxbytes", texts.max_bytes, "largest size (default 32M)");
  app.add_option("-i,--stepbytes", texts.step_bytes, "increment between sizes (default 1M)");
  app.add_option("-f,--stepfactor", options.step_factor, "factor between sizes, instead of an increment (default: none)")
      ->check(CLI::PositiveNumber);
}

void add_operation(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-o,--op", texts.op, "sum, prod, max, min, avg, mulsum, band, bor, bxor or all (default sum)");
  app.add_option("-d,--datatype", texts.datatype,
                 "int8, uint8, int32, uint32, int64, uint64, half, float, double, bfloat16, f8e4m3, f8e5m2 or all (default float)");
  app.add_option("-r,--root", texts.root, "root rank; all or -1: each in turn (default 0)");
  app.add_option("-t,--nthreads", options.thread_count, "ranks, as threads of this process, without a launcher (default 1)")
      ->check(CLI::Range(1, kMostThreads));
}

void add_timing(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-n,--iters", options.iterations, "timed iterations (default 20)")->check(CLI::PositiveNumber);
  app.add_option("-w,--warmup_iters", options.warmup_iterations, "iterations before timing (default 5)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("-m,--agg_iters", options.aggregated, "calls fused in a group in each iteration (default 1)")
      ->check(CLI::PositiveNumber);
  app.add_option("-a,--average", texts.average, "time reported: 0 rank 0, 1 mean, 2 least, 3 greatest of the ranks (default 1)")
      ->check(CLI::Range(0, 3));
  app.add_option("-z,--blocking", texts.blocking, "1: wait after each call (default 0: once after all)")->check(CLI::Range(0, 1));
  app.add_option("-I,--per_iter_timing", texts.per_iteration,
                 "1: time iterations one by one too, and add columns with least, median, 99th percentile and greatest (default 0)")
      ->check(CLI::Range(0, 1));
}

void add_running(CLI::App& app, Options& options, Texts& texts) {
  app.add_option("-c,--check", options.check_iterations, "iterations whose results are checked; 0: none (default 1)")
      ->check(CLI::NonNegativeNumber);
  app.add_option("-T,--timeout", options.timeout_s, "seconds a rank waits for another (default: the library's)")
      ->check(CLI::Range(0, std::numeric_limits<int>::max() / 1000));
  app.add_option("-J,--output_file", options.output_file, "write the results as JSON to this file, whose name ends in .json");
  app.add_option("-R,--local_register", texts.local_register, "1: register the buffers with the communicator (default 0)")
      ->check(CLI::Range(0, 2));
  app.add_option("--memory", texts.memory, "buffers from tuttiMemAlloc (tutti, default) or from malloc (malloc)")
      ->check(CLI::IsMember({"tutti", "malloc"}));
}

std::vector<Operator> operators_of(const std::string& name) {
  if (name == "all") return {all_operators().begin(), all_operators().end()};
  if (const auto found = find_operator(name)) return {*found};
  throw std::invalid_argument(fmt::format("--op: unknown operator '{}'", name));
}

std::vector<DataType> datatypes_of(const std::string& name) {
  if (name == "all") return {all_datatypes().begin(), all_datatypes().end()};
  if (const auto found = find_datatype(name)) return {*found};
  throw std::invalid_argument(fmt::format("--datatype: unknown type '{}'", name));
}

int root_of(const std::string& text) {
  if (text == "all") return kAllRoots;
  int root = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), root);
  if (error != std::errc() || end != text.data() + text.size() || root < kAllRoots) {
    throw std::invalid_argument(fmt::format("--root: '{}' is neither a rank nor all", text));
  }
  return root;
}

size_t size_of_flag(std::string_view flag, const std::string& text) {
  try {
    return parse_size(text);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(fmt::format("{}: {}", flag, error.what()));
  }
}

void interpret(const Texts& texts, Options& options) {
  options.min_bytes = size_of_flag("--minbytes", texts.min_bytes);
  options.max_bytes = size_of_flag("--maxbytes", texts.max_bytes);
  options.step_bytes = size_of_flag("--stepbytes", texts.step_bytes);
  options.operators = operators_of(texts.op);
  options.datatypes = datatypes_of(texts.datatype);
  options.root = root_of(texts.root);
  options.waiting = texts.blocking == 0 ? Waiting::once_at_the_end : Waiting::after_each_call;
  options.average = static_cast<Average>(texts.average);
  options.registration = texts.local_register == 0 ? Registration::none : Registration::local;
  options.per_iteration = texts.per_iteration == 0 ? Iterations::totalled : Iterations::timed_one_by_one;
  options.memory = texts.memory == "malloc" ? Memory::ordinary : Memory::tutti;
}

void validate(const Texts& texts, const Options& options) {
  if (options.min_bytes > options.max_bytes) {
    throw std::invalid_argument(
        fmt::format("--minbytes {} is greater than --maxbytes {}", options.min_bytes, options.max_bytes));
  }
  if (options.step_factor <= 1 && options.step_bytes == 0 && options.min_bytes < options.max_bytes) {
    throw std::invalid_argument("--stepbytes is 0: the sizes would never end");
  }
  if (options.step_factor > 1 && options.min_bytes == 0 && options.max_bytes > 0) {
    throw std::invalid_argument("--minbytes is 0: a factor never leads from it to --maxbytes");
  }
  if (texts.local_register == 2) {
    throw std::invalid_argument("--local_register 2: symmetric registration is not available; use 1");
  }
  if (!options.output_file.empty() && !options.output_file.ends_with(".json")) {
    throw std::invalid_argument(fmt::format("--output_file: '{}' does not end in .json, the only format", options.output_file));
  }
}

}  // namespace

std::variant<Options, EarlyExit> parse_options(std::string_view program, const std::vector<std::string>& arguments) {
  CLI::App app("Times a collective, checks its results, and prints them as nccl-tests does.", std::string(program));
  Options options;
  Texts texts;
  add_sizes(app, options, texts);
  add_operation(app, options, texts);
  add_timing(app, options, texts);
  add_running(app, options, texts);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // CLI11 takes them from the back
    interpret(texts, options);
    validate(texts, options);
    return options;
  } catch (const CLI::CallForHelp&) {
    return EarlyExit{0, app.help()};
  } catch (const CLI::ParseError& error) {
    return EarlyExit{kUsageError, fmt::format("{}: {} (see --help)\n", program, error.what())};
  } catch (const std::invalid_argument& error) {
    return EarlyExit{kUsageError, fmt::format("{}: {} (see --help)\n", program, error.what())};
  }
}

size_t parse_size(const std::string& text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view suffix(end, static_cast<size_t>(text.data() + text.size() - end));
  double unit = 0;
  if (suffix.empty()) unit = 1;
  if (suffix == "K" || suffix == "k") unit = 1024.0;
  if (suffix == "M" || suffix == "m") unit = 1024.0 * 1024.0;
  if (suffix == "G" || suffix == "g") unit = 1024.0 * 1024.0 * 1024.0;
  const double bytes = number * unit;
  constexpr double kMost = 1ull << 62;
  if (error != std::errc() || unit == 0 || !(bytes >= 0) || bytes > kMost) {
    throw std::invalid_argument(fmt::format("'{}' is not a size", text));
  }
  return static_cast<size_t>(bytes);
}

std::vector<size_t> sizes_of(const Options& options) {
  std::vector<size_t> sizes;
  size_t size = options.min_bytes;
  while (true) {
    sizes.push_back(size);
    if (options.step_factor > 1) {
      if (size > options.max_bytes / options.step_factor) return sizes;
      size *= options.step_factor;
    } else {
      if (options.max_bytes - size < options.step_bytes) return sizes;
      size += options.step_bytes;
    }
    if (size == sizes.back()) return sizes;  // 0 times anything, or a step of 0
  }
}

}  // namespace tutti::perf
