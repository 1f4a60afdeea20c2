# SPDX-License-Identifier: Apache-2.0
"""One SVG per collective: time over size, both logarithmic, a panel for each number of ranks."""

import math
from xml.sax.saxutils import escape

from judge import report

COLOURS = ("#d55e00", "#e69f00", "#0072b2", "#56b4e9", "#004d80", "#009e73", "#999999", "#cc79a7", "#8f5aa8", "#6b8e23", "#7f4f24")
PANEL_WIDTH, PANEL_HEIGHT = 420, 300
LEFT, TOP, BOTTOM, GAP = 62, 40, 46, 70
LEGEND_WIDTH = 170


class Scale:
    """Logarithmic, from the least to the greatest value, onto pixels."""

    def __init__(self, values, begin, end):
        low, high = math.log10(min(values)), math.log10(max(values))
        self.low, self.high = low, high if high > low else low + 1
        self.begin, self.end = begin, end

    def __call__(self, value):
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.begin + share * (self.end - self.begin), 1)


def svg(results, collective):
    """Text of the file, or "" when nothing was measured. Warm buffers only; a barrier is drawn over the number of ranks."""
    panels = panels_of(results, collective)
    if not panels:
        return ""
    names = [*results.ours, *results.peers]
    colours = dict(zip(names, (COLOURS[i % len(COLOURS)] for i in range(len(names)))))
    width = LEFT + len(panels) * (PANEL_WIDTH + GAP) + LEGEND_WIDTH
    height = TOP + PANEL_HEIGHT + BOTTOM
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
             'font-family="sans-serif" font-size="11">', f'<rect width="{width}" height="{height}" fill="white"/>']
    for index, (title, series) in enumerate(panels):
        parts += panel(title, series, LEFT + index * (PANEL_WIDTH + GAP), colours, str if collective == "barrier" else report.size_text)
    shown = {name for _, series in panels for name in series}
    parts += legend([name for name in names if name in shown], LEFT + len(panels) * (PANEL_WIDTH + GAP) - GAP + 16, colours,
                    any(name.startswith("limit ") for name in shown))
    return "\n".join([*parts, "</svg>"]) + "\n"


def panels_of(results, collective):
    """[(title, {name: [(x, microseconds)]})]; limits are named "limit <configuration>"."""
    keys = [key for key in results.keys(collective) if key[3] == "warm"]
    if collective == "barrier":
        return [("barrier, by ranks", series_of(results, keys, 0))] if keys else []
    return [(f"{collective}, {ranks} ranks", series_of(results, [key for key in keys if key[0] == ranks], 2))
            for ranks in sorted({key[0] for key in keys})]


def series_of(results, keys, x_index):
    series = {}
    for key in keys:
        for name, summary in results.cells[key].items():
            series.setdefault(name, []).append((key[x_index], summary.median_ns / 1000))
        for name in results.ours:
            limit = results.limit_ns(key, name)
            if limit is not None:
                series.setdefault(f"limit {name}", []).append((key[x_index], limit / 1000))
    return series


def panel(title, series, left, colours, form):
    """`form` makes the text at a value of x."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    decades = range(math.floor(math.log10(min(ys))), math.ceil(math.log10(max(ys))) + 1)
    x_scale = Scale(xs, left, left + PANEL_WIDTH)
    y_scale = Scale([10.0 ** decade for decade in decades], TOP + PANEL_HEIGHT, TOP)
    parts = [text(left + PANEL_WIDTH / 2, TOP - 16, title, "middle", 'font-size="13" font-weight="bold"')]
    for decade in decades:
        y = y_scale(10.0 ** decade)
        parts += [f'<line x1="{left}" y1="{y}" x2="{left + PANEL_WIDTH}" y2="{y}" stroke="#ddd"/>', text(left - 6, y + 4, time_text(decade), "end")]
    last = -math.inf
    for x in xs:
        place = x_scale(x)
        if place - last >= 46:
            parts += [f'<line x1="{place}" y1="{TOP}" x2="{place}" y2="{TOP + PANEL_HEIGHT}" stroke="#eee"/>',
                      text(place, TOP + PANEL_HEIGHT + 16, form(x), "middle")]
            last = place
    for name, points in series.items():
        is_limit = name.startswith("limit ")
        colour = colours[name.removeprefix("limit ")]
        path = " ".join(f"{x_scale(x)},{y_scale(y)}" for x, y in sorted(points))
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{1 if is_limit else 1.8}"'
                     + (' stroke-dasharray="5 4"' if is_limit else "") + "/>")
        if not is_limit:
            parts += [f'<circle cx="{x_scale(x)}" cy="{y_scale(y)}" r="2.4" fill="{colour}"/>' for x, y in points]
    return parts


def legend(names, left, colours, has_limits):
    parts = []
    for index, name in enumerate(names):
        y = TOP + 8 + index * 18
        parts += [f'<line x1="{left}" y1="{y}" x2="{left + 22}" y2="{y}" stroke="{colours[name]}" stroke-width="2.5"/>',
                  text(left + 28, y + 4, name, "start")]
    if has_limits:
        y = TOP + 8 + len(names) * 18
        parts += [f'<line x1="{left}" y1="{y}" x2="{left + 22}" y2="{y}" stroke="#555" stroke-dasharray="5 4"/>',
                  text(left + 28, y + 4, "limit measured here", "start")]
    return parts


def text(x, y, content, anchor, more=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {more}>{escape(content)}</text>'


def time_text(decade):
    value, unit = (decade, "µs") if decade < 3 else (decade - 3, "ms") if decade < 6 else (decade - 6, "s")
    return f"{10.0 ** value:g} {unit}"
