// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "planner/planner.hpp"

namespace tutti::planner {
namespace {

std::string duration_text(uint64_t ns) {
  if (ns == UINT64_MAX) {
    return "never";
  }
  const auto value = static_cast<double>(ns);
  if (ns < 1'000) {
    return fmt::format("{} ns", ns);
  }
  if (ns < 1'000'000) {
    return fmt::format("{:.2f} us", value / 1e3);
  }
  return ns < 1'000'000'000 ? fmt::format("{:.2f} ms", value / 1e6) : fmt::format("{:.2f} s", value / 1e9);
}

// "64 MiB", "1000 B": a binary unit only where it leaves nothing over.
std::string size_text(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); ++unit) {
    bytes /= 1024;
  }
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

// What a count of a call means.
std::string amount_text(const Call& call) {
  using schedule::Collective;
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(call.element_count, call.element_bytes, &bytes)) {
    bytes = UINT64_MAX;
  }
  std::string text;
  switch (call.problem.collective) {
    case Collective::barrier:
      return text;
    case Collective::all_gather:
    case Collective::reduce_scatter:
    case Collective::all_to_all:
    case Collective::gather:
    case Collective::scatter:
      text = ", blocks of ";
      break;
    default:
      text = ", ";
      break;
  }
  if (bytes == 0 && call.problem.blocks == schedule::Blocks::variable) {
    return text + "unknown size, priced as " + size_text(priced_bytes(call));
  }
  text += size_text(bytes);
  return bytes == priced_bytes(call) ? text : text + ", priced as " + size_text(priced_bytes(call));
}

}  // namespace

std::string Planner::explain_candidates(const Call& call, const std::vector<Candidate>& candidates,
                                        const std::optional<Candidate>& when_shared) const {
  std::string text = to_string(call.problem) + amount_text(call) + ":\n";
  for (const topology::Level& level : options_->topology.levels()) {
    text += "  ranks by " + topology::Topology::to_string(level) + "\n";
  }
  const auto forced = options_->overrides.algorithm.find(call.problem.collective);
  const bool is_forced = this->is_forced(call);
  if (candidates.empty()) {
    text += "  no algorithm applies\n";
  }
  const std::string_view chosen = is_forced ? std::string_view(forced->second) : candidates.empty() ? "" : candidates.front().algorithm->name;
  size_t name_width = 0;
  for (const Candidate& candidate : candidates) {
    name_width = std::max(name_width, candidate.algorithm->name.size());
  }
  bool chosen_applies = false;
  for (const Candidate& candidate : candidates) {
    const bool is_chosen = candidate.algorithm->name == chosen;
    chosen_applies = chosen_applies || is_chosen;
    text += fmt::format("  {:{}}  {:>12}  {:6}  {}\n", candidate.algorithm->name, name_width,
                        (candidate.fidelity == Fidelity::played ? "" : "about ") + duration_text(candidate.price_ns),
                        !is_chosen ? "" : is_forced ? "forced" : "chosen", candidate.algorithm->idea);
  }
  if (when_shared) {
    text += fmt::format("  if every rank's buffers are from tuttiMemAlloc: {}, {}\n", when_shared->algorithm->name, duration_text(when_shared->price_ns));
  }
  std::string others;
  for (const Algorithm& algorithm : options_->algorithms) {
    if (std::none_of(candidates.begin(), candidates.end(), [&](const Candidate& candidate) { return candidate.algorithm == &algorithm; })) {
      others += (others.empty() ? "" : ", ") + std::string(algorithm.name);
    }
  }
  if (!others.empty()) {
    text += fmt::format("  not applicable: {}\n", others);
  }
  if (is_forced && !chosen_applies) {
    text += fmt::format("  TUTTI_ALGO forces {}, which does not apply: the call fails\n", forced->second);
  }
  return text;
}

}  // namespace tutti::planner
