// SPDX-License-Identifier: Apache-2.0
// Drawings of one level's structure. Each draws below `top`, between kLeft and kRight, and returns where it ends. What is alike is drawn a few times;
// a number says how often it is there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model_text.hpp"
#include "svg.hpp"

namespace tutti::tool {

inline constexpr double kLeft = 30;
inline constexpr double kRight = 930;
inline constexpr double kMiddle = (kLeft + kRight) / 2;

struct LevelPicture {
  Drawing& drawing;
  const topology::LevelModel& level;
  const topology::FabricLevel& shape;
  const std::string& chip;  // what a chip is called: "GPU"
  double top = 0;
};

double draw_lattice(const LevelPicture& picture);
double draw_fat_tree(const LevelPicture& picture);
double draw_dragonfly(const LevelPicture& picture);

// Things in a row: the first ones and the last, or all if there is room.
struct Shown {
  double x = 0;  // its middle
  uint32_t number = 0;
  bool is_gap = false;  // stands for those left out
};
std::vector<Shown> in_a_row(uint32_t count, uint32_t most, double left, double right);

// Points of a circle, the first on top.
std::vector<Point> on_a_circle(Point centre, double radius, uint32_t count);

// "8 GPUs" or "128 units of 8 GPUs", for `count` units of the level.
std::string units_text(const LevelPicture& picture, uint64_t count);
// Boxes in a row, numbered, and a caption under them.
void draw_units(Drawing& drawing, const std::vector<Shown>& units, double y, const std::string& caption);
inline constexpr double kUnitHeight = 28;
double unit_width(const std::vector<Shown>& row);

}  // namespace tutti::tool
