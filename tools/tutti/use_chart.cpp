// SPDX-License-Identifier: Apache-2.0
#include "use_chart.hpp"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "svg.hpp"

namespace tutti::tool {
namespace {

constexpr double kMargin = 24;
constexpr double kChartWidth = 900;
constexpr double kChartRow = 52;
constexpr double kRowGap = 26;
constexpr double kChartTop = 64;
constexpr uint32_t kTicks = 5;

double microseconds(uint64_t ns) { return static_cast<double>(ns) / 1e3; }

void draw_row(Drawing& drawing, double top, std::string_view name, const std::vector<double>& shares) {
  const double bottom = top + kChartRow;
  double sum = 0;
  std::vector<Point> corners = {{kMargin, bottom}};
  const double step = kChartWidth / static_cast<double>(shares.size());
  for (size_t part = 0; part < shares.size(); ++part) {
    sum += shares[part];
    const double height = bottom - kChartRow * shares[part];
    corners.push_back({kMargin + step * static_cast<double>(part), height});
    corners.push_back({kMargin + step * static_cast<double>(part + 1), height});
  }
  corners.push_back({kMargin + kChartWidth, bottom});
  drawing.text({kMargin, top - 5}, Anchor::start, "note", fmt::format("{}: {:.0f} %", name, 100 * sum / static_cast<double>(shares.size())));
  drawing.line({kMargin, top}, {kMargin + kChartWidth, top}, "faint");
  drawing.polygon(corners, "unit");
  drawing.line({kMargin, bottom}, {kMargin + kChartWidth, bottom}, "link");
}

nlohmann::json named(std::string_view what, uint32_t process, uint32_t thread, std::string name) {
  return {{"ph", "M"}, {"name", what}, {"pid", process}, {"tid", thread}, {"args", {{"name", std::move(name)}}}};
}

// A comma after each but the last.
class Events {
 public:
  void add(const nlohmann::json& event) {
    text_ += text_.empty() ? "" : ",\n";
    text_ += event.dump();
  }
  std::string finish() && { return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" + std::move(text_) + "\n]}\n"; }

 private:
  std::string text_;
};

}  // namespace

std::string use_chart(const Course& course) {
  Drawing drawing;
  drawing.text({kMargin, 30}, Anchor::start, "title", course.title);
  double top = kChartTop;
  draw_row(drawing, top, "mean of all links used", course.use.all);
  for (size_t index = 0; index < course.use.each.size(); ++index) {
    top += kChartRow + kRowGap;
    draw_row(drawing, top, course.link_names[index], course.use.each[index]);
  }
  const double bottom = top + kChartRow;
  for (uint32_t tick = 0; tick <= kTicks; ++tick) {
    const double x = kMargin + kChartWidth * tick / kTicks;
    drawing.line({x, bottom}, {x, bottom + 5}, "link");
    drawing.text({x, bottom + 18}, tick == 0 ? Anchor::start : tick == kTicks ? Anchor::end : Anchor::middle, "small",
                 fmt::format("{:.1f} us", microseconds(course.end_ns - course.begin_ns) * tick / kTicks));
  }
  return drawing.finish(kChartWidth + 2 * kMargin, bottom + 36, course.title);
}

std::string perfetto_trace(const Course& course, std::span<const sim::Flight> flights) {
  Events events;
  std::map<std::pair<uint32_t, uint32_t>, std::map<uint32_t, uint32_t>> threads;  // by source and target, then channel
  std::map<uint32_t, uint32_t> thread_counts;                                     // by source
  for (const sim::Flight& flight : flights) {
    auto& channels = threads[{flight.source, flight.target}];
    const auto [thread, is_new] = channels.try_emplace(flight.channel, 0);
    if (is_new) {
      uint32_t& count = thread_counts[flight.source];
      if (count == 0) {
        events.add(named("process_name", flight.source, 0, fmt::format("{} {}", course.chip, flight.source)));
      }
      thread->second = ++count;
      events.add(named("thread_name", flight.source, count, fmt::format("to {}, channel {}", flight.target, flight.channel)));
    }
    events.add({{"ph", "X"},
                {"name", fmt::format("to {}", flight.target)},
                {"cat", "frame"},
                {"pid", flight.source},
                {"tid", thread->second},
                {"ts", microseconds(flight.begin_ns - course.begin_ns)},
                {"dur", microseconds(flight.depart_ns - flight.begin_ns)},
                {"args", {{"bytes", flight.bytes}, {"arrives_us", microseconds(flight.arrive_ns - course.begin_ns)}}}});
  }
  const double step = course.use.all.empty() ? 0 : microseconds(course.end_ns - course.begin_ns) / static_cast<double>(course.use.all.size());
  const auto add_counter = [&](const std::string& name, const std::vector<double>& shares) {
    for (size_t part = 0; part < shares.size(); ++part) {
      events.add({{"ph", "C"}, {"name", name}, {"pid", course.chip_count}, {"ts", step * static_cast<double>(part)}, {"args", {{"percent", 100 * shares[part]}}}});
    }
  };
  events.add(named("process_name", course.chip_count, 0, "links, percent of the time"));
  add_counter("all links used", course.use.all);
  for (size_t index = 0; index < course.use.each.size(); ++index) {
    add_counter(course.link_names[index], course.use.each[index]);
  }
  return std::move(events).finish();
}

}  // namespace tutti::tool
