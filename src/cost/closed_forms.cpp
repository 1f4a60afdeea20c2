// SPDX-License-Identifier: Apache-2.0
#include "cost/closed_forms.hpp"

#include <algorithm>

#include "cost/arithmetic.hpp"
#include "cost/circulant_pipeline_form.hpp"
#include "cost/direct_forms.hpp"
#include "cost/form.hpp"
#include "cost/grid_forms.hpp"
#include "cost/ring_forms.hpp"
#include "cost/round_forms.hpp"
#include "cost/stages.hpp"

namespace tutti::cost {
namespace {

using schedule::Collective;
using schedule::Pattern;
using schedule::Problem;

// Who sends how much at each stage.
uint64_t as_told(Form& form, const std::function<void(schedule::Outline&)>& tell) {
  const uint64_t least_bytes = form.problem().collective == Collective::barrier ? 1 : 0;
  Stages stages(form.fabric(), {.bytes = form.bytes(), .least_bytes = least_bytes, .slice_bytes = form.slice_bytes()});
  tell(stages);
  form.note(stages);
  return stages.price_ns();
}

std::optional<uint64_t> without_base(Form& form, const Messages& messages) {
  if (messages.outline) {
    return as_told(form, messages.outline);
  }
  if (goes_in_rounds(messages.pattern)) {
    return round_form_ns(messages.pattern, form);
  }
  switch (messages.pattern) {
    case Pattern::ring: return ring_form_ns(form);
    case Pattern::rings: return rings_form_ns(form);
    case Pattern::one_shot: return one_shot_form_ns(form);
    case Pattern::far_first: return far_first_form_ns(form);
    case Pattern::two_shot: return two_shot_form_ns(form);
    case Pattern::pairwise: return pairwise_form_ns(form);
    case Pattern::circulant_pipeline: return circulant_pipeline_form_ns(form);
    case Pattern::flat_tree: return flat_tree_form_ns(form);
    default: return std::nullopt;
  }
}

std::optional<uint64_t> price(Form& form, const Messages& messages) {
  const auto with_base = [&](uint64_t ns) { return add(ns, form.base_ns()); };
  if (messages.schedules) {
    const std::vector<schedule::Schedule> schedules = messages.schedules();
    if (const auto played = schedules.empty() ? std::nullopt : form.play(schedules)) {
      return with_base(*played);
    }
  }
  if (follows_grid(messages.pattern)) {
    const auto note_wave = [&](const Wave& wave, uint64_t times) { form.note(wave, times); };
    return grid_form_ns(messages.pattern, form.problem(), form.topology(), form.workload(), form.carried_bytes().empty() ? NoteWave() : note_wave);
  }
  const std::optional<uint64_t> time = without_base(form, messages);
  return time ? std::optional(with_base(*time)) : std::nullopt;
}

bool has_none(const Messages& messages, const Problem& problem, const topology::Topology& topology) {
  return topology.fabric() == nullptr || problem.rank_count < 2 || problem.blocks == schedule::Blocks::variable ||
         (messages.pattern == Pattern::other && !messages.outline);
}

}  // namespace

std::optional<uint64_t> closed_form_ns(const Messages& messages, const Problem& problem, const topology::Topology& topology, const Workload& workload,
                                       uint64_t most_played) {
  if (has_none(messages, problem, topology)) {
    return std::nullopt;
  }
  Form form(problem, topology, workload, {.most_played = most_played});
  return price(form, messages);
}

std::optional<Bill> closed_form_bill(const Messages& messages, const Problem& problem, const topology::Topology& topology, const Workload& workload) {
  if (has_none(messages, problem, topology)) {
    return std::nullopt;
  }
  Form form(problem, topology, workload, {.most_played = kMostPlayedMessages});
  form.remember_loads();
  const std::optional<uint64_t> whole = price(form, messages);
  if (!whole) {
    return std::nullopt;
  }
  Bill bill;
  bill.price_ns = *whole;
  bill.start_ns = std::min(form.base_ns(), *whole);
  const uint64_t least = schedule::is_cut_vector(problem.collective) ? problem.rank_count : 1;
  const Workload few{.element_count = std::min(least, multiply(workload.element_count, workload.element_bytes)), .element_bytes = 1};
  Form of_bytes(problem, topology, few, {.most_played = kMostPlayedMessages});
  const uint64_t latency = price(of_bytes, messages).value_or(0);
  bill.latency_ns = std::min(*whole - bill.start_ns, latency - std::min(latency, of_bytes.base_ns()));
  bill.transfer_ns = *whole - bill.start_ns - bill.latency_ns;
  const topology::Fabric& fabric = *topology.fabric();
  for (topology::LinkId link = 0; link < fabric.link_count(); ++link) {
    take_if_busier(bill, form.carried_bytes()[link], fabric.bytes_per_s(link), [&] { return fabric.name(link); });
  }
  return bill;
}

}  // namespace tutti::cost
