// SPDX-License-Identifier: Apache-2.0
// Which network devices are near to where a rank runs: at the same NUMA node, so that what they move does not cross from one to another.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/interfaces.hpp"

namespace tutti {

// Of a thread, by what Linux tells in a tree of files.
class Nearness {
 public:
  // Of the calling thread, on this machine.
  static Nearness of_this_thread();
  // Of one that may run on `processors`; `tree` is laid out as /sys.
  Nearness(std::filesystem::path tree, std::vector<uint32_t> processors);

  enum class Place : uint8_t {
    unknown,  // what is no device of this machine, as a bridge or one end of a veth pair, or one whose node nobody knows
    near,     // at the node to which the thread is bound
    far       // or the thread may run at several nodes
  };
  // "eth0"
  Place of_interface(std::string_view name) const;
  // "mlx5_0"
  Place of_adapter(std::string_view name) const;
  // What the driver says of an interface; 0: nothing.
  uint64_t bits_per_s_of_interface(std::string_view name) const;

 private:
  Place of_device(const std::filesystem::path& folder) const;

  std::filesystem::path tree_;
  std::vector<uint32_t> processors_;
};

// Puts interfaces that are near before others of the same speed and the same kind of address. What is not known to be near or far stays at its place, and no
// interface overtakes one of another speed.
void prefer_near(std::vector<Interface>& interfaces, const Nearness& nearness);

}  // namespace tutti
