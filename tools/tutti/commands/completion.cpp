// SPDX-License-Identifier: Apache-2.0
// tutti completion words -- WORD...: what may come next on a command line, one on a line; the script for bash asks this.
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "base/settings.hpp"
#include "collective.hpp"
#include "commands.hpp"
#include "topology/model_files.hpp"

namespace tutti::tool {
namespace {

void print_models() {
  for (const topology::ModelFile& file : topology::list_models(Settings::environment().topology_path)) {
    fmt::print("{}\n", file.name);
    const auto model = topology::read_model(file.path);
    for (size_t index = 0; model && index < model->shapes.size(); ++index) {
      fmt::print("{}:{}\n", file.name, model->shapes[index].name);
    }
  }
}

// Nothing for kinds of which there are too many.
void print_values(const CLI::Option& option) {
  const std::string kind = option.get_type_name();
  if (kind == kModelArgument) {
    print_models();
  } else if (kind == kCollectiveArgument) {
    for (const schedule::Collective collective : schedule::planned_collectives()) {
      fmt::print("{}\n", schedule::name_of(collective));
    }
  } else if (kind == kAlgorithmArgument) {
    for (const planner::Algorithm& algorithm : all_algorithms()) {
      fmt::print("{}\n", algorithm.name);
    }
  }
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

void print_words(const CLI::App& program, const std::vector<std::string>& before) {
  const CLI::App* app = &program;
  for (const std::string& word : before) {
    for (const CLI::App* inner : commands_of(*app)) {
      if (inner->get_name() == word) {
        app = inner;
        break;
      }
    }
  }
  const CLI::Option* last = before.empty() ? nullptr : app->get_option_no_throw(before.back());
  if (last != nullptr && last->get_expected_min() > 0 && !last->get_positional()) {
    print_values(*last);
    return;
  }
  for (const CLI::App* inner : commands_of(*app)) {
    if (!inner->get_group().empty()) {
      fmt::print("{}\n", inner->get_name());
    }
  }
  for (const CLI::Option* option : app->get_options()) {
    if (!option->get_lnames().empty()) {
      fmt::print("--{}\n", option->get_lnames().front());
    } else if (option->get_positional()) {
      print_values(*option);
    }
  }
}

}  // namespace

void add_completion(CLI::App& program) {
  CLI::App* completion = program.add_subcommand("completion", "What the shell's completion asks")->group("");
  completion->require_subcommand(1);
  CLI::App* words = completion->add_subcommand("words", "Words that may follow");
  const auto before = std::make_shared<std::vector<std::string>>();
  words->add_option("words", *before, "the line so far, without the program and the unfinished word");
  words->callback([&program, before] { print_words(program, *before); });
}

}  // namespace tutti::tool
