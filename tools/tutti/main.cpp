// SPDX-License-Identifier: Apache-2.0
// The program `tutti`.
#include <cstdio>

#include "commands.hpp"

int main(int argc, char** argv) {
  CLI::App program("Looks at machines and collectives as Tutti sees them.", "tutti");
  program.set_version_flag("--version", "tutti " TUTTI_PROGRAM_VERSION);
  program.require_subcommand(1);
  program.set_help_all_flag("--help-all", "Print the help of all commands and exit");
  for (void (*add)(CLI::App&) : tutti::tool::command_table()) {
    add(program);
  }
  try {
    program.parse(argc, argv);
  } catch (const CLI::RuntimeError& error) {  // a command has said what is wrong
    return error.get_exit_code();
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? tutti::tool::kGood : tutti::tool::kWrongUsage;
  }
  return std::fflush(stdout) == 0 ? tutti::tool::kGood : tutti::tool::kWrongInput;
}
