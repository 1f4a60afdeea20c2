// SPDX-License-Identifier: Apache-2.0
// Fat tree and dragonfly.
#include <fmt/format.h>

#include <algorithm>

#include "picture.hpp"
#include "topology/quantity.hpp"

namespace tutti::tool {
namespace {

constexpr uint32_t kMostInATreeRow = 8;
constexpr uint32_t kMostGroups = 48;
constexpr uint32_t kMostSwitches = 32;
constexpr size_t kMostJoined = 16;  // that are drawn with all their links
constexpr double kTierHeight = 84;

// Parts of the tree of one height, lowest first.
struct Tier {
  uint64_t count = 1;      // in the machine
  uint64_t in_parent = 1;  // in the first part of the tier above
  uint64_t switches = 1;   // on top of each
  std::string name;
};

std::string tier_name(size_t tier) {
  static const char* const kNames[] = {"leaf", "spine", "core"};
  return tier < 3 ? kNames[tier] : fmt::format("tier {}", tier + 1);
}

uint64_t divided_up(uint64_t value, uint64_t by) { return (value + by - 1) / by; }

std::vector<Tier> tiers_of(const LevelPicture& picture) {
  const topology::LevelModel& level = picture.level;
  const uint64_t adapters = topology::adapters_of(level, picture.shape.chips_per_unit);
  const uint64_t first = level.has_rails ? picture.shape.unit_count : picture.shape.unit_count * adapters;
  std::vector<Tier> tiers;
  uint64_t count = first;
  uint64_t width = 1;
  for (size_t tier = 0; tier < level.down.size() && (count > 1 || tier == 0); ++tier) {
    const uint64_t below = count;
    count = divided_up(count, level.down[tier]);
    if (tier == 0 && level.has_rails) {
      count *= adapters;
    }
    width *= tier == 0 || level.up.empty() ? 1 : level.up[tier - 1];
    tiers.push_back({.count = count, .in_parent = 1, .switches = width, .name = tier_name(tier)});
    if (tier > 0) {
      tiers[tier - 1].in_parent = std::min<uint64_t>(level.down[tier], below);
    }
  }
  return tiers;
}

std::string tier_text(const LevelPicture& picture, const std::vector<Tier>& tiers, size_t tier) {
  const bool has_ways = tier == 0 || !picture.level.up.empty();
  std::string text = has_ways ? fmt::format("{}: {}", tiers[tier].name, counted(tiers[tier].count * tiers[tier].switches, "switch"))
                              : fmt::format("{}: {}", tiers[tier].name, counted(tiers[tier].count, "group"));
  if (tier > 0 && !picture.level.oversubscription_per_mille.empty()) {
    text += fmt::format(", {}:1 below", picture.level.oversubscription_per_mille[tier - 1] / 1000.0);
  }
  return text;
}

// Boxes of one tier under their parent, of which the first goes on downwards.
Point draw_tier(Drawing& drawing, const std::vector<Shown>& row, double y, const Point* parent, const std::string& words) {
  const double width = unit_width(row);
  for (const Shown& one : row) {
    if (one.is_gap) {
      drawing.text({one.x, y + 18}, Anchor::middle, "note", "...");
      continue;
    }
    if (parent != nullptr) {
      drawing.line(*parent, {one.x, y}, "link");
    }
    drawing.box({one.x - width / 2, y}, width, kUnitHeight, "switch");
    drawing.text({one.x, y + 18}, Anchor::middle, "small", words.empty() ? fmt::format("{}", one.number) : words);
  }
  return {row.front().x, y + kUnitHeight};
}

// Units under a leaf, or, with rails, under the leaves of their group, to each of which they have an adapter.
double draw_bottom(const LevelPicture& picture, const std::vector<Shown>& leaves, double leaf_bottom, double y) {
  const topology::LevelModel& level = picture.level;
  const uint32_t adapters = topology::adapters_of(level, picture.shape.chips_per_unit);
  const uint32_t in_leaf = std::min(level.down.front(), level.has_rails ? picture.shape.unit_count : picture.shape.unit_count * adapters);
  const auto units = in_a_row(in_leaf, kMostInATreeRow, kLeft, kRight - 180);
  for (const Shown& unit : units) {
    for (size_t leaf = 0; leaf < (level.has_rails ? leaves.size() : 1) && !unit.is_gap; ++leaf) {
      if (!leaves[leaf].is_gap) {
        picture.drawing.line({leaves[leaf].x, leaf_bottom}, {unit.x, y}, "link");
      }
    }
  }
  const std::string what = level.has_rails || adapters == 1
                               ? units_text(picture, in_leaf)
                               : fmt::format("{} of {}", counted(in_leaf, "adapter"), units_text(picture, divided_up(in_leaf, adapters)));
  const std::string where = level.has_rails ? fmt::format("{} leaves, one a rail", adapters) : "leaf";
  draw_units(picture.drawing, units, y, fmt::format("{} at the first {}", what, where));
  return y + kUnitHeight + 24;
}

// All that joins the first of them to the others, and a hint of the rest if they are few.
void draw_links(Drawing& drawing, const std::vector<Point>& points) {
  const bool draw_all = points.size() <= kMostJoined;
  for (size_t one = draw_all ? points.size() : 1; one-- > 0;) {
    for (size_t other = one + 1; other < points.size(); ++other) {
      drawing.line(points[one], points[other], one == 0 ? "link" : "faint");
    }
  }
}

}  // namespace

double draw_fat_tree(const LevelPicture& picture) {
  const std::vector<Tier> tiers = tiers_of(picture);
  double y = picture.top;
  Point parent{};
  std::vector<Shown> row;
  for (size_t tier = tiers.size(); tier-- > 0;) {
    const bool is_top = tier + 1 == tiers.size();
    uint64_t count = is_top ? tiers[tier].count : tiers[tier].in_parent;
    if (tier == 0 && picture.level.has_rails) {
      count = std::min<uint64_t>(count, topology::adapters_of(picture.level, picture.shape.chips_per_unit));
    }
    row = in_a_row(static_cast<uint32_t>(count), kMostInATreeRow, kLeft, kRight - 180);
    const std::string words = tier == 0 ? "" : counted(tiers[tier].switches, "switch");
    parent = draw_tier(picture.drawing, row, y, is_top ? nullptr : &parent, tier == 0 || picture.level.up.empty() ? "" : words);
    picture.drawing.text({kRight - 170, y + 18}, Anchor::start, "small", tier_text(picture, tiers, tier));
    y += kTierHeight;
  }
  return draw_bottom(picture, row, parent.y, y);
}

double draw_dragonfly(const LevelPicture& picture) {
  Drawing& drawing = picture.drawing;
  const topology::LevelModel& level = picture.level;
  const auto groups = static_cast<uint32_t>(divided_up(picture.shape.unit_count, level.units_per_group));
  const Point left{kLeft + 220, picture.top + 170};
  const Point right{kRight - 220, picture.top + 170};
  const auto circle = on_a_circle(left, 150, std::min(groups, kMostGroups));
  draw_links(drawing, circle);
  for (const Point& group : circle) {
    drawing.circle(group, 8, "switch");
  }
  const auto switches = on_a_circle(right, 150, std::min(level.switches_per_group, kMostSwitches));
  draw_links(drawing, switches);
  for (const Point& each : switches) {
    drawing.box({each.x - 7, each.y - 7}, 14, 14, "switch");
  }
  const std::string drawn = circle.size() == groups ? "" : fmt::format(", of which {} are drawn", circle.size());
  drawing.text({left.x, picture.top + 348}, Anchor::middle, "note", fmt::format("{}{}", counted(groups, "group"), drawn));
  drawing.text({left.x, picture.top + 366}, Anchor::middle, "note", fmt::format("{} between each two", counted(level.links_per_pair, "link")));
  drawing.text({right.x, picture.top + 348}, Anchor::middle, "note",
               fmt::format("a group: {}, all joined", counted(level.switches_per_group, "switch")));
  drawing.text({right.x, picture.top + 366}, Anchor::middle, "note",
               units_text(picture, std::min(level.units_per_group, picture.shape.unit_count)));
  return picture.top + 380;
}

}  // namespace tutti::tool
