// SPDX-License-Identifier: Apache-2.0
// How a rank reaches the others, and why not by better transports: for people, and for `tutti topo --live`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "comm/selection.hpp"

namespace tutti::comm {

struct LinkReport {
  // A better transport that the pair does not use.
  struct PassedOver {
    uint32_t transport = 0;  // index into `transports`
    uint32_t reason = 0;     // index into `texts`
  };
  struct Link {
    uint32_t transport = 0;
    std::string description;  // as Link::describe()
    uint64_t latency_ns = 0;
    uint64_t bandwidth_bytes_per_s = 0;
    uint32_t source = 0;  // of the figures; index into `texts`
    bool reaches_memory = false;
    std::vector<PassedOver> passed_over;
  };

  uint32_t rank = 0;
  std::string host_id = {};
  std::vector<std::string> transports = {};  // best first
  std::vector<std::string> texts = {};       // few, which many links share
  std::vector<Link> links = {};  // by peer; the rank's own means nothing
  std::vector<LeftOut> left_out = {};
};

std::string to_json(const LinkReport& report);

}  // namespace tutti::comm
