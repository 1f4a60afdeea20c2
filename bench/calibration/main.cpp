// SPDX-License-Identifier: Apache-2.0
// What this machine allows two processes: an exchange of cache lines, copies and sums in memory, process_vm_readv, an allreduce by direct
// load and store, loopback TCP. Takes 10 to 20 s and 2.5 GiB of memory; wants two cores that nothing else uses. Or, for planners, what Tutti's own
// links do there, which it keeps.
#include <cstdio>
#include <cstring>
#include <string>

#include "comm/measured_links.hpp"
#include "duo.hpp"
#include "links.hpp"
#include "measurements.hpp"
#include "report.hpp"

namespace {

constexpr const char* kUsage =
    "usage: calibrate [--json | --save]\n"
    "Measures what this machine allows two processes, in 10 to 20 s.\n"
    "  --save  measures the links that Tutti makes here instead, in a second, and keeps them for its planners\n"
    "          in $XDG_CACHE_HOME/tutti, else ~/.cache/tutti; delete the file to forget them\n";

int save_links() {
  using namespace tutti;
  const std::string machine = comm::machine_key();
  const auto path = comm::measured_links_path(machine);
  if (!path) {
    std::fprintf(stderr, "calibrate: neither XDG_CACHE_HOME nor HOME names a folder\n");
    return 1;
  }
  const comm::MeasuredLinks measured = calibrate::measure_links();
  calibrate::print_links(measured);
  if (measured.links.empty()) {
    return 1;
  }
  if (const Status status = comm::write_measured_links(*path, machine, measured); !status.ok()) {
    std::fprintf(stderr, "calibrate: %s\n", status.message().c_str());
    return 1;
  }
  std::printf("kept in %s\n", path->c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace tutti::calibrate;
  const std::string word = argc == 2 ? argv[1] : "";
  if (word == "--help") {
    std::printf("%s", kUsage);
    return 0;
  }
  if (word == "--save") {
    return save_links();
  }
  const bool wants_json = word == "--json";
  if (argc > 1 && !wants_json) {
    std::fprintf(stderr, "%s", kUsage);
    return 2;
  }
  return run_duo(kGreatestBytes, [wants_json](Duo& duo) {
    const Figures figures = measure_all(duo);
    if (duo.self == 0) wants_json ? print_json(figures) : print_table(figures);
  });
}
