// SPDX-License-Identifier: Apache-2.0
// tutti bootstrap: what it takes very many ranks to find each other.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "bootstrap/simulation.hpp"
#include "commands.hpp"

namespace tutti::tool {
namespace {

using bootstrap::SimulatedBootstrap;
using bootstrap::Traffic;

void print_traffic(const char* whose, const Traffic& traffic) {
  fmt::print("{:<28}{:>12}{:>14}{:>14}{:>16}\n", whose, traffic.messages_sent, traffic.messages_received, traffic.bytes_sent, traffic.bytes_received);
}

void simulate_bootstrap(const SimulatedBootstrap::Options& options) {
  if (options.root_count > options.rank_count) {
    fail(kWrongUsage, fmt::format("--roots {}: more than the {} ranks", options.root_count, options.rank_count));
  }
  SimulatedBootstrap job(options);
  job.run();
  Traffic most;
  for (uint32_t rank = 0; rank < options.rank_count; ++rank) {
    if (!job.is_done(rank)) {
      fail(kWrongInput, fmt::format("rank {} has not come through: {}", rank, job.failure(rank).message()));
    }
    const Traffic& traffic = job.traffic_of_rank(rank);
    most.messages_sent = std::max(most.messages_sent, traffic.messages_sent);
    most.messages_received = std::max(most.messages_received, traffic.messages_received);
    most.bytes_sent = std::max(most.bytes_sent, traffic.bytes_sent);
    most.bytes_received = std::max(most.bytes_received, traffic.bytes_received);
  }
  fmt::print("{} ranks, {} root{}, {} round{} of {} bytes from each rank; {:.2f} ms at {:.0f} us a message; {} lines from each rank and as many to it\n\n",
             options.rank_count, options.root_count, options.root_count == 1 ? "" : "s", options.rounds, options.rounds == 1 ? "" : "s",
             options.contribution_bytes, static_cast<double>(job.now_ns()) / 1e6, static_cast<double>(options.latency_ns) / 1e3,
             bootstrap::line_count(options.rank_count));
  fmt::print("{:<28}{:>12}{:>14}{:>14}{:>16}\n", "", "messages out", "messages in", "bytes out", "bytes in");
  print_traffic("root 0 (the id's maker)", job.traffic_of_root(0));
  print_traffic("rank 0", job.traffic_of_rank(0));
  print_traffic("most at any rank", most);
}

}  // namespace

void add_bootstrap(CLI::App& program) {
  const auto options = std::make_shared<SimulatedBootstrap::Options>();
  options->rank_count = 10'000;
  options->rounds = 4;
  options->contribution_bytes = 400;
  CLI::App* command = program.add_subcommand("bootstrap", "Simulate how very many ranks find each other, and count messages and bytes");
  command->footer("Examples:\n  tutti bootstrap --ranks 10000\n  tutti bootstrap --ranks 10000 --roots 8 --bytes 1000");
  command->add_option("--ranks", options->rank_count, "how many")->check(CLI::Range(1u, bootstrap::kMaxRankCount))->capture_default_str();
  command->add_option("--roots", options->root_count, "ids, each of whose makers introduces a share of the ranks")->check(CLI::Range(1u, bootstrap::kMaxRankCount))->capture_default_str();
  command->add_option("--rounds", options->rounds, "all-gathers among the ranks")->check(CLI::Range(1u, 1000u))->capture_default_str();
  command->add_option("--bytes", options->contribution_bytes, "of each rank in each round")->check(CLI::Range(size_t{0}, bootstrap::kMaxContributionBytes))->capture_default_str();
  command->add_option("--latency", options->latency_ns, "ns, of each message")->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000'000}))->capture_default_str();
  command->callback([options] { simulate_bootstrap(*options); });
}

}  // namespace tutti::tool
