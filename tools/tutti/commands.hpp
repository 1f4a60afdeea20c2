// SPDX-License-Identifier: Apache-2.0
// What subcommands share. A file commands/<name>.cpp defines `void add_<name>(CLI::App& program)`, which adds the subcommand and its callback.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <string_view>

#include "base/status.hpp"
#include "topology/model.hpp"

namespace tutti::tool {

// What the program exits with.
enum ExitCode : int {
  kGood = 0,
  kWrongInput = 1,  // a file is wrong, or cannot be read or written
  kWrongUsage = 2,  // the command line is
};

// Functions that add a subcommand to the program.
std::span<void (*const)(CLI::App&)> command_table();

// Ends the program with a message on stderr. In callbacks only.
[[noreturn]] void fail(ExitCode code, std::string_view message);

// The model that "NAME[:SHAPE]" or "PATH[:SHAPE]" names. Fails with kWrongUsage if there is no such model or shape, kWrongInput if its file is wrong.
topology::Model require_model(std::string_view reference);
// Help for options and arguments of these kinds; completion offers what there is where it finds one.
inline constexpr const char* kModelArgument = "MODEL[:SHAPE]";
inline constexpr const char* kCollectiveArgument = "COLLECTIVE";
inline constexpr const char* kAlgorithmArgument = "ALGORITHM";

// Writes a whole file, "-" is stdout. Fails with kWrongInput.
void write_file(const std::string& path, std::string_view text);

}  // namespace tutti::tool
