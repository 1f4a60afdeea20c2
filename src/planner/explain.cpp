// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "planner/explanation.hpp"

namespace tutti::planner {
namespace {

using schedule::Collective;

std::string amount_text(const Explanation& explanation) {
  if (explanation.problem.collective == Collective::barrier) {
    return {};
  }
  const std::string text = schedule::is_cut_vector(explanation.problem.collective) ? ", " : ", blocks of ";
  if (explanation.bytes == 0 && explanation.problem.blocks == schedule::Blocks::variable) {
    return text + "unknown size, priced as " + size_text(explanation.priced_bytes);
  }
  const std::string size = text + size_text(explanation.bytes);
  return explanation.bytes == explanation.priced_bytes ? size : size + ", priced as " + size_text(explanation.priced_bytes);
}

std::string price_text(const Explanation::Candidate& candidate) {
  return (candidate.is_estimate ? "about " : "") + duration_text(candidate.bill.price_ns);
}

// "119.5 MiB": what links carry is seldom round.
std::string load_size_text(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double size = static_cast<double>(bytes);
  for (; size >= 1024 && unit + 1 < std::size(kUnits); ++unit) {
    size /= 1024;
  }
  return size == std::floor(size) ? fmt::format("{:.0f} {}", size, kUnits[unit]) : fmt::format("{:.1f} {}", size, kUnits[unit]);
}

std::string load_text(const cost::Bill& bill) {
  return bill.bottleneck.empty() ? std::string() : fmt::format(", {} over {}", load_size_text(bill.bottleneck_bytes), bill.bottleneck);
}

// "12.00 us of latency and software in 30 steps, 1.20 ms for bytes, of which the bottleneck needs 1.10 ms"
std::string parts_text(const cost::Bill& bill) {
  std::string text = bill.start_ns == 0 ? std::string() : fmt::format("{} to start, ", duration_text(bill.start_ns));
  text += fmt::format("{} of latency and software", duration_text(bill.latency_ns));
  if (bill.reduction_ns != 0) {
    text += fmt::format(", {} reducing and copying", duration_text(bill.reduction_ns));
  }
  text += fmt::format(", {} for bytes on their way", duration_text(bill.transfer_ns));
  if (!bill.bottleneck.empty()) {
    text += fmt::format(" ({} takes {} for {})", bill.bottleneck, duration_text(bill.bottleneck_ns),
                        load_size_text(bill.bottleneck_bytes));
  }
  return text;
}

// "1.20 us more of latency and software": how a part of `other` differs from that of `best`; empty if it does not.
void add_difference(std::string& text, uint64_t best_ns, uint64_t other_ns, std::string_view part) {
  if (best_ns == other_ns) {
    return;
  }
  const bool is_more = other_ns > best_ns;
  text += fmt::format("{}{} {} {}", text.empty() ? "" : ", ", duration_text(is_more ? other_ns - best_ns : best_ns - other_ns),
                      is_more ? "more" : "less", part);
}

std::string differences_text(const cost::Bill& best, const cost::Bill& other) {
  std::string text;
  add_difference(text, best.start_ns, other.start_ns, "to start");
  add_difference(text, best.latency_ns, other.latency_ns, "of latency and software");
  add_difference(text, best.reduction_ns, other.reduction_ns, "reducing and copying");
  add_difference(text, best.transfer_ns, other.transfer_ns, "for bytes on their way");
  return text.empty() ? std::string("all parts are alike") : text;
}

std::string price_difference_text(const Explanation::Candidate& best, const Explanation::Candidate& other) {
  if (other.bill.price_ns == best.bill.price_ns) {
    return "costs the same";
  }
  const bool is_dearer = other.bill.price_ns > best.bill.price_ns;
  const uint64_t difference = is_dearer ? other.bill.price_ns - best.bill.price_ns : best.bill.price_ns - other.bill.price_ns;
  return fmt::format("costs {} {}", duration_text(difference), is_dearer ? "more" : "less");
}

std::string comparison_text(const Explanation::Candidate& best, const Explanation::Candidate& other) {
  return fmt::format("{} {}: {}", other.algorithm, price_difference_text(best, other), differences_text(best.bill, other.bill));
}

std::string reason_text(const Explanation& explanation) {
  const Explanation::Candidate* const chosen = explanation.find(explanation.chosen);
  if (chosen == nullptr) {
    return {};
  }
  std::string text = fmt::format("  {}: {}\n", chosen->algorithm, parts_text(chosen->bill));
  const auto other = std::find_if(explanation.candidates.begin(), explanation.candidates.end(),
                                  [&](const Explanation::Candidate& candidate) { return &candidate != chosen; });
  if (other != explanation.candidates.end()) {
    text += fmt::format("  {}\n", comparison_text(*chosen, *other));
  }
  return text;
}

// A line for each reason.
std::string excluded_text(const Explanation& explanation) {
  std::map<std::string, std::string> names_by_reason;
  for (const Explanation::Excluded& excluded : explanation.excluded) {
    std::string& names = names_by_reason[excluded.reason];
    names += (names.empty() ? "" : ", ") + excluded.algorithm;
  }
  std::string text;
  for (const auto& [reason, names] : names_by_reason) {
    text += fmt::format("  not {}: {}\n", names, reason);
  }
  return text;
}

std::string ranges_text(const Explanation& explanation) {
  std::string text;
  for (const Explanation::Range& range : explanation.ranges) {
    text += fmt::format("  from {:>9}  {}\n", size_text(range.first_bytes), range.algorithm);
  }
  return text.empty() ? text : "  by size, in the same terms:\n" + text;
}

}  // namespace

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

std::string size_text(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits); ++unit) {
    bytes /= 1024;
  }
  return fmt::format("{} {}", bytes, kUnits[unit]);
}

const Explanation::Candidate* Explanation::find(std::string_view algorithm) const {
  const auto found = std::find_if(candidates.begin(), candidates.end(), [&](const Candidate& candidate) { return candidate.algorithm == algorithm; });
  return found == candidates.end() ? nullptr : &*found;
}

std::string to_string(const Explanation& explanation) {
  std::string text = to_string(explanation.problem) + amount_text(explanation) + ":\n";
  for (const std::string& line : explanation.machine) {
    text += "  " + line + "\n";
  }
  if (explanation.candidates.empty()) {
    text += "  no algorithm applies\n";
  }
  size_t name_width = 0;
  for (const Explanation::Candidate& candidate : explanation.candidates) {
    name_width = std::max(name_width, candidate.algorithm.size());
  }
  for (const Explanation::Candidate& candidate : explanation.candidates) {
    const bool is_chosen = candidate.algorithm == explanation.chosen;
    text += fmt::format("  {:{}}  {:>12}  {:6}  {:>5} steps{}; {}\n", candidate.algorithm, name_width, price_text(candidate),
                        !is_chosen              ? ""
                        : explanation.is_forced ? "forced"
                                                : "chosen",
                        candidate.bill.step_count, load_text(candidate.bill), candidate.idea);
  }
  text += reason_text(explanation);
  if (explanation.when_shared) {
    text += fmt::format("  if every rank's buffers are from tuttiMemAlloc: {}, {}\n", explanation.when_shared->algorithm,
                        duration_text(explanation.when_shared->price_ns));
  }
  text += excluded_text(explanation);
  if (explanation.is_forced && explanation.find(explanation.chosen) == nullptr) {
    text += fmt::format("  {} forces {}, which does not apply: the call fails\n", explanation.forced_by, explanation.chosen);
  }
  return text + ranges_text(explanation);
}

Result<std::string> why_not(const Explanation& explanation, std::string_view algorithm) {
  const auto excluded = std::find_if(explanation.excluded.begin(), explanation.excluded.end(),
                                     [&](const Explanation::Excluded& one) { return one.algorithm == algorithm; });
  if (excluded != explanation.excluded.end()) {
    return fmt::format("{} does not apply: {}\n", algorithm, excluded->reason);
  }
  const Explanation::Candidate* const asked = explanation.find(algorithm);
  if (asked == nullptr) {
    std::string known;
    for (const Explanation::Candidate& candidate : explanation.candidates) {
      known += (known.empty() ? "" : ", ") + candidate.algorithm;
    }
    return tl::make_unexpected(invalid_argument("\"{}\" is no algorithm; those that apply are {}", algorithm, known.empty() ? "none" : known));
  }
  const Explanation::Candidate* const chosen = explanation.find(explanation.chosen);
  if (chosen == nullptr || chosen == asked) {
    return fmt::format("{} is what is chosen: {}, {}\n", algorithm, price_text(*asked), parts_text(asked->bill));
  }
  return fmt::format("{:{}}  {:>12}: {}\n{:{}}  {:>12}: {}\n{}\n", chosen->algorithm, std::max(chosen->algorithm.size(), algorithm.size()),
                     price_text(*chosen), parts_text(chosen->bill), algorithm, std::max(chosen->algorithm.size(), algorithm.size()),
                     price_text(*asked), parts_text(asked->bill), comparison_text(*chosen, *asked));
}

}  // namespace tutti::planner
