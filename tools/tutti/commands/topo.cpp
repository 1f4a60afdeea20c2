// SPDX-License-Identifier: Apache-2.0
// tutti topo: this machine, a model of another, or the ranks of a job.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/settings.hpp"
#include "commands.hpp"
#include "live.hpp"
#include "machine_text.hpp"
#include "model_text.hpp"
#include "topology/model_files.hpp"

namespace tutti::tool {
namespace {

struct TopoOptions {
  std::string model;
  std::string svg_file;
  bool json = false;
  bool live = false;
  std::vector<std::string> checked_files;
};

void show_this_machine(const TopoOptions& options) {
  if (!options.svg_file.empty()) {
    fail(kWrongUsage, "--svg draws a model; name one");
  }
  const auto machine = this_machine();
  if (!machine) {
    fail(kWrongInput, machine.error().message());
  }
  fmt::print("{}", options.json ? json_text(*machine) : tree_text(*machine));
}

void show_live(const TopoOptions& options) {
  if (!options.model.empty() || !options.svg_file.empty()) {
    fail(kWrongUsage, "--live shows the ranks of a job, not a model");
  }
  const std::vector<std::string> links = links_of_all_ranks();
  if (!links.empty()) {
    fmt::print("{}", options.json ? live_json(links) : live_text(links));
  }
}

void show_model(const TopoOptions& options) {
  const topology::Model model = require_model(options.model);
  const auto fabric = topology::make_fabric(model);
  if (!fabric) {
    fail(kWrongUsage, fabric.error().message());
  }
  const Machine machine{.model = model, .fabric = **fabric};
  if (!options.svg_file.empty()) {
    write_file(options.svg_file, svg_text(machine));
    if (!options.json) {
      return;
    }
  }
  fmt::print("{}", options.json ? json_text(machine) : tree_text(machine));
}

void list_models() {
  const std::vector<topology::ModelFile> files = topology::list_models(Settings::environment().topology_path);
  size_t width = 0;
  for (const topology::ModelFile& file : files) {
    width = std::max(width, file.name.size());
  }
  bool good = true;
  for (const topology::ModelFile& file : files) {
    const auto model = topology::read_model(file.path);
    good = good && model.has_value();
    if (model) {
      fmt::print("{:<{}}  {}, {}\n", file.name, width, model->title, counted(model->chip_count(), model->chip));
    } else {
      fmt::print("{:<{}}  {}\n", file.name, width, model.error().message());
    }
  }
  if (files.empty()) {
    fail(kWrongInput, "no machine models; TUTTI_TOPOLOGY_PATH names folders that hold some");
  }
  if (!good) {
    throw CLI::RuntimeError(kWrongInput);
  }
}

void check_files(const std::vector<std::string>& paths) {
  bool good = true;
  for (const std::string& path : paths) {
    const auto model = topology::read_model(path);
    if (model) {
      fmt::print("{}: {}, {}\n", path, model->title, counted(model->chip_count(), model->chip));
    } else {
      fmt::print(stderr, "{}\n", model.error().message());
      good = false;
    }
  }
  if (!good) {
    throw CLI::RuntimeError(kWrongInput);
  }
}

}  // namespace

void add_topo(CLI::App& program) {
  const auto options = std::make_shared<TopoOptions>();
  CLI::App* topo = program.add_subcommand("topo", "Show this machine, or a model of another: its levels, links and figures");
  topo->footer("Examples:\n  tutti topo google-tpu-v5p:4x4x8\n  tutti topo ./mine.toml:16 --svg mine.svg\n  tutti topo check ./mine.toml\n  mpirun -n 4 tutti topo --live");
  topo->add_option("model", options->model, "a model by name, or its file, and its shape; without one, this machine")->type_name(kModelArgument);
  topo->add_flag("--json", options->json, "as JSON, with the source of each figure");
  topo->add_flag("--live", options->live, "under a launcher: how each pair of its ranks is linked, and why not by better transports");
  topo->add_option("--svg", options->svg_file, "draw the model's structure into a file; - is stdout")->type_name("FILE");

  CLI::App* list = topo->add_subcommand("list", "Name all models");
  list->callback([] { list_models(); });
  CLI::App* check = topo->add_subcommand("check", "Say whether files are good models, or which line and key is wrong");
  check->add_option("file", options->checked_files, "model files")->required()->type_name("FILE");
  check->callback([options] { check_files(options->checked_files); });

  topo->callback([topo, options] {
    if (topo->get_subcommands().empty()) {
      options->live ? show_live(*options) : options->model.empty() ? show_this_machine(*options) : show_model(*options);
    }
  });
}

}  // namespace tutti::tool
