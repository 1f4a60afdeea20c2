// SPDX-License-Identifier: Apache-2.0
// A drawing in SVG, made of a few kinds of strokes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tutti::tool {

struct Point {
  double x = 0;
  double y = 0;
};

enum class Anchor { start, middle, end };

// Shapes have one of these looks: "unit", "switch", "link", "faint", "wrap", "copied", "reduced", "title", "note", "small".
class Drawing {
 public:
  void line(Point from, Point to, std::string_view look);
  // A curve that bulges towards `control`.
  void curve(Point from, Point control, Point to, std::string_view look);
  void circle(Point centre, double radius, std::string_view look);
  void box(Point corner, double width, double height, std::string_view look);
  void polygon(const std::vector<Point>& corners, std::string_view look);
  void text(Point at, Anchor anchor, std::string_view look, std::string_view words);

  // The whole file, with a title for screen readers.
  std::string finish(double width, double height, std::string_view title) const;

 private:
  std::string body_;
};

}  // namespace tutti::tool
