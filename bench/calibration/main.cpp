// SPDX-License-Identifier: Apache-2.0
// What this machine allows two processes: an exchange of cache lines, copies and sums in memory, process_vm_readv, an allreduce by direct
// load and store, loopback TCP. Takes 10 to 20 s and 2.5 GiB of memory; wants two cores that nothing else uses.
#include <cstdio>
#include <cstring>

#include "duo.hpp"
#include "measurements.hpp"
#include "report.hpp"

namespace {

constexpr const char* kUsage = "usage: calibrate [--json]\nMeasures what this machine allows two processes, in 10 to 20 s.\n";

}  // namespace

int main(int argc, char** argv) {
  using namespace tutti::calibrate;
  const bool wants_json = argc == 2 && std::strcmp(argv[1], "--json") == 0;
  if (argc == 2 && std::strcmp(argv[1], "--help") == 0) {
    std::printf("%s", kUsage);
    return 0;
  }
  if (argc > 1 && !wants_json) {
    std::fprintf(stderr, "%s", kUsage);
    return 2;
  }
  return run_duo(kGreatestBytes, [wants_json](Duo& duo) {
    const Figures figures = measure_all(duo);
    if (duo.self == 0) wants_json ? print_json(figures) : print_table(figures);
  });
}
