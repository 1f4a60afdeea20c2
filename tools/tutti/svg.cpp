// SPDX-License-Identifier: Apache-2.0
#include "svg.hpp"

#include <fmt/format.h>

namespace tutti::tool {
namespace {

constexpr std::string_view kLooks = R"(<style>
text { font-family: sans-serif; fill: #1a202c; }
.title { font-size: 17px; font-weight: bold; }
.note { font-size: 13px; fill: #4a5568; }
.small { font-size: 10px; }
.unit { fill: #dbeafe; stroke: #1e40af; }
.side { fill: #bfdbfe; stroke: #1e40af; }
.dark { fill: #93c5fd; stroke: #1e40af; }
.switch { fill: #ffedd5; stroke: #c2410c; }
.link { stroke: #64748b; fill: none; }
.faint { stroke: #cbd5e1; fill: none; }
.copied { stroke: #1e40af; fill: #1e40af; }
.reduced { stroke: #c2410c; fill: #c2410c; }
.wrap { stroke: #64748b; fill: none; stroke-dasharray: 4 3; }
</style>
)";

std::string escaped(std::string_view words) {
  std::string text;
  for (char character : words) {
    switch (character) {
      case '&':
        text += "&amp;";
        break;
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      default:
        text += character;
    }
  }
  return text;
}

}  // namespace

void Drawing::line(Point from, Point to, std::string_view look) {
  body_ += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", look, from.x, from.y, to.x, to.y);
}

void Drawing::curve(Point from, Point control, Point to, std::string_view look) {
  body_ += fmt::format("<path class=\"{}\" d=\"M{:.1f} {:.1f}Q{:.1f} {:.1f} {:.1f} {:.1f}\"/>\n", look, from.x, from.y, control.x, control.y,
                       to.x, to.y);
}

void Drawing::circle(Point centre, double radius, std::string_view look) {
  body_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"/>\n", look, centre.x, centre.y, radius);
}

void Drawing::box(Point corner, double width, double height, std::string_view look) {
  body_ += fmt::format("<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" rx=\"3\"/>\n", look, corner.x, corner.y,
                       width, height);
}

void Drawing::polygon(const std::vector<Point>& corners, std::string_view look) {
  body_ += fmt::format("<polygon class=\"{}\" points=\"", look);
  for (const Point& corner : corners) {
    body_ += fmt::format("{:.1f},{:.1f} ", corner.x, corner.y);
  }
  body_ += "\"/>\n";
}

void Drawing::text(Point at, Anchor anchor, std::string_view look, std::string_view words) {
  static constexpr std::string_view kAnchors[] = {"start", "middle", "end"};
  body_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", look, at.x, at.y,
                       kAnchors[static_cast<size_t>(anchor)], escaped(words));
}

std::string Drawing::finish(double width, double height, std::string_view title) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" role=\"img\">\n"
      "<title>{2}</title>\n{3}<rect width=\"{0:.0f}\" height=\"{1:.0f}\" fill=\"#ffffff\"/>\n{4}</svg>\n",
      width, height, escaped(title), kLooks, body_);
}

}  // namespace tutti::tool
