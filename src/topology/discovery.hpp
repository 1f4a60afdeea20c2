// SPDX-License-Identifier: Apache-2.0
// Where in its host a process runs, as hwloc sees it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.hpp"

struct hwloc_topology;

namespace tutti::topology {

// Processors are numbered as the kernel does; higher ones are taken not to exist.
inline constexpr uint32_t kMostProcessors = 4096;

// The units of a host that a process belongs to. Each is named by its lowest processor, so that processes which may use different processors name it
// alike. All 0: unknown, or a host in one piece.
struct Place {
  uint32_t package = 0;
  uint32_t numa_node = 0;  // the processors nearest to one memory
  uint32_t cache = 0;      // the processors that share a last-level cache

  bool operator==(const Place&) const = default;
};

// A set of processors, one bit each.
using ProcessorWords = std::vector<uint64_t>;

// What hwloc knows of a host. Immutable once made, so any number of threads may ask it.
class Processors {
 public:
  // This machine, or what hwloc's own variables put in its place (HWLOC_SYNTHETIC, HWLOC_XMLFILE; with HWLOC_THISSYSTEM=1 they describe this
  // machine). Errors: tuttiSystemError naming the call.
  static Result<Processors> discover();
  // As hwloc describes machines that do not exist: "pack:2 [numa] l3:2 core:4 pu:1". Errors: tuttiInvalidArgument with the description.
  static Result<Processors> synthetic(const std::string& description);

  // What all of `allowed` have in common; where that is no one unit, the unit of `current`, on which a process with that choice runs now.
  Place place_of(const ProcessorWords& allowed, uint32_t current) const;
  // The calling thread's, from its binding.
  Place place_of_thread() const;
  // Those on which any thread of the process may run. Empty: unknown.
  ProcessorWords allowed_to_process() const;

 private:
  struct Destroy {
    void operator()(hwloc_topology* topology) const;
  };
  using Handle = std::unique_ptr<hwloc_topology, Destroy>;

  explicit Processors(Handle handle);
  static Result<Handle> make_handle();
  static Status load(hwloc_topology* handle);

  Handle handle_;
  std::vector<Place> places_;  // by processor
};

// This machine's processors, looked at once in a process; null if hwloc fails, of which one INFO line tells why.
const Processors* processors_of_this_machine();

}  // namespace tutti::topology
