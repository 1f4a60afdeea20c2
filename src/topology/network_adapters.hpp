// SPDX-License-Identifier: Apache-2.0
// The network adapters of this machine, as hwloc sees them. For people; what transports use, they find out themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.hpp"

namespace tutti::topology {

struct NetworkAdapter {
  enum class Kind : uint8_t { network, rdma };  // "eth0", "mlx5_0"

  std::string name;
  Kind kind = Kind::network;
  uint64_t bits_per_s = 0;   // 0: unknown, as of most virtual machines
  uint32_t processor = 0;    // the lowest of those nearest to it
  bool is_near_all = false;  // to all processors of the machine
};

// In hwloc's order, at most 1,024. Virtual ones, which are no device, are not among them. Errors: tuttiSystemError naming the call.
Result<std::vector<NetworkAdapter>> network_adapters();

}  // namespace tutti::topology
