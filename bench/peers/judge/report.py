# SPDX-License-Identifier: Apache-2.0
"""From points of many rounds to one table per collective, and to CSV."""

import collections
import csv
import dataclasses
import statistics

from judge import limits

COLLECTIVES = ("allreduce", "all-gather", "reduce-scatter", "broadcast", "all-to-all", "reduce", "barrier")
TEMPERATURES = ("warm", "cold")


@dataclasses.dataclass(frozen=True)
class Summary:
    median_ns: float  # the median over rounds
    p99_ns: float     # likewise, of each round's 99th percentile
    by_round: dict    # round -> median
    wrong: int


class Results:
    """All points, by (ranks, collective, size, temperature) and configuration."""

    def __init__(self, points, ours, peers, machine_limits=None):
        """`ours`, `peers`: names of configurations, in the order of columns; ours map to the kind of limit they have."""
        self.ours = ours
        self.peers = peers
        self.limits = machine_limits
        grouped = collections.defaultdict(list)
        for point in points:
            grouped[(point.ranks, point.collective, point.size, point.temperature), point.configuration].append(point)
        self.cells = collections.defaultdict(dict)
        for (key, name), found in grouped.items():
            self.cells[key][name] = summarize(found)

    def keys(self, collective):
        """Rows of a collective's table."""
        return sorted((key for key in self.cells if key[1] == collective),
                      key=lambda key: (key[0], TEMPERATURES.index(key[3]), key[2]))

    def best_peer(self, key):
        present = [name for name in self.peers if name in self.cells[key]]
        return min(present, key=lambda name: self.cells[key][name].median_ns, default=None)

    def ratio_to_best(self, key, name):
        """Time over the best peer's: below 1 is faster. The median over rounds that both took part in."""
        best = self.best_peer(key)
        if best is None or name not in self.cells[key]:
            return None
        mine, theirs = self.cells[key][name].by_round, self.cells[key][best].by_round
        shared = [mine[r] / theirs[r] for r in mine if theirs.get(r)]
        return statistics.median(shared) if shared else None

    def limit_ns(self, key, name):
        ranks, collective, size, temperature = key
        if self.limits is None or temperature != "warm" or name not in self.ours:
            return None
        return self.limits.of(collective, size, self.ours[name], ranks)

    def share_of_limit(self, key, name):
        limit = self.limit_ns(key, name)
        return limit / self.cells[key][name].median_ns if limit is not None and name in self.cells[key] else None

    def wrong_count(self):
        return sum(summary.wrong for row in self.cells.values() for summary in row.values())


def summarize(points):
    return Summary(statistics.median(point.median_ns for point in points), statistics.median(point.p99_ns for point in points),
                   {point.round: point.median_ns for point in points}, sum(point.wrong for point in points))


def size_text(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B" if size else ""


def us(ns):
    """Microseconds with three digits."""
    value = ns / 1000
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def optional(value, form):
    return "" if value is None else form.format(value)


def table(results, collective):
    """A Markdown table that can also be read as it is; "" when nothing was measured."""
    keys = results.keys(collective)
    if not keys:
        return ""
    heading = ["ranks", "size", "buffers"]
    for name in results.ours:
        heading += [name, "p99"]
    heading += ["best peer", "p99", "which"] + [f"{name} / best" for name in results.ours] + [f"{name} of limit" for name in results.ours]
    heading += list(results.peers)
    rows = [row(results, key) for key in keys]
    return aligned([heading, *rows])


def row(results, key):
    cells = results.cells[key]
    ranks, _, size, temperature = key
    line = [str(ranks), size_text(size), temperature if size else ""]
    for name in results.ours:
        line += [us(cells[name].median_ns), us(cells[name].p99_ns)] if name in cells else ["", ""]
    best = results.best_peer(key)
    line += [us(cells[best].median_ns), us(cells[best].p99_ns), best] if best else ["", "", ""]
    line += [optional(results.ratio_to_best(key, name), "{:.2f}") for name in results.ours]
    line += [optional(results.share_of_limit(key, name), "{:.0%}") for name in results.ours]
    return line + [us(cells[name].median_ns) if name in cells else "" for name in results.peers]


def aligned(lines):
    """The first line is the heading; columns of text are aligned left, others right."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    is_text = [heading in ("buffers", "which") for heading in lines[0]]
    def join(line):
        return "| " + " | ".join(cell.ljust(width) if text else cell.rjust(width) for cell, width, text in zip(line, widths, is_text)) + " |"
    rule = "|" + "|".join("-" * (width + 1) + ("-" if text else ":") for width, text in zip(widths, is_text)) + "|"
    return "\n".join([join(lines[0]), rule, *map(join, lines[1:])])


def write_points(path, points):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["round", "configuration", "ranks", "collective", "bytes", "buffers", "iterations", "median_ns", "p99_ns", "wrong"])
        for p in points:
            writer.writerow([p.round, p.configuration, p.ranks, p.collective, p.size, p.temperature, p.iterations, p.median_ns, p.p99_ns, p.wrong])


def write_summary(path, results):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["collective", "ranks", "bytes", "buffers", "configuration", "rounds", "median_ns", "p99_ns", "best_peer",
                         "ratio_to_best_peer", "limit_ns", "share_of_limit"])
        for collective in COLLECTIVES:
            for key in results.keys(collective):
                for name, summary in results.cells[key].items():
                    writer.writerow([collective, key[0], key[2], key[3], name, len(summary.by_round), f"{summary.median_ns:.1f}",
                                     f"{summary.p99_ns:.1f}", results.best_peer(key) or "",
                                     optional(results.ratio_to_best(key, name), "{:.4f}"), optional(results.limit_ns(key, name), "{:.1f}"),
                                     optional(results.share_of_limit(key, name), "{:.4f}")])


def overview(results):
    """Where ours stands: for each of our configurations and numbers of ranks, in how many rows it is ahead, and the worst row."""
    lines = []
    for name in results.ours:
        for ranks in sorted({key[0] for key in results.cells}):
            ratios = {key: results.ratio_to_best(key, name) for key in results.cells if key[0] == ranks}
            ratios = {key: ratio for key, ratio in ratios.items() if ratio is not None}
            if not ratios:
                continue
            worst = max(ratios, key=ratios.get)
            ahead = sum(ratio < 1 for ratio in ratios.values())
            close = sum(ratio <= 1.05 for ratio in ratios.values())
            lines.append(f"{name}, {ranks} ranks: ahead of the best peer in {ahead} of {len(ratios)} rows, within 5 % or ahead in {close}; "
                         f"worst {ratios[worst]:.2f} x at {worst[1]} {size_text(worst[2])} {worst[3]} (best: {results.best_peer(worst)})")
    return lines


KIND_OF_LIMIT = {"malloc": limits.READV, "own": limits.DIRECT}
