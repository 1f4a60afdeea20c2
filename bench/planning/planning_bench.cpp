// SPDX-License-Identifier: Apache-2.0
// What a choice costs: one that is cached, all that an init with a few ranks may ask for, and one for a machine of thousands.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "planner/planner.hpp"
#include "registry/registry.hpp"
#include "topology/model_files.hpp"
#include "topology/topology.hpp"

namespace {

using tutti::planner::Algorithm;
using tutti::planner::Call;
using tutti::planner::Planner;
using tutti::schedule::Collective;
using tutti::topology::Topology;

std::vector<Algorithm> all_algorithms() {
  std::vector<Algorithm> algorithms;
  for (const auto family : tutti::registry::algorithm_families()) {
    algorithms.insert(algorithms.end(), family().begin(), family().end());
  }
  return algorithms;
}

Planner planner_for(const Topology& topology) {
  return Planner(Planner::Options{.topology = topology, .rank = 0, .algorithms = all_algorithms(), .overrides = {}});
}

Call call_of(Collective collective, const Topology& topology, uint64_t bytes) {
  const uint64_t count = tutti::schedule::is_cut_vector(collective) ? bytes : bytes / topology.rank_count();
  return {.problem = {.collective = collective, .rank_count = topology.rank_count()}, .element_count = count, .element_bytes = 1};
}

// On one host, over shared memory.
Topology host_of(uint32_t rank_count) {
  Topology topology = Topology::uniform(
      rank_count, {.latency_ns = 500, .bandwidth_bytes_per_s = 10'000'000'000, .source = "benchmark", .reaches_memory = true});
  for (uint32_t rank = 0; rank < rank_count; ++rank) {
    topology.set_host(rank, 0);
  }
  return topology;
}

Topology model_of(const char* reference) {
  const auto model = tutti::topology::load_model(reference, TUTTI_SOURCE_DIR "/topologies");
  if (!model) {
    std::fprintf(stderr, "planning_bench: %s\n", model.error().message().c_str());
    std::exit(3);
  }
  return Topology::of(*tutti::topology::make_fabric(*model));
}

void choose(benchmark::State& state, Planner& planner, const Call& call) {
  if (!planner.plan(call)) {
    state.SkipWithError("no plan");
  }
}

void cached(benchmark::State& state) {
  const Topology topology = host_of(8);
  Planner planner = planner_for(topology);
  const Call call = call_of(Collective::all_reduce, topology, uint64_t{1} << 20);
  choose(state, planner, call);
  for (auto _ : state) {
    benchmark::DoNotOptimize(planner.plan(call));
  }
}

// Every collective at every power of two up to 1 GiB.
void everything_for_a_host(benchmark::State& state) {
  const Topology topology = host_of(static_cast<uint32_t>(state.range(0)));
  for (auto _ : state) {
    Planner planner = planner_for(topology);
    for (const Collective collective : tutti::schedule::planned_collectives()) {
      for (uint32_t power = 0; power <= 30; ++power) {
        choose(state, planner, call_of(collective, topology, uint64_t{1} << power));
      }
    }
  }
}

void first_choice(benchmark::State& state, const char* model, Collective collective) {
  const Topology topology = model_of(model);
  for (auto _ : state) {
    Planner planner = planner_for(topology);
    choose(state, planner, call_of(collective, topology, static_cast<uint64_t>(state.range(0))));
  }
}

BENCHMARK(cached);
BENCHMARK(everything_for_a_host)->Arg(8)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(first_choice, allreduce_of_8960_v5p, "google-tpu-v5p:16x20x28", Collective::all_reduce)
    ->Arg(1 << 12)->Arg(1 << 20)->Arg(1 << 30)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, allgather_of_8960_v5p, "google-tpu-v5p:16x20x28", Collective::all_gather)
    ->Arg(1 << 30)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, alltoall_of_8960_v5p, "google-tpu-v5p:16x20x28", Collective::all_to_all)
    ->Arg(1 << 30)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, broadcast_of_8960_v5p, "google-tpu-v5p:16x20x28", Collective::broadcast)
    ->Arg(1 << 20)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, reducescatter_of_8960_v5p, "google-tpu-v5p:16x20x28", Collective::reduce_scatter)
    ->Arg(1 << 30)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, allreduce_of_8960_h100, "meta-h100-24k:1120", Collective::all_reduce)
    ->Arg(1 << 20)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK_CAPTURE(first_choice, allreduce_of_1024_h100, "nvidia-superpod-h100", Collective::all_reduce)
    ->Arg(1 << 20)->Unit(benchmark::kMillisecond)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
