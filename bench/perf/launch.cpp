// SPDX-License-Identifier: Apache-2.0
#include "launch.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "json_report.hpp"
#include "rank.hpp"
#include "runner.hpp"
#include "table.hpp"

namespace tutti::perf {
namespace {

struct Program {
  const Collective& collective;
  std::string name;
  std::vector<std::string> arguments;
  Options options;
};

// The variables tuttiCommInitFromEnv looks for. With Slurm's alone it fails, rather than that each of several tasks is a job of one rank.
bool has_launcher() {
  const auto set = [](const char* variable) { return std::getenv(variable) != nullptr; };
  const bool is_one_task_of_several = set("SLURM_PROCID") && set("SLURM_STEP_NUM_TASKS") && std::getenv("SLURM_STEP_NUM_TASKS") != std::string("1");
  return (set("PMIX_RANK") && set("PMIX_NAMESPACE")) || (set("PMI_FD") && set("PMI_RANK") && set("PMI_SIZE")) ||
         (set("RANK") && set("WORLD_SIZE")) || is_one_task_of_several;
}

std::string own_place() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return fmt::format("Pid {:6} on {}", ::getpid(), host);
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

// Prints on rank 0 only.
Summary run_reported(const Program& program, Runner& runner, const Communicator& communicator, const Stream& stream) {
  const RunInfo run{program.name, std::string(program.collective.name()), program.arguments,
                all_gather(own_place(), communicator, stream), program.options};
  if (communicator.rank() != 0) return runner.run([](const Row&) {});
  std::optional<JsonReport> json;
  if (!program.options.output_file.empty()) {
    json.emplace(run);
    print(fmt::format("# Writing JSON output to {}\n", json->path()));
  }
  print(header_text(run));
  const Summary summary = runner.run([&](const Row& row) {
    print(row_text(row));
    if (json) json->add(row);
  });
  if (json) json->finish(summary);
  print(footer_text(run, summary));
  return summary;
}

void require_root(const Options& options, int rank_count) {
  if (options.root >= rank_count) {
    throw Failure(fmt::format("--root: {} is not a rank of {} ranks", options.root, rank_count));
  }
}

int run_rank(const Program& program, const std::function<Communicator()>& connect) {
  const Options& options = program.options;
  // Before the communicator, so that a failure aborts it before the stream is destroyed, which waits for work.
  const size_t bytes = program.collective.carries_data() ? options.max_bytes : 0;
  const Buffer send(bytes, options.memory);
  const Buffer receive(bytes, options.memory);
  const Stream stream;
  Communicator communicator = connect();
  require_root(options, communicator.rank_count());
  if (options.thread_count > 1) bind_thread(communicator.rank(), communicator.rank_count());
  Summary summary;
  {
    const Registered registered_send(communicator, send, options.registration);
    const Registered registered_receive(communicator, receive, options.registration);
    Runner runner({program.collective, options, communicator, stream, send, receive});
    summary = run_reported(program, runner, communicator, stream);
  }
  communicator.close();
  return summary.failed_checks == 0 ? kExitOk : kExitWrongValues;
}

// The end of a rank, whatever ended it.
int run_guarded(const std::string& name, const RankBody& body, const std::function<Communicator()>& connect) {
  try {
    return body(connect);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{} (pid {}): {}\n", name, ::getpid(), error.what());
    return kExitFailure;
  }
}

int run_threads(const std::string& name, const Options& options, const RankBody& body) {
  const auto count = static_cast<size_t>(options.thread_count);
  tuttiUniqueId id;
  require(tuttiGetUniqueId(&id), "tuttiGetUniqueId", nullptr);
  std::vector<int> statuses(count, kExitOk);
  {
    std::vector<std::jthread> threads;
    for (size_t rank = 0; rank < count; ++rank) {
      threads.emplace_back([&, rank] {
        statuses[rank] = run_guarded(name, body, [&] { return Communicator::from_id(options, id, static_cast<int>(rank)); });
      });
    }
  }
  return *std::max_element(statuses.begin(), statuses.end());
}

}  // namespace

void bind_thread(int rank, int rank_count) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < rank_count) return;
  int skipped = 0;
  for (size_t core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || skipped++ < rank) continue;
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(core, &own);
    ::sched_setaffinity(0, sizeof own, &own);
    return;
  }
}

int run_ranks(const std::string& name, const Options& options, const RankBody& body) {
  if (!has_launcher()) return run_threads(name, options, body);
  if (options.thread_count > 1) {
    fmt::print(stderr, "{}: --nthreads {}: under a launcher each process is one rank; leave -t out, or run without the launcher\n",
               name, options.thread_count);
    return kExitUsage;
  }
  return run_guarded(name, body, [&] { return Communicator::from_environment(options); });
}

int run_program(const Collective& collective, int argc, char** argv) {
  const std::string path = argc > 0 ? argv[0] : "perf";
  const std::string name = path.substr(path.find_last_of('/') + 1);
  const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
  auto parsed = parse_options(name, arguments);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->status == kExitOk ? stdout : stderr);
    return early->status;
  }
  try {
    const Program program{collective, name, arguments, std::get<Options>(std::move(parsed))};
    return run_ranks(name, program.options, [&](const std::function<Communicator()>& connect) { return run_rank(program, connect); });
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", name, error.what());
    return kExitFailure;
  }
}

}  // namespace tutti::perf
