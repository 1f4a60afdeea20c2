// SPDX-License-Identifier: Apache-2.0
// How much of an allreduce hides behind computation, and what the engine's thread costs meanwhile. Flags as for the other *_perf programs, and
// --spare-core: the ranks, threads of one process (-t), keep off the last core, which the engine's thread has for itself.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "engine_thread.hpp"
#include "launch.hpp"
#include "rank.hpp"

namespace tutti::perf {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

enum class Cores { one_per_rank, one_spare };

double us_since(Clock::time_point begin) { return std::chrono::duration<double, std::micro>(Clock::now() - begin).count(); }

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Works in registers, so that it competes for the core alone.
void compute(uint64_t steps) {
  double value = 1.0;
  for (uint64_t step = 0; step < steps; ++step) {
    value = value * 0.999999 + 0.000001;
    asm volatile("" : "+x"(value));
  }
}

double steps_per_us() {
  constexpr uint64_t kSteps = 2'000'000;
  std::vector<double> rates;
  for (int repetition = 0; repetition < 9; ++repetition) {
    const auto begin = Clock::now();
    compute(kSteps);
    rates.push_back(static_cast<double>(kSteps) / us_since(begin));
  }
  return median(rates);
}

struct Rank {
  const Options& options;
  const Communicator& communicator;
  const Stream& stream;
  const Buffer& send;
  const Buffer& receive;
  const EngineThread& engine;
  double steps_per_us;

  void enqueue(size_t bytes) const {
    require(tuttiAllReduce(send.data(), receive.data(), bytes / sizeof(float), tuttiFloat32, tuttiSum, communicator.get(), stream.get()),
            "tuttiAllReduce", communicator.get());
  }
  void synchronize() const { stream.synchronize(communicator); }
  void meet() const { barrier(communicator, stream); }
  bool has_finished() const { return tuttiStreamQuery(stream.get()) != tuttiInProgress; }
  double worst(double value) const {
    all_reduce(std::span(&value, 1), tuttiMax, communicator, stream);
    return value;
  }
};

template <class Body>
double time_us(const Rank& rank, Body body) {
  rank.meet();
  const auto begin = Clock::now();
  body();
  return us_since(begin);
}

struct Overlap {
  double alone_us, compute_us, together_us, engine_us;
  // Of what could be hidden.
  double hidden() const { return (alone_us + compute_us - together_us) / std::min(alone_us, compute_us); }
};

// The three ways take turns, so that a slow moment of the machine meets all of them.
Overlap measure(const Rank& rank, size_t bytes) {
  const auto communicate = [&] {
    rank.enqueue(bytes);
    rank.synchronize();
  };
  std::vector<double> alone, computing, together, engine;
  for (int i = 0; i < rank.options.warmup_iterations + 3; ++i) alone.push_back(time_us(rank, communicate));
  const auto steps = static_cast<uint64_t>(rank.worst(median(alone)) * rank.steps_per_us);
  alone.clear();
  for (int i = 0; i < rank.options.iterations; ++i) {
    alone.push_back(time_us(rank, communicate));
    computing.push_back(time_us(rank, [&] { compute(steps); }));
    const uint64_t before_ns = rank.engine.cpu_ns();
    together.push_back(time_us(rank, [&] {
      rank.enqueue(bytes);
      compute(steps);
      rank.synchronize();
    }));
    engine.push_back(static_cast<double>(rank.engine.cpu_ns() - before_ns) / 1000);
  }
  return {rank.worst(median(alone)), rank.worst(median(computing)), rank.worst(median(together)), rank.worst(median(engine))};
}

// Share of a core that the engine's thread uses while `body` runs, in percent.
template <class Body>
double engine_percent(const Rank& rank, Body body) {
  const auto begin = Clock::now();
  const uint64_t before_ns = rank.engine.cpu_ns();
  body();
  return static_cast<double>(rank.engine.cpu_ns() - before_ns) / (10 * us_since(begin));
}

double idle_percent(const Rank& rank) {
  rank.meet();
  std::this_thread::sleep_for(milliseconds(30));
  const double percent = engine_percent(rank, [] { std::this_thread::sleep_for(milliseconds(1000)); });
  return rank.worst(percent);
}

// All ranks but the last wait for it for `late`, without carrying on the work themselves. Also what their computation loses to the engine.
struct Waiting {
  double percent, slowdown_percent;
};

Waiting wait_for_late_peer(const Rank& rank, milliseconds late) {
  const auto steps = static_cast<uint64_t>(static_cast<double>(late.count()) * 800 * rank.steps_per_us);
  const double alone_us = time_us(rank, [&] { compute(steps); });
  double percent = 0;
  rank.meet();
  if (rank.communicator.rank() == rank.communicator.rank_count() - 1) {
    std::this_thread::sleep_for(late);
    rank.enqueue(8);
  } else {
    rank.enqueue(8);
    const auto begin = Clock::now();
    percent = engine_percent(rank, [&] { compute(steps); });
    const double slowdown = us_since(begin) / alone_us - 1;
    rank.synchronize();
    return {rank.worst(percent), rank.worst(100 * slowdown)};
  }
  rank.synchronize();
  return {rank.worst(percent), rank.worst(-100)};
}

double busy_percent(const Rank& rank, size_t bytes) {
  rank.meet();
  const double percent = engine_percent(rank, [&] {
    for (int i = 0; i < rank.options.iterations; ++i) {
      rank.enqueue(bytes);
      while (!rank.has_finished()) std::this_thread::sleep_for(milliseconds(1));
    }
  });
  return rank.worst(percent);
}

// From enqueueing 8 bytes until they have been reduced, while the application computes, after a rest.
double latency_us(const Rank& rank, milliseconds rest) {
  std::vector<double> times;
  for (int i = 0; i < std::max(rank.options.iterations, 20); ++i) {
    rank.meet();
    std::this_thread::sleep_for(rest);
    const auto begin = Clock::now();
    rank.enqueue(8);
    while (!rank.has_finished()) compute(100);
    times.push_back(us_since(begin));
  }
  return rank.worst(median(times));
}

void bind(const Rank& rank, Cores cores, const EngineThread& engine) {
  if (cores == Cores::one_per_rank) {
    if (rank.options.thread_count > 1) bind_thread(rank.communicator.rank(), rank.communicator.rank_count());
    return;
  }
  cpu_set_t allowed, last;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) {
    throw Failure("--spare-core: this process may use one core only");
  }
  CPU_ZERO(&last);
  size_t core = CPU_SETSIZE - 1;
  while (!CPU_ISSET(core, &allowed)) --core;
  CPU_SET(core, &last);
  CPU_CLR(core, &allowed);
  engine.bind(last);
  sched_setaffinity(0, sizeof allowed, &allowed);
}

void report(const Rank& rank) {
  const bool prints = rank.communicator.rank() == 0;
  const auto print = [&](const std::string& text) {
    if (!prints) return;
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
  };
  print(fmt::format("# {:>10} {:>10} {:>10} {:>10} {:>8} {:>10}\n# {:>10} {:>10} {:>10} {:>10} {:>8} {:>10}\n", "size", "alone", "compute",
                    "together", "hidden", "engine", "(B)", "(us)", "(us)", "(us)", "(%)", "(us CPU)"));
  for (const size_t bytes : sizes_of(rank.options)) {
    const Overlap overlap = measure(rank, bytes);
    print(fmt::format("  {:>10} {:>10.1f} {:>10.1f} {:>10.1f} {:>8.1f} {:>10.1f}\n", bytes, overlap.alone_us, overlap.compute_us,
                      overlap.together_us, 100 * overlap.hidden(), overlap.engine_us));
  }
  print(fmt::format("# engine's thread, idle: {:.3f} % of a core\n", idle_percent(rank)));
  for (const auto late : {milliseconds(5), milliseconds(50), milliseconds(500)}) {
    const Waiting waiting = wait_for_late_peer(rank, late);
    print(fmt::format("# engine's thread, a peer {} ms late: {:.1f} % of a core, computation beside it takes {:.1f} % longer\n", late.count(),
                      waiting.percent, waiting.slowdown_percent));
  }
  print(fmt::format("# engine's thread, busy: {:.1f} % of a core\n", busy_percent(rank, rank.options.max_bytes)));
  for (const auto rest : {milliseconds(0), milliseconds(2), milliseconds(40)}) {
    print(fmt::format("# 8 B while computing, after {} ms without work: {:.1f} us\n", rest.count(), latency_us(rank, rest)));
  }
}

int run_rank(const Options& options, Cores cores, const std::function<Communicator()>& connect) {
  const Buffer send(options.max_bytes, options.memory);
  const Buffer receive(options.max_bytes, options.memory);
  const Stream stream;
  Communicator communicator = connect();
  const EngineThread engine;
  Rank rank{options, communicator, stream, send, receive, engine, 0};
  bind(rank, cores, engine);
  rank.meet();
  rank.steps_per_us = steps_per_us();
  report(rank);
  communicator.close();
  return kExitOk;
}

int run(const std::vector<std::string>& given) {
  std::vector<std::string> arguments = given;
  const Cores cores = std::erase(arguments, "--spare-core") != 0 ? Cores::one_spare : Cores::one_per_rank;
  auto parsed = parse_options("overlap_perf", arguments);
  if (const auto* early = std::get_if<EarlyExit>(&parsed)) {
    std::fputs(early->text.c_str(), early->status == kExitOk ? stdout : stderr);
    return early->status;
  }
  const auto& options = std::get<Options>(parsed);
  return run_ranks("overlap_perf", options, [&](const std::function<Communicator()>& connect) { return run_rank(options, cores, connect); });
}

}  // namespace
}  // namespace tutti::perf

int main(int argc, char** argv) {
  try {
    return tutti::perf::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    fmt::print(stderr, "overlap_perf: {}\n", error.what());
    return tutti::perf::kExitFailure;
  }
}
