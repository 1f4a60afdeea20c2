// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <fmt/format.h>

namespace tutti::perf {
namespace {

constexpr const char* kColumns = "# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}  {:>7}  {:>6}  {:>6}  {:>6}";
constexpr const char* kIterationColumns = "  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}";

int library_version() {
  int version = 0;
  return tuttiGetVersion(&version) == tuttiSuccess ? version : 0;
}

std::string columns_text(const Options& options) {
  const bool each = options.per_iteration == Iterations::timed_one_by_one;
  const auto more = [&](const std::string& text) { return each ? text + "\n" : std::string("\n"); };
  std::string text = fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>6}           out-of-place                       in-place          ",
                                 "", "", "", "", "");
  text += more(fmt::format("{:>16}{:^38}  {:^38}", "", "out-of-place iterations", "in-place iterations"));
  text += fmt::format(kColumns, "size", "count", "type", "redop", "root", "time", "algbw", "busbw", "#wrong", "time", "algbw",
                      "busbw", "#wrong");
  text += more(fmt::format(kIterationColumns, "min", "p50", "p99", "max", "min", "p50", "p99", "max"));
  text += fmt::format(kColumns, "(B)", "(elements)", "", "", "", "(us)", "(GB/s)", "(GB/s)", "", "(us)", "(GB/s)", "(GB/s)", "");
  text += more(fmt::format(kIterationColumns, "(us)", "(us)", "(us)", "(us)", "(us)", "(us)", "(us)", "(us)"));
  return text;
}

std::string measurement_text(const Measurement& measurement) {
  const std::string wrong = measurement.wrong ? fmt::format("{}", *measurement.wrong) : "N/A";
  return fmt::format("  {}  {}  {}  {:>6}", fitted(measurement.time_us, 7),
                     fitted(measurement.bandwidth.algorithm_gb_per_s, 6), fitted(measurement.bandwidth.bus_gb_per_s, 6), wrong);
}

std::string iterations_text(const Measurement& measurement) {
  if (!measurement.per_iteration) return "";
  const Distribution& each = *measurement.per_iteration;
  return fmt::format("  {}  {}  {}  {}", fitted(each.least, 8), fitted(each.median, 8), fitted(each.percentile_99, 8),
                     fitted(each.greatest, 8));
}

}  // namespace

std::string fitted(double value, int width) {
  int digits = 0;
  for (double power = 1; value >= power && digits <= width; power *= 10) ++digits;
  if (digits < width - 2) return fmt::format("{:{}.2f}", value, width);
  if (digits < width - 1) return fmt::format("{:{}.1f}", value, width);
  if (digits <= width) return fmt::format("{:{}.0f}", value, width);
  return fmt::format("{:{}.{}e}", value, width, width >= 7 ? 1 : 0);
}

std::string header_text(const RunInfo& run) {
  const Options& options = run.options;
  const bool by_factor = options.step_factor > 1;
  std::string text = fmt::format("# tutti-headers={} tutti-library={}\n", TUTTI_VERSION_CODE, library_version());
  text += fmt::format("# Collective test starting: {}\n", run.program);
  text += fmt::format("# nThread {} minBytes {} maxBytes {} step: {}({}) warmup iters: {} iters: {} agg iters: {} validation: {}\n",
                      options.thread_count, options.min_bytes, options.max_bytes,
                      by_factor ? options.step_factor : options.step_bytes, by_factor ? "factor" : "bytes",
                      options.warmup_iterations, options.iterations, options.aggregated, options.check_iterations);
  if (options.waiting == Waiting::after_each_call) text += "# Blocking Enabled: wait for completion after each collective\n";
  text += "#\n# Using ranks\n";
  for (size_t rank = 0; rank < run.ranks.size(); ++rank) text += fmt::format("#  Rank {:2} {}\n", rank, run.ranks[rank]);
  return text + "#\n" + columns_text(options);
}

std::string row_text(const Row& row) {
  std::string text = fmt::format("{:>12}  {:>12}  {:>8}  {:>6}  {:>6}", row.bytes, row.count, row.datatype, row.op, row.root);
  text += measurement_text(row.out_of_place);
  text += row.in_place ? measurement_text(*row.in_place) : fmt::format("  {:>7}  {:>6}  {:>6}  {:>6}", "N/A", "N/A", "N/A", "N/A");
  text += iterations_text(row.out_of_place);
  if (row.in_place) text += iterations_text(*row.in_place);
  return text + "\n";
}

std::string footer_text(const RunInfo& run, const Summary& summary) {
  return fmt::format(
      "# Out of bounds values : {} {}\n"
      "# Avg bus bandwidth    : {:g}\n"
      "#\n"
      "# Collective test concluded: {}\n",
      summary.failed_checks, summary.failed_checks == 0 ? "OK" : "FAILED", summary.average_bus_gb_per_s(), run.program);
}

}  // namespace tutti::perf
