// SPDX-License-Identifier: Apache-2.0
// One communicator's options, after defaults, environment and the caller's tuttiConfig_t have been put together.
#pragma once

#include <cstdint>
#include <string>

#include "base/settings.hpp"
#include "base/status.hpp"

namespace tutti::comm {

struct Config {
  bool blocking = true;
  uint64_t timeout_ms = 0;  // 0: none
  std::string name = "world";
  std::string transports;  // TUTTI_TRANSPORTS' syntax
  std::string algorithms;  // TUTTI_ALGO's syntax
  std::string topology;    // TUTTI_TOPOLOGY; empty: the machine that there is
  std::string algorithm_files;  // TUTTI_ALGO_FILE
  bool is_split = false;        // from a larger one, that such a file may be for
};

// `config` may be null. Errors name the field and its value.
Result<Config> make_config(const tuttiConfig_t* config, const Settings& settings);

}  // namespace tutti::comm
