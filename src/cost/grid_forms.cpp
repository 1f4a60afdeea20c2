// SPDX-License-Identifier: Apache-2.0
#include "cost/grid_forms.hpp"

#include <algorithm>

#include "cost/arithmetic.hpp"
#include "cost/bucket_form.hpp"
#include "cost/swing_form.hpp"
#include "cost/wave.hpp"
#include "topology/grid.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::Pattern;

// In which reductions pass through scratch (algorithms/torus/trees.cpp).
constexpr uint64_t kReducedPieces = 8;

// A share of the vector goes down each tree, a slice at a time, as deep as all axes are long, and a hop more; or, where some axis does not wrap, as far as
// they go from the root.
std::optional<uint64_t> axis_trees_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                           const NoteWave& note) {
  const std::optional<topology::Grid> grid = topology::Grid::of(topology);
  if (!grid || (problem.collective != Collective::broadcast && problem.collective != Collective::reduce)) {
    return std::nullopt;
  }
  bool is_torus = grid->wraps();
  for (uint32_t axis = 0; axis < grid->axis_count(); ++axis) {
    is_torus = is_torus && (grid->axis(axis).wraps || grid->axis(axis).length == 2);
  }
  const uint64_t pieces = problem.collective == Collective::reduce ? kReducedPieces : 1;
  const uint64_t chunks = pieces * (is_torus ? 2 : 1) * grid->axis_count();
  const uint64_t chunk_bytes = multiply_divide(workload.element_count, workload.element_bytes, chunks);
  const topology::GridPoint root = grid->point_of(problem.root);
  uint64_t through = 0;
  uint64_t slowest_ns = 0;
  uint64_t base_ns = 0;
  uint64_t slice_ns = 0;
  bool has_more = false;
  for (uint32_t axis = 0; axis < grid->axis_count(); ++axis) {
    const uint32_t length = grid->axis(axis).length;
    const uint32_t neighbour = grid->neighbour(0, axis, topology::Direction::up);
    Wave wave(*topology.fabric(), chunk_bytes);
    // Between two chips of a torus both directions' trees share a link.
    wave.add(0, neighbour, Wave::kUnit * (is_torus && length == 2 ? 2 : 1));
    const Wave::Hop hop = wave.hop(0, neighbour, workload.slice_bytes);
    uint64_t hops = grid->axis(axis).wraps ? length / 2 : std::max(root[axis], length - 1 - root[axis]);
    hops = is_torus ? length - 1 : hops;
    // Into the plane across the first axis from beyond it.
    has_more = has_more || (grid->axis_count() > 1 && (is_torus || hops == 1));
    hops += axis + 1 == grid->axis_count() && has_more ? 1 : 0;
    through = add(through, multiply(hops, add(hop.latency_ns, hop.slice_ns)));
    slowest_ns = std::max(slowest_ns, hop.transfer_ns);
    slice_ns = std::max(slice_ns, hop.slice_ns);
    base_ns = std::max(base_ns, wave.base_ns());
    note_axis(*topology.fabric(), *grid, axis, multiply(pieces * (is_torus && length == 2 ? 2 : 1), chunk_bytes), note);
  }
  return add(add(through, multiply(pieces, slowest_ns) - slice_ns), base_ns);
}

// Each share takes the axes in turn, beginning with another one; all of them take each.
std::optional<uint64_t> axis_exchange_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                              const NoteWave& note) {
  const std::optional<topology::Grid> grid = topology::Grid::of(topology);
  const bool is_barrier = problem.collective == Collective::barrier;
  if (!grid || (!is_barrier && problem.collective != Collective::all_reduce)) {
    return std::nullopt;
  }
  const uint64_t chunk_bytes = is_barrier ? 1 : multiply_divide(workload.element_count, workload.element_bytes, grid->axis_count());
  uint64_t longest = 0;
  uint64_t base_ns = 0;
  const uint32_t shares = is_barrier ? 1 : grid->axis_count();
  for (uint32_t first = 0; first < shares; ++first) {
    const topology::AxisOrder order(*grid, first);
    uint64_t sum = 0;
    for (uint32_t turn = 0; turn < order.turn_count(); ++turn) {
      const uint32_t neighbour = grid->neighbour(0, order.axis(turn), topology::Direction::up);
      Wave wave(*topology.fabric(), chunk_bytes);
      wave.add(0, neighbour);
      base_ns = std::max(base_ns, wave.base_ns());
      const Wave::Hop hop = wave.hop(0, neighbour, workload.slice_bytes);
      const uint64_t hops = grid->axis(order.axis(turn)).wraps ? order.window(turn) / 2 : order.window(turn) - 1;
      const uint64_t busy = add(multiply(hops, hop.transfer_ns), hop.latency_ns);
      const uint64_t through = add(multiply(hops, add(hop.latency_ns, hop.slice_ns)), hop.transfer_ns - std::min(hop.slice_ns, hop.transfer_ns));
      sum = add(sum, std::max(busy, through));
      longest = std::max(longest, add(multiply(shares, multiply(hops, hop.transfer_ns)), hop.latency_ns));
      if (first == 0) {
        note_axis(*topology.fabric(), *grid, order.axis(turn), multiply(shares * hops, chunk_bytes), note);
      }
    }
    longest = std::max(longest, sum);
  }
  return add(longest, base_ns);
}

}  // namespace

void note_axis(const topology::Fabric& fabric, const topology::Grid& grid, uint32_t axis, uint64_t bytes, const NoteWave& note) {
  if (!note) {
    return;
  }
  Wave wave(fabric, bytes);
  for (uint32_t rank = 0; rank < grid.rank_count(); ++rank) {
    const uint32_t place = grid.point_of(rank)[axis];
    if (grid.axis(axis).wraps || place + 1 != grid.axis(axis).length) {
      wave.add(rank, grid.neighbour(rank, axis, topology::Direction::up));
    }
    if (grid.axis(axis).wraps || place != 0) {
      wave.add(rank, grid.neighbour(rank, axis, topology::Direction::down));
    }
  }
  note(wave, 1);
}

bool follows_grid(Pattern pattern) {
  return pattern == Pattern::bucket || pattern == Pattern::swing || pattern == Pattern::swing_whole || pattern == Pattern::axis_exchange ||
         pattern == Pattern::axis_trees;
}

std::optional<uint64_t> grid_form_ns(Pattern pattern, const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                     const NoteWave& note) {
  switch (pattern) {
    case Pattern::bucket: return bucket_form_ns(problem, topology, workload, note);
    case Pattern::swing: return swing_form_ns(problem, topology, workload, SwingMessages::halves, note);
    case Pattern::swing_whole: return swing_form_ns(problem, topology, workload, SwingMessages::whole, note);
    case Pattern::axis_exchange: return axis_exchange_form_ns(problem, topology, workload, note);
    case Pattern::axis_trees: return axis_trees_form_ns(problem, topology, workload, note);
    default: return std::nullopt;
  }
}

}  // namespace tutti::cost
