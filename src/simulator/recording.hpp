// SPDX-License-Identifier: Apache-2.0
// What passed a machine's links and when, for pictures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/network.hpp"
#include "topology/fabric.hpp"
#include "topology/traffic.hpp"

namespace tutti::simulator {

// The first frames to arrive, up to a limit. Not thread-safe.
class Recording {
 public:
  explicit Recording(size_t most_flights) : most_flights_(most_flights) {}

  void add(const sim::Flight& flight) {
    if (flights_.size() < most_flights_) {
      flights_.push_back(flight);
    } else {
      is_complete_ = false;
    }
  }

  const std::vector<sim::Flight>& flights() const { return flights_; }
  bool is_complete() const { return is_complete_; }

 private:
  size_t most_flights_;
  std::vector<sim::Flight> flights_;
  bool is_complete_ = true;
};

// Shares of what links could have carried, in equal parts of the time.
struct LinkUse {
  std::vector<double> all;                // the mean of all links that carried anything
  std::vector<std::vector<double>> each;  // of those asked for, in their order
};

// From `begin_ns` to `end_ns`. Frames leave evenly while they do.
struct UseRequest {
  std::shared_ptr<const topology::Fabric> fabric;
  topology::Traffic::Options traffic = {};  // as in the simulation
  std::vector<topology::LinkId> links;
  uint64_t begin_ns = 0;
  uint64_t end_ns = 0;
  size_t part_count = 200;
};
LinkUse use_over_time(std::span<const sim::Flight> flights, const UseRequest& request);

}  // namespace tutti::simulator
