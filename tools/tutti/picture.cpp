// SPDX-License-Identifier: Apache-2.0
#include "picture.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tutti::tool {
namespace {

using topology::FabricLevel;
using topology::LevelKind;

constexpr double kWidth = 960;
constexpr uint32_t kMostInARow = 16;
constexpr uint32_t kMostRails = 8;
constexpr uint32_t kMostOnACircle = 24;

double draw_switch(const LevelPicture& picture) {
  Drawing& drawing = picture.drawing;
  const auto units = in_a_row(picture.shape.unit_count, kMostInARow, kLeft, kRight);
  const double bar = picture.top;
  const double row = bar + 90;
  for (const Shown& unit : units) {
    if (!unit.is_gap) {
      drawing.line({unit.x, bar + 30}, {unit.x, row}, "link");
    }
  }
  drawing.box({units.front().x - 20, bar}, units.back().x - units.front().x + 40, 30, "switch");
  drawing.text({kMiddle, bar + 20}, Anchor::middle, "note", "switch");
  draw_units(drawing, units, row, units_text(picture, picture.shape.unit_count));
  return row + kUnitHeight + 24;
}

double draw_rails(const LevelPicture& picture) {
  Drawing& drawing = picture.drawing;
  const auto units = in_a_row(picture.shape.unit_count, kMostInARow, kLeft + 60, kRight);
  const uint32_t rails = topology::adapters_of(picture.level, picture.shape.chips_per_unit);
  const auto shown = in_a_row(rails, kMostRails, 0, 1);
  const double row = picture.top + 26.0 * static_cast<double>(shown.size()) + 20;
  for (size_t rail = 0; rail < shown.size(); ++rail) {
    const double y = picture.top + 26.0 * static_cast<double>(rail) + 6;
    drawing.text({kLeft, y + 9}, Anchor::start, "small", shown[rail].is_gap ? "..." : fmt::format("rail {}", shown[rail].number));
    if (!shown[rail].is_gap) {
      drawing.box({units.front().x - 20, y}, units.back().x - units.front().x + 40, 12, "switch");
    }
  }
  for (const Shown& unit : units) {
    for (size_t rail = 0; rail < shown.size() && !unit.is_gap; ++rail) {
      const double x = unit.x - 12 + 24 * (static_cast<double>(rail) + 0.5) / static_cast<double>(shown.size());
      if (!shown[rail].is_gap) {
        drawing.line({x, picture.top + 26.0 * static_cast<double>(rail) + 18}, {x, row}, "link");
      }
    }
  }
  draw_units(drawing, units, row, fmt::format("{}, {}", units_text(picture, picture.shape.unit_count), counted(rails, "rail")));
  return row + kUnitHeight + 24;
}

double draw_circle(const LevelPicture& picture) {
  Drawing& drawing = picture.drawing;
  const uint32_t count = picture.shape.unit_count;
  const uint32_t shown = std::min(count, kMostOnACircle);
  const double radius = std::min(30.0 + 10 * shown, 120.0);
  const Point centre{kMiddle, picture.top + radius + 10};
  const auto points = on_a_circle(centre, radius, shown);
  const bool is_mesh = picture.level.kind == LevelKind::full_mesh;
  for (size_t one = 0; one < points.size(); ++one) {
    for (size_t other = one + 1; other < points.size(); ++other) {
      if (is_mesh || other == one + 1 || (one == 0 && other + 1 == points.size())) {
        drawing.line(points[one], points[other], "link");
      }
    }
  }
  for (size_t point = 0; point < points.size(); ++point) {
    drawing.circle(points[point], 13, "unit");
    drawing.text({points[point].x, points[point].y + 4}, Anchor::middle, "small", fmt::format("{}", point));
  }
  const std::string left_out = shown == count ? "" : fmt::format(", of which {} are drawn", shown);
  drawing.text({kMiddle, centre.y + radius + 36}, Anchor::middle, "note", units_text(picture, count) + left_out);
  return centre.y + radius + 50;
}

double draw_structure(const LevelPicture& picture) {
  switch (picture.level.kind) {
    case LevelKind::switched:
      return draw_switch(picture);
    case LevelKind::rails:
      return draw_rails(picture);
    case LevelKind::full_mesh:
    case LevelKind::ring:
      return draw_circle(picture);
    case LevelKind::torus:
    case LevelKind::mesh:
      return draw_lattice(picture);
    case LevelKind::fat_tree:
      return draw_fat_tree(picture);
    case LevelKind::dragonfly:
      return draw_dragonfly(picture);
  }
  return picture.top;
}

}  // namespace

std::string units_text(const LevelPicture& picture, uint64_t count) {
  return picture.shape.chips_per_unit == 1 ? counted(count, picture.chip)
                                           : fmt::format("{} of {}", counted(count, "unit"), counted(picture.shape.chips_per_unit, picture.chip));
}

std::vector<Shown> in_a_row(uint32_t count, uint32_t most, double left, double right) {
  std::vector<Shown> row;
  const uint32_t shown = std::min(count, most);
  for (uint32_t index = 0; index < shown; ++index) {
    const double x = left + (right - left) * (index + 0.5) / shown;
    const bool is_gap = count > most && index + 2 == shown;
    row.push_back({.x = x, .number = index + 1 == shown ? count - 1 : index, .is_gap = is_gap});
  }
  return row;
}

std::vector<Point> on_a_circle(Point centre, double radius, uint32_t count) {
  std::vector<Point> points;
  for (uint32_t index = 0; index < count; ++index) {
    const double angle = 2 * std::numbers::pi * index / count - std::numbers::pi / 2;
    points.push_back({centre.x + radius * std::cos(angle), centre.y + radius * std::sin(angle)});
  }
  return points;
}

double unit_width(const std::vector<Shown>& row) {
  const double room = row.size() < 2 ? 120 : row[1].x - row[0].x;
  return std::min(room * 0.8, 80.0);
}

void draw_units(Drawing& drawing, const std::vector<Shown>& units, double y, const std::string& caption) {
  const double width = unit_width(units);
  for (const Shown& unit : units) {
    if (unit.is_gap) {
      drawing.text({unit.x, y + 18}, Anchor::middle, "note", "...");
      continue;
    }
    drawing.box({unit.x - width / 2, y}, width, kUnitHeight, "unit");
    drawing.text({unit.x, y + 18}, Anchor::middle, "small", fmt::format("{}", unit.number));
  }
  drawing.text({kMiddle, y + kUnitHeight + 17}, Anchor::middle, "note", caption);
}

std::string svg_text(const Machine& machine) {
  Drawing drawing;
  double top = 40;
  const std::string shape = machine.model.shape();
  const std::string title = fmt::format("{}{}{}: {}", machine.model.title, shape.empty() ? "" : ", ", shape,
                                        counted(machine.fabric.chip_count(), machine.model.chip));
  drawing.text({kLeft, top}, Anchor::start, "title", title);
  for (size_t index = machine.model.levels.size(); index-- > 0;) {
    const topology::LevelModel& level = machine.model.levels[index];
    const FabricLevel& made = machine.fabric.levels()[index];
    if (made.unit_count == 1) {
      continue;
    }
    const std::string inside = made.unit_count * made.chips_per_unit == machine.fabric.chip_count() ? "" : ", in each unit";
    drawing.line({kLeft, top + 18}, {kRight, top + 18}, "faint");
    drawing.text({kLeft, top + 42}, Anchor::start, "title", fmt::format("{}: {}{}", level.name, structure_text(level, made), inside));
    drawing.text({kLeft, top + 62}, Anchor::start, "note", figures_text(level));
    top = draw_structure({.drawing = drawing, .level = level, .shape = made, .chip = machine.model.chip, .top = top + 90});
  }
  return drawing.finish(kWidth, top + 24, title);
}

}  // namespace tutti::tool
