// SPDX-License-Identifier: Apache-2.0
// Built once for each collective, which TUTTI_PERF_COLLECTIVE names.
#include "collectives/collectives.hpp"
#include "launch.hpp"

int main(int argc, char** argv) {
  return tutti::perf::run_program(tutti::perf::collectives::TUTTI_PERF_COLLECTIVE(), argc, argv);
}
