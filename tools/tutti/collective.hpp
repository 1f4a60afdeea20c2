// SPDX-License-Identifier: Apache-2.0
// A collective on a machine, as command lines name it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "planner/planner.hpp"

namespace tutti::tool {

struct CollectiveOptions {
  std::string collective;
  uint64_t bytes = uint64_t{1} << 20;
  std::string model;  // empty: this machine
  uint32_t rank_count = 0;
  uint32_t root = 0;
  bool adjacent = false;
  std::string files;  // in MSCCL's format; empty: those of TUTTI_ALGO_FILE
};

// Whether the command has an amount to speak of.
enum class Amount : uint8_t { none, bytes };
void add_collective_options(CLI::App& command, CollectiveOptions& options, Amount amount);

// The option that names files in MSCCL's format, and what to do without it.
void add_file_option(CLI::App& command, std::string& files);
std::string files_or_those_set(const std::string& files);

// By name.
std::vector<planner::Algorithm> all_algorithms();

struct PlannedCollective {
  std::unique_ptr<planner::Planner> planner;
  planner::Call call;
  std::string machine;  // "google-tpu-v5p:2x2x4"
};
// Of rank `rank`. Fails with kWrongUsage when it does not make sense.
PlannedCollective planned(const CollectiveOptions& options, uint32_t rank);
// An algorithm that solves it there, though perhaps with messages that the machine does not carry. Fails with kWrongUsage, naming those that do.
const planner::Algorithm& require_algorithm(const PlannedCollective& planned, const std::string& name);

}  // namespace tutti::tool
