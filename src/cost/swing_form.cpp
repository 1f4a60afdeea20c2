// SPDX-License-Identifier: Apache-2.0
#include "cost/swing_form.hpp"

#include <algorithm>
#include <vector>

#include "cost/arithmetic.hpp"
#include "cost/wave.hpp"
#include "schedule/layout.hpp"
#include "topology/swing.hpp"

namespace tutti::cost {

using topology::Grid;
using topology::Swing;

std::optional<uint64_t> swing_form_ns(const schedule::Problem& problem, const topology::Topology& topology, const Workload& workload,
                                      SwingMessages messages, const NoteWave& note) {
  const std::optional<Grid> grid = Grid::of(topology);
  if (problem.collective != schedule::Collective::all_reduce || !grid || !Swing::fits(*grid)) {
    return std::nullopt;
  }
  std::vector<Swing> shares;
  for (uint32_t first = 0; first < grid->axis_count(); ++first) {
    for (const Swing::Mirror mirror : {Swing::Mirror::no, Swing::Mirror::yes}) {
      shares.emplace_back(*grid, first, mirror);
    }
  }
  const auto share_count = static_cast<uint32_t>(shares.size());
  const bool in_halves = messages == SwingMessages::halves;
  const schedule::Layout layout({.problem = problem,
                                 .chunk_count = share_count * (in_halves ? grid->rank_count() : 1),
                                 .element_count = workload.element_count,
                                 .variable = {},
                                 .element_bytes = workload.element_bytes});
  const uint64_t chunk_bytes = multiply(layout.length(0, 1), workload.element_bytes);
  uint64_t sum = 0;      // one step after another
  uint64_t busy = 0;     // of the links alone
  uint64_t through = 0;  // of the first slices
  uint64_t latency_ns = 0;
  uint64_t rest_ns = 0;  // after which the rest of a message comes
  uint64_t base_ns = 0;
  for (uint32_t step = 0; step < shares.front().step_count(); ++step) {
    Wave wave(*topology.fabric(), multiply(chunk_bytes, in_halves ? grid->rank_count() >> (step + 1) : 1));
    for (uint32_t rank = 0; rank < grid->rank_count(); ++rank) {
      for (const Swing& swing : shares) {
        wave.add(rank, swing.peer(rank, step));
      }
    }
    base_ns = std::max(base_ns, wave.base_ns());
    if (note) {
      note(wave, in_halves ? 2 : 1);
    }
    latency_ns = std::max(latency_ns, wave.latency_ns());
    const uint64_t slice_ns = wave.transfer_ns(std::min(workload.slice_bytes, chunk_bytes));
    sum = add(sum, multiply(add(wave.latency_ns(), wave.transfer_ns()), 2));
    busy = add(busy, wave.transfer_ns());
    through = add(through, add(wave.latency_ns(), slice_ns));
    rest_ns = std::max(rest_ns, wave.transfer_ns() - std::min(slice_ns, wave.transfer_ns()));
  }
  // Halves wait for what they are half of; the whole passes through.
  return add(in_halves ? sum : std::max(add(through, rest_ns), add(busy, latency_ns)), base_ns);
}

}  // namespace tutti::cost
