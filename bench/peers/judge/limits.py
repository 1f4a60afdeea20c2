# SPDX-License-Identifier: Apache-2.0
"""What the machine would allow two ranks, put together from what bench/calibrate measured. docs/benchmarks.md explains the formulas."""

import math

DIRECT = "direct"  # buffers that both ranks map
READV = "readv"    # ordinary buffers: process_vm_readv


class Limits:
    def __init__(self, runs):
        """`runs`: one or more outputs of `calibrate --json`; of each figure the least counts."""
        self.exchange_ns = min(run["line_exchange_ns"] for run in runs)
        self.one_way_ns = min(run["line_one_way_ns"] for run in runs)
        self.small = curve(runs, "small", ("direct_ns",))
        self.copy = curve(runs, "sizes", ("copy_plain_both_ns", "copy_nontemporal_both_ns"))
        self.add = curve(runs, "sizes", ("add_plain_both_ns", "add_nontemporal_both_ns"))
        self.direct = curve(runs, "sizes", ("direct_plain_ns", "direct_nontemporal_ns"))
        self.readv_one = curve(runs, "sizes", ("readv_one_ns",))
        self.readv = curve(runs, "sizes", ("readv_both_ns",))
        self.readv_add = curve(runs, "sizes", ("readv_add_both_ns",))
        self.readv_all_reduce = curve(runs, "sizes", ("readv_all_reduce_ns",))

    def of(self, collective, size, kind, ranks):
        """Nanoseconds for two ranks, or None where nothing was measured."""
        if ranks != 2:
            return None
        if collective == "barrier":
            return self.exchange_ns
        # Small messages go through shared lines whatever the buffers are.
        is_small = bool(self.direct) and size < self.direct[0][0]
        formulas = self.direct_formulas() if kind == DIRECT or is_small else self.readv_formulas()
        return formulas[collective](size)

    def direct_formulas(self):
        def all_reduce(size):
            return at(self.small, size) if self.small and size < self.direct[0][0] else at(self.direct, size)
        return {
            "allreduce": all_reduce,
            "all-gather": lambda size: total(self.exchange_ns, at(self.copy, size)),
            "all-to-all": lambda size: total(self.exchange_ns, at(self.copy, size)),
            "reduce-scatter": lambda size: total(self.exchange_ns, at(self.add, size / 2)),
            "broadcast": lambda size: total(self.one_way_ns, at(self.copy, size / 2)),
            "reduce": lambda size: total(self.one_way_ns, at(self.add, size / 2)),
        }

    def readv_formulas(self):
        return {
            "allreduce": lambda size: at(self.readv_all_reduce, size),
            "all-gather": lambda size: total(self.exchange_ns, at(self.readv, size / 2), at(self.copy, size / 2)),
            "all-to-all": lambda size: total(self.exchange_ns, at(self.readv, size / 2), at(self.copy, size / 2)),
            "reduce-scatter": lambda size: total(self.exchange_ns, at(self.readv_add, size / 2)),
            "broadcast": lambda size: total(self.one_way_ns, at(self.readv_one, size)),
            "reduce": lambda size: total(self.exchange_ns, at(self.readv_add, size / 2), at(self.readv_one, size / 2)),
        }


class NetworkLimits:
    """What an interface of each host allows at its rate: what a host must send or receive of other hosts' data, all of it payload."""

    def __init__(self, host_count, rate_bits_per_s):
        self.host_count = host_count
        self.bytes_per_ns = rate_bits_per_s / 8e9

    def of(self, collective, size, _kind, _ranks):
        share = 1 - 1 / self.host_count
        shares = {"allreduce": 2 * share, "all-gather": share, "reduce-scatter": share, "all-to-all": share, "broadcast": 1, "reduce": 1}
        return shares[collective] * size / self.bytes_per_ns if collective in shares else None


RATE_UNITS = {"bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}


def rate_bits_per_s(text):
    """Of a rate as tc writes it: "10gbit", "200mbit". ValueError for anything else."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number):]
    if unit not in RATE_UNITS or not 0 < float(number) < math.inf:
        raise ValueError(f"no rate such as 10gbit or 200mbit: {text}")
    return float(number) * RATE_UNITS[unit]


def curve(runs, table, keys):
    """[(bytes, ns)] in order of bytes: the least over runs and keys. Refused measurements (below 0) are left out."""
    best = {}
    for run in runs:
        for row in run[table]:
            for key in keys:
                if row[key] > 0:
                    best[row["bytes"]] = min(best.get(row["bytes"], math.inf), row[key])
    return sorted(best.items())


def at(points, size):
    """Between measured sizes by logarithms; below the least and above the greatest in proportion to the size."""
    if not points:
        return None
    if size <= points[0][0]:
        # The least measured size of a small exchange costs what any smaller one does.
        return points[0][1] if points[0][0] <= 64 else points[0][1] * size / points[0][0]
    if size >= points[-1][0]:
        return points[-1][1] * size / points[-1][0]
    for (low, low_ns), (high, high_ns) in zip(points, points[1:]):
        if size <= high:
            share = math.log(size / low) / math.log(high / low)
            return math.exp(math.log(low_ns) + share * math.log(high_ns / low_ns))
    return None


def total(*parts):
    return None if None in parts else sum(parts)
