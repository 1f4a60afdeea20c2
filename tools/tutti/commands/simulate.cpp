// SPDX-License-Identifier: Apache-2.0
// tutti simulate: what a collective would do on a machine.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "collective.hpp"
#include "commands.hpp"
#include "model_text.hpp"
#include "use_chart.hpp"
#include "schedule/names.hpp"
#include "simulator/world.hpp"
#include "topology/model.hpp"

namespace tutti::tool {
namespace {

using schedule::Collective;

struct SimulateOptions {
  std::string collective = "allreduce";
  std::string model;
  uint64_t bytes = uint64_t{1} << 20;
  uint32_t root = 0;
  std::string algorithm;
  std::string files;  // in MSCCL's format, that come before others
  std::string spread = "least-loaded";
  uint64_t seed = 0;
  uint32_t link_count = 5;
  uint64_t most_frames = 0;
  std::string svg_file;
  std::string trace_file;
  bool json = false;

  bool records() const { return !svg_file.empty() || !trace_file.empty(); }
};

// Frames that pictures show, as many as a browser takes.
constexpr size_t kMostFlights = 500'000;

constexpr std::array kCollectives = {Collective::all_reduce,    Collective::reduce,     Collective::broadcast, Collective::all_gather,
                                     Collective::reduce_scatter, Collective::all_to_all, Collective::gather,    Collective::scatter,
                                     Collective::barrier};

struct Link {
  topology::LinkId id = 0;
  std::string name;
  uint64_t bytes = 0;
  uint64_t busy_ns = 0;
};

struct Simulated {
  const SimulateOptions& options;
  const topology::Model& model;
  uint32_t chip_count = 0;
  simulator::Outcome outcome;
  std::vector<Link> busiest;
};

Collective collective_of(const std::string& name) {
  const auto found = std::ranges::find(kCollectives, std::string_view(name), [](Collective one) { return schedule::name_of(one); });
  return found == kCollectives.end() ? Collective::all_reduce : *found;  // the command line has been checked
}

// Bytes that a link of a ring must carry for each byte of the call: the correction of nccl-tests, with which all collectives of a machine compare.
double bus_factor(Collective collective, uint32_t chip_count) {
  const double share = (chip_count - 1.0) / chip_count;
  switch (collective) {
    case Collective::all_reduce:
      return 2 * share;
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
    case Collective::gather:
    case Collective::scatter:
      return share;
    default:
      return 1;
  }
}

double gigabytes_per_s(const Simulated& result) {
  return result.outcome.elapsed_ns == 0 ? 0 : static_cast<double>(result.options.bytes) / static_cast<double>(result.outcome.elapsed_ns);
}

double bus_gigabytes_per_s(const Simulated& result) {
  return gigabytes_per_s(result) * bus_factor(collective_of(result.options.collective), result.chip_count);
}

std::string reference_of(const topology::Model& model) {
  const std::string shape = model.shape();
  return shape.empty() ? model.name : model.name + ":" + shape;
}

std::string trace_text(const Simulated& result) { return fmt::format("{:016x}", result.outcome.trace_hash); }

double busy_percent(const Simulated& result, const Link& link) {
  return result.outcome.elapsed_ns == 0 ? 0 : 100 * static_cast<double>(link.busy_ns) / static_cast<double>(result.outcome.elapsed_ns);
}

std::string title_of(const Simulated& result) {
  return fmt::format("{} of {} bytes on {}", result.options.collective, grouped(result.options.bytes), reference_of(result.model));
}

void print_text(const Simulated& result) {
  const simulator::Outcome& outcome = result.outcome;
  fmt::print("{}, {}\n", title_of(result), counted(result.chip_count, result.model.chip));
  fmt::print("algorithm  {}{}\n", outcome.algorithm,
             outcome.too_large.empty() ? "" : fmt::format("; {} is priced lower, but has too many steps unless --algo asks for it", outcome.too_large));
  fmt::print("time       {:.2f} us, priced {:.2f} us\n", static_cast<double>(outcome.elapsed_ns) / 1e3, static_cast<double>(outcome.price_ns) / 1e3);
  if (outcome.price_in_frames_ns != outcome.price_ns) {
    fmt::print("           priced {:.2f} us if passed on by {} bytes, as simulated to save time (--frames)\n",
               static_cast<double>(outcome.price_in_frames_ns) / 1e3, grouped(outcome.frame_bytes));
  }
  fmt::print("bandwidth  {:.2f} GB/s, {:.2f} GB/s on the bus\n", gigabytes_per_s(result), bus_gigabytes_per_s(result));
  fmt::print("messages   {} bytes in {} frames\n", grouped(outcome.bytes_moved), grouped(outcome.frame_count));
  fmt::print("trace      {}\n", trace_text(result));
  if (!result.busiest.empty()) {
    fmt::print("busiest links\n");
  }
  size_t width = 0;
  for (const Link& link : result.busiest) {
    width = std::max(width, link.name.size());
  }
  for (const Link& link : result.busiest) {
    fmt::print("  {:<{}}  {:5.1f} % of the time, {} bytes\n", link.name, width, busy_percent(result, link), grouped(link.bytes));
  }
}

void print_json(const Simulated& result) {
  nlohmann::json links = nlohmann::json::array();
  for (const Link& link : result.busiest) {
    links.push_back({{"name", link.name}, {"bytes", link.bytes}, {"busy_ns", link.busy_ns}});
  }
  const nlohmann::json text = {{"collective", result.options.collective},
                               {"bytes", result.options.bytes},
                               {"root", result.options.root},
                               {"topology", reference_of(result.model)},
                               {"chip_count", result.chip_count},
                               {"algorithm", result.outcome.algorithm},
                               {"too_large", result.outcome.too_large},
                               {"time_ns", result.outcome.elapsed_ns},
                               {"price_ns", result.outcome.price_ns},
                               {"price_in_frames_ns", result.outcome.price_in_frames_ns},
                               {"frame_bytes", result.outcome.frame_bytes},
                               {"algbw_gb_per_s", gigabytes_per_s(result)},
                               {"busbw_gb_per_s", bus_gigabytes_per_s(result)},
                               {"moved_bytes", result.outcome.bytes_moved},
                               {"frame_count", result.outcome.frame_count},
                               {"trace", trace_text(result)},
                               {"busiest_links", links}};
  fmt::print("{}\n", text.dump(2));
}

std::vector<Link> busiest_links(const topology::Traffic& traffic, uint32_t count) {
  std::vector<topology::LinkId> links;
  for (topology::LinkId link = 0; link < traffic.flows().link_count(); ++link) {
    if (traffic.flows().carried_bytes(link) != 0) {
      links.push_back(link);
    }
  }
  const auto is_busier = [&](topology::LinkId left, topology::LinkId right) {
    const uint64_t left_ns = traffic.flows().busy_ns(left);
    const uint64_t right_ns = traffic.flows().busy_ns(right);
    return left_ns != right_ns ? left_ns > right_ns : left < right;
  };
  const size_t shown = std::min<size_t>(count, links.size());
  std::partial_sort(links.begin(), links.begin() + static_cast<ptrdiff_t>(shown), links.end(), is_busier);
  std::vector<Link> busiest;
  for (size_t index = 0; index < shown; ++index) {
    busiest.push_back({.id = links[index],
                       .name = traffic.fabric().name(links[index]),
                       .bytes = traffic.flows().carried_bytes(links[index]),
                       .busy_ns = traffic.flows().busy_ns(links[index])});
  }
  return busiest;
}

// One line on a terminal that is drawn again, and gone in the end.
class ProgressBar {
 public:
  ~ProgressBar() {
    if (percent_ >= 0) {
      fmt::print(stderr, "\r{:{}}\r", "", kWidth + 8);
    }
  }
  static bool is_wanted() { return isatty(STDERR_FILENO) != 0; }
  void show(const simulator::World::Progress& progress) {
    const double part = progress.all_bytes == 0 ? 0 : static_cast<double>(progress.arrived_bytes) / static_cast<double>(progress.all_bytes);
    const int percent = static_cast<int>(100 * std::min(part, 1.0));
    if (percent != percent_) {
      percent_ = percent;
      fmt::print(stderr, "\r[{:.<{}}] {:3} %", std::string(static_cast<size_t>(percent * kWidth / 100), '#'), kWidth, percent);
    }
  }

 private:
  static constexpr int kWidth = 50;
  int percent_ = -1;
};

void write_pictures(const Simulated& result, const simulator::World& world, const simulator::Recording& recording) {
  if (!recording.is_complete()) {
    fmt::print(stderr, "tutti: the pictures show the first {} frames; --frames makes them fewer and longer\n", grouped(kMostFlights));
  }
  const sim::Network& network = world.network();
  simulator::UseRequest request{.fabric = network.traffic()->fabric_pointer(), .traffic = network.options().traffic, .links = {}, .end_ns = network.now_ns()};
  Course course{.title = title_of(result) + " by " + result.outcome.algorithm,
                .chip = result.model.chip,
                .chip_count = result.chip_count,
                .end_ns = network.now_ns(),
                .link_names = {},
                .use = {}};
  for (const Link& link : result.busiest) {
    request.links.push_back(link.id);
    course.link_names.push_back(link.name);
  }
  course.use = simulator::use_over_time(recording.flights(), request);
  if (!result.options.svg_file.empty()) {
    write_file(result.options.svg_file, use_chart(course));
  }
  if (!result.options.trace_file.empty()) {
    write_file(result.options.trace_file, perfetto_trace(course, recording.flights()));
  }
}

ExitCode exit_code_of(const Status& status) {
  return status.code() == tuttiInvalidArgument || status.code() == tuttiUnsupported ? kWrongUsage : kWrongInput;
}

void simulate(const SimulateOptions& options) {
  const topology::Model model = require_model(options.model);
  const auto fabric = topology::make_fabric(model);
  if (!fabric) {
    fail(kWrongUsage, fabric.error().message());
  }
  const bool names_collective = options.algorithm.empty() || options.algorithm.find(':') != std::string::npos;
  simulator::WorldOptions world_options{.topology = topology::Topology::of(*fabric),
                                        .algorithms = names_collective ? options.algorithm : options.collective + ":" + options.algorithm,
                                        .algorithm_files = files_or_those_set(options.files),
                                        .most_frames = options.most_frames};
  world_options.traffic = {.spread = options.spread == "hashed" ? topology::Spread::hashed : topology::Spread::least_loaded, .seed = options.seed};
  simulator::Recording recording(kMostFlights);
  if (options.records()) {
    world_options.on_flight = [&](const sim::Flight& flight) { recording.add(flight); };
  }
  auto world = simulator::World::make(std::move(world_options));
  if (!world) {
    fail(exit_code_of(world.error()), world.error().message());
  }
  const auto outcome = [&] {
    ProgressBar bar;
    const auto report = [&](const simulator::World::Progress& progress) { bar.show(progress); };
    return (*world)->run({.collective = collective_of(options.collective), .bytes = options.bytes, .root = options.root},
                         ProgressBar::is_wanted() ? simulator::World::Report(report) : simulator::World::Report());
  }();
  if (!outcome) {
    fail(exit_code_of(outcome.error()), outcome.error().message());
  }
  const Simulated result{.options = options,
                      .model = model,
                      .chip_count = (*fabric)->chip_count(),
                      .outcome = *outcome,
                      .busiest = busiest_links(*(*world)->network().traffic(), options.link_count)};
  if (options.records()) {
    write_pictures(result, **world, recording);
  }
  options.json ? print_json(result) : print_text(result);
}

}  // namespace

void add_simulate(CLI::App& program) {
  const auto options = std::make_shared<SimulateOptions>();
  std::vector<std::string> names;
  for (const Collective collective : kCollectives) {
    names.emplace_back(schedule::name_of(collective));
  }
  CLI::App* simulate_command = program.add_subcommand("simulate", "Run a collective on a modelled machine, and say how long it takes there");
  simulate_command->footer("Examples:\n  tutti simulate allreduce --topology google-tpu-v5p:4x4x8 --bytes 1G\n"
                           "  tutti simulate alltoall --topology nvidia-dgx-h100 --bytes 64M --algo pairwise --json\n"
                           "  tutti simulate allgather --topology aws-trn2 --bytes 1M --svg use.svg --trace use.json");
  simulate_command->add_option("collective", options->collective, "which one")->check(CLI::IsMember(names))->capture_default_str();
  simulate_command->add_option("--topology,-t", options->model, "the machine: a model by name, or its file, and its shape")
      ->type_name(kModelArgument)
      ->required();
  simulate_command->add_option("--bytes,-b", options->bytes, "of the vector, or of all ranks' blocks together; 64K, 1M, 1G")
      ->transform(CLI::AsSizeValue(false))
      ->transform(CLI::Validator([](std::string& text) { return text.starts_with('-') ? text + " is negative" : std::string(); }, ""))
      ->type_name("BYTES")
      ->capture_default_str();
  simulate_command->add_option("--root", options->root, "the rank that gives or gets, where there is one")->type_name("RANK")->capture_default_str();
  simulate_command->add_option("--algo", options->algorithm, "the algorithm, or several as TUTTI_ALGO names them; without, the cheapest")->type_name("NAME");
  add_file_option(*simulate_command, options->files);
  simulate_command->add_option("--spread", options->spread, "how messages choose among equally good ways")
      ->check(CLI::IsMember({"least-loaded", "hashed"}))
      ->capture_default_str();
  simulate_command->add_option("--seed", options->seed, "of that choice")->type_name("NUMBER")->capture_default_str();
  simulate_command->add_option("--frames", options->most_frames,
                               "at most about so many are simulated: fewer and longer ones take less time; without, 3000000, or 100 for each chip if "
                               "that is more")
      ->check(CLI::PositiveNumber)
      ->type_name("COUNT");
  simulate_command->add_option("--links", options->link_count, "how many of the busiest links to name")->type_name("COUNT")->capture_default_str();
  simulate_command->add_option("--svg", options->svg_file, "write a chart of how busy links were over time")->type_name("FILE");
  simulate_command->add_option("--trace", options->trace_file, "write all frames as trace events, which ui.perfetto.dev shows")->type_name("FILE");
  simulate_command->add_flag("--json", options->json, "as JSON");
  simulate_command->callback([options] { simulate(*options); });
}

}  // namespace tutti::tool
