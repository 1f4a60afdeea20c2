// SPDX-License-Identifier: Apache-2.0
#include "collective.hpp"
#include "launch.hpp"

int main(int argc, char** argv) { return tutti::perf::run_program(tutti::perf::collective(), argc, argv); }
