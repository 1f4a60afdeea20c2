// SPDX-License-Identifier: Apache-2.0
// Torus and mesh. Up to three axes are drawn: to the right, down, and into the page.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "picture.hpp"

namespace tutti::tool {
namespace {

constexpr uint32_t kMostPoints = 64;   // of three axes that are drawn one by one
constexpr uint32_t kMostFlat = 16;     // along an axis of two that are drawn one by one
constexpr uint32_t kMostCells = 12;    // along an axis of cells

// A cell is what one mark stands for.
struct Grid {
  std::array<uint32_t, 3> dims{1, 1, 1};
  std::array<bool, 3> wraps{};
  std::array<uint32_t, 3> cell{1, 1, 1};
  std::array<uint32_t, 3> cells{1, 1, 1};
  size_t axis_count = 0;
  bool is_solid = false;  // cells, of which only those outside are seen
};

Grid grid_of(const LevelPicture& picture) {
  Grid grid;
  grid.axis_count = std::min<size_t>(picture.shape.dims.size(), 3);
  for (size_t axis = 0; axis < grid.axis_count; ++axis) {
    grid.dims[axis] = picture.shape.dims[axis];
    grid.wraps[axis] = picture.shape.wraps[axis];
  }
  const bool is_flat = grid.dims[2] == 1;
  const bool one_by_one = is_flat ? std::max(grid.dims[0], grid.dims[1]) <= kMostFlat
                                  : uint64_t{grid.dims[0]} * grid.dims[1] * grid.dims[2] <= kMostPoints && std::max(grid.dims[0], grid.dims[1]) <= 8;
  grid.is_solid = !one_by_one;
  for (size_t axis = 0; axis < grid.axis_count && !one_by_one; ++axis) {
    const bool all_fit = *std::max_element(grid.dims.begin(), grid.dims.end()) <= kMostCells;
    const uint32_t block = picture.level.block.empty() || all_fit ? 1 : picture.level.block[axis];
    const uint32_t blocks = (grid.dims[axis] + block - 1) / block;
    grid.cell[axis] = block * ((blocks + kMostCells - 1) / kMostCells);
  }
  for (size_t axis = 0; axis < 3; ++axis) {
    grid.cells[axis] = (grid.dims[axis] + grid.cell[axis] - 1) / grid.cell[axis];
  }
  return grid;
}

// Where points are on the page.
struct View {
  Point origin;
  Point right;
  Point down;
  Point inwards;

  Point at(double x, double y, double z) const {
    return {origin.x + x * right.x + y * down.x + z * inwards.x, origin.y + x * right.y + y * down.y + z * inwards.y};
  }
};

// Three axes point by point: the spacing leaves room for the points behind.
View view_of_points(const Grid& grid, double top) {
  const double depth = grid.cells[2] - 1;
  const double inwards_x = grid.cells[2] == 1 ? 0 : std::min(26.0, 90 / depth);
  const double inwards_y = -inwards_x * 0.7;
  const double step = grid.cells[2] == 1 ? std::min(48.0, 840.0 / grid.cells[0]) : 116;
  const double step_down = grid.cells[2] == 1 ? std::min(step, 40.0) : 84;
  const double width = step * (grid.cells[0] - 1) + inwards_x * depth;
  return {.origin = {kMiddle - width / 2, top + 50 - inwards_y * depth},
          .right = {step, 0},
          .down = {0, step_down},
          .inwards = {inwards_x, inwards_y}};
}

View view_of_cells(const Grid& grid, double top) {
  const double inwards_x = grid.axis_count > 2 ? 16 : 0;
  const double inwards_y = grid.axis_count > 2 ? -11 : 0;
  const double width = 34.0 * grid.cells[0] + inwards_x * grid.cells[2];
  return {.origin = {kMiddle - width / 2, top + 40 - inwards_y * grid.cells[2]},
          .right = {34, 0},
          .down = {0, 34},
          .inwards = {inwards_x, inwards_y}};
}

void draw_points(Drawing& drawing, const Grid& grid, const View& view) {
  for (uint32_t z = grid.cells[2]; z-- > 0;) {
    for (uint32_t y = 0; y < grid.cells[1]; ++y) {
      for (uint32_t x = 0; x < grid.cells[0]; ++x) {
        const Point at = view.at(x, y, z);
        if (x + 1 < grid.cells[0]) {
          drawing.line(at, view.at(x + 1, y, z), "link");
        }
        if (y + 1 < grid.cells[1]) {
          drawing.line(at, view.at(x, y + 1, z), "link");
        }
        if (z + 1 < grid.cells[2]) {
          drawing.line(at, view.at(x, y, z + 1), "link");
        }
      }
    }
  }
  for (uint32_t z = grid.cells[2]; z-- > 0;) {
    for (uint32_t y = 0; y < grid.cells[1]; ++y) {
      for (uint32_t x = 0; x < grid.cells[0]; ++x) {
        drawing.circle(view.at(x, y, z), 6, "unit");
      }
    }
  }
}

// One cell of a solid as a cube: its front, top and right side.
void draw_cell(Drawing& drawing, const View& view, uint32_t x, uint32_t y, uint32_t z) {
  const auto corner = [&](int right, int down, int inwards) { return view.at(x + right, y + down, z + inwards); };
  drawing.polygon({corner(0, 0, 0), corner(1, 0, 0), corner(1, 1, 0), corner(0, 1, 0)}, "unit");
  if (view.inwards.x == 0) {
    return;
  }
  drawing.polygon({corner(0, 0, 0), corner(0, 0, 1), corner(1, 0, 1), corner(1, 0, 0)}, "side");
  drawing.polygon({corner(1, 0, 0), corner(1, 0, 1), corner(1, 1, 1), corner(1, 1, 0)}, "dark");
}

void draw_cells(Drawing& drawing, const Grid& grid, const View& view) {
  for (uint32_t z = grid.cells[2]; z-- > 0;) {
    for (uint32_t y = grid.cells[1]; y-- > 0;) {
      for (uint32_t x = 0; x < grid.cells[0]; ++x) {
        if (z == 0 || y == 0 || x + 1 == grid.cells[0]) {
          draw_cell(drawing, view, x, y, z);
        }
      }
    }
  }
}

std::string axis_text(const Grid& grid, size_t axis) { return fmt::format("{}{}", grid.dims[axis], grid.wraps[axis] ? ", wraps" : ""); }

void draw_axes(Drawing& drawing, const Grid& grid, const View& view) {
  const double end = grid.is_solid ? 0 : 1;  // points are at their numbers, cells between them
  const double last_x = grid.cells[0] - end;
  const double last_y = grid.cells[1] - end;
  const double last_z = grid.cells[2] - end;
  const Point corner = view.at(0, last_y, 0);
  const Point right = view.at(last_x, last_y, 0);
  if (grid.wraps[0]) {
    drawing.curve({corner.x, corner.y + 8}, {(corner.x + right.x) / 2, corner.y + 44}, {right.x, right.y + 8}, "wrap");
  }
  drawing.text({(corner.x + right.x) / 2, corner.y + 42}, Anchor::middle, "note", axis_text(grid, 0));
  const Point above = view.at(0, 0, 0);
  if (grid.wraps[1]) {
    drawing.curve({above.x - 8, above.y}, {above.x - 44, (above.y + corner.y) / 2}, {corner.x - 8, corner.y}, "wrap");
  }
  if (grid.axis_count > 1) {
    drawing.text({above.x - 32, (above.y + corner.y) / 2 + 4}, Anchor::end, "note", axis_text(grid, 1));
  }
  const Point behind = view.at(last_x, last_y, last_z);
  if (grid.wraps[2]) {
    drawing.curve({right.x + 8, right.y}, {(right.x + behind.x) / 2 + 36, (right.y + behind.y) / 2 + 24}, {behind.x + 8, behind.y}, "wrap");
  }
  if (grid.axis_count > 2) {
    drawing.text({(right.x + behind.x) / 2 + 34, (right.y + behind.y) / 2 + 22}, Anchor::start, "note", axis_text(grid, 2));
  }
}

std::string caption_of(const LevelPicture& picture, const Grid& grid) {
  const std::vector<uint32_t> cell(grid.cell.begin(), grid.cell.begin() + static_cast<ptrdiff_t>(grid.axis_count));
  uint64_t units = 1;
  for (uint32_t size : cell) {
    units *= size;
  }
  std::string text = fmt::format("Each mark is {}", units_text(picture, units));
  if (units > 1) {
    text += fmt::format(", {}", fmt::join(cell, "x"));
  }
  if (picture.shape.is_twisted) {
    text += ". Wraps of the short axes come back half-way round the long ones";
  }
  for (size_t axis = 3; axis < picture.shape.dims.size(); ++axis) {
    text += fmt::format(". One more axis is {} long", picture.shape.dims[axis]);
  }
  if (picture.level.bypass) {
    text += fmt::format(". A plane joins blocks of {}: more than {} hops go over it", fmt::join(picture.level.bypass->block, "x"),
                        picture.level.bypass->hop_count);
  }
  return text + ".";
}

}  // namespace

double draw_lattice(const LevelPicture& picture) {
  const Grid grid = grid_of(picture);
  const View view = grid.is_solid ? view_of_cells(grid, picture.top) : view_of_points(grid, picture.top);
  if (grid.is_solid) {
    draw_cells(picture.drawing, grid, view);
  } else {
    draw_points(picture.drawing, grid, view);
  }
  draw_axes(picture.drawing, grid, view);
  const double bottom = view.at(0, grid.cells[1] - (grid.is_solid ? 0 : 1), 0).y + 60;
  picture.drawing.text({kMiddle, bottom + 16}, Anchor::middle, "note", caption_of(picture, grid));
  return bottom + 26;
}

}  // namespace tutti::tool
