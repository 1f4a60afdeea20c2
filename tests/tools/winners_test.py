# SPDX-License-Identifier: Apache-2.0
"""tutti winners, and the page docs/winners.md that this writes with TUTTI_UPDATE_GOLDEN=1, in some minutes. Arguments: the program, the source tree.

The page is compared for a few small machines; if they have new winners, so may the others: write it anew.
"""

import collections
import json
import os
import pathlib
import subprocess
import sys
import unittest

PROGRAM = pathlib.Path(sys.argv[1])
PAGE = pathlib.Path(sys.argv[2]) / "docs" / "winners.md"
UPDATE = os.environ.get("TUTTI_UPDATE_GOLDEN") == "1"

COMPARED = ["nvidia-dgx-a100", "microsoft-maia-100", "huawei-ascend-910b"]
MACHINES = COMPARED + [
    "amd-mi250x", "amd-mi300x", "amd-mi355x", "aws-inf2", "aws-trn1", "aws-trn2", "aws-trn2-ultraserver", "aws-trn3", "cerebras-swarmx",
    "google-tpu-v4", "google-tpu-v5e:8x8", "google-tpu-v5p", "google-tpu-v5p:2x2x4", "google-tpu-v5p:4x4x8", "google-tpu-v6e:8x8",
    "hpe-slingshot-frontier:64", "huawei-ascend-910", "huawei-cloudmatrix384:32x1", "intel-gaudi2", "intel-gaudi3", "meta-mtia-v2", "nvidia-dgx-h100",
    "nvidia-gb200-nvl72", "nvidia-gh200-nvl32", "nvidia-h100-nvl", "nvidia-superpod-h100:4", "tesla-dojo:5x5", "tesla-dojo:10x10"]

HEAD = """# Winners

Which algorithm the planner chooses on machine models, and how near its price comes to what the machine allows: a share of the bandwidth bound in %, or, where
that is shorter, so many times the latency bound. The bandwidth bound is the bytes that must pass over the bandwidth of the narrowest of some cuts (around a
chip, around all chips of a unit at once, around a unit of a level, through the middle of an axis) by the links that routing takes, and a message to the nearest
chip; where a chip's links inside of its unit are others than those outside, the bytes of an allreduce are shared among both as well as can be. The latency
bound is one message to the farthest, software included, or, of an allreduce, broadcast or reduce, what the bytes add to that whatever is done: either all comes
straight, unreduced, from everybody to everybody through the links around a chip, a unit or half an axis, and through those of a chip's links that routing
takes, or something comes by two messages (`tools/tutti/latency_bound.hpp`). Sizes are those of a vector, or of the blocks of all ranks together; of an alltoall,
of what each rank has; the planner prices the power of two that is as large as a block or smaller, and so does the bound.

No algorithm need reach a bound. On meshes the chips at the corners have fewer links than others, and an allreduce made of a reducescatter and an allgather
uses the two directions of these one after the other, which is 57 % on 8x8 chips; `packed_trees` uses both at once. Ways that are chosen message by message meet
where a flow would not. And protocols cost more with each message that must wait for another.

Written by `TUTTI_UPDATE_GOLDEN=1 ctest --preset release -R tools.winners` from `tutti winners`; a test compares what takes little time.
"""


def run(*arguments):
    return subprocess.run([PROGRAM, "winners", *arguments], capture_output=True, text=True, check=False, timeout=900)


def size_text(size):
    return {4096: "4 KiB", 1 << 20: "1 MiB", 1 << 26: "64 MiB", 1 << 30: "1 GiB"}[size]


def text_of(row):
    bound = max(row["latency_bound_ns"], row["bandwidth_bound_ns"])
    if row["latency_bound_ns"] > row["bandwidth_bound_ns"]:
        return f"{row['algorithm']}, {row['price_ns'] / bound:.2f} times"
    return f"{row['algorithm']}, {100 * bound / row['price_ns']:.0f} %"


def table_text(table):
    rows = collections.defaultdict(list)
    for row in table["winners"]:
        rows[row["collective"]].append(row)
    sizes = [size_text(row["bytes"]) for row in next(iter(rows.values()))]
    lines = [f"## {table['machine']}", "", "| | " + " | ".join(sizes) + " |", "|---|---|---|---|---|"]
    lines += [f"| {collective} | " + " | ".join(text_of(row) for row in row_list) + " |" for collective, row_list in rows.items()]
    return "\n".join(lines) + "\n"


def places_text(places):
    text = ""
    for collective, machines in places.items():
        text += f"- {collective}: " + "; ".join(f"{machine} {', '.join(sizes)}" for machine, sizes in machines.items()) + "\n"
    return text


def where_each_wins(tables):
    listed = subprocess.run([PROGRAM, "algorithms"], capture_output=True, text=True, check=True, timeout=60).stdout
    names = [line.split()[0] for line in listed.splitlines() if not line.startswith(" ")]
    wins = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    for table in tables:
        for row in table["winners"]:
            wins[row["algorithm"]][row["collective"]][table["machine"]].append(size_text(row["bytes"]))
    text = "\n# Where each wins\n"
    for name in names:
        text += f"\n## {name}\n"
        if name not in wins:
            text += "On none of these machines at these sizes.\n"
        text += places_text(wins.pop(name, {}))
    if wins:
        text += "\n## Compositions\n"
    for name, places in sorted(wins.items()):
        text += f"\n{name}\n{places_text(places)}"
    return text


class Winners(unittest.TestCase):
    maxDiff = None

    def test_the_page_is_up_to_date(self):
        if UPDATE:
            tables, text = [], HEAD
            for machine in MACHINES:
                made = run(machine, "--json")
                self.assertEqual(made.returncode, 0, made.stderr)
                tables += json.loads(made.stdout)
                text += "\n" + table_text(tables[-1])
            PAGE.write_text(text + where_each_wins(tables))
        page = PAGE.read_text()
        for machine in COMPARED:
            with self.subTest(machine):
                table = run(machine)
                self.assertEqual(table.returncode, 0, table.stderr)
                self.assertIn("\n" + table.stdout, page, "TUTTI_UPDATE_GOLDEN=1 ctest --preset release -R tools.winners writes the page anew")

    def test_json_says_the_same(self):
        self.assertEqual(table_text(json.loads(run("microsoft-maia-100", "--json").stdout)[0]), run("microsoft-maia-100").stdout)

    # What a cut carries is what its links do: of eight GPUs around a switch each passes 7/4 of the vector.
    def test_bounds_are_bytes_over_cuts(self):
        rows = json.loads(run("nvidia-dgx-a100", "--json").stdout)[0]["winners"]
        times = {(row["collective"], row["bytes"]): row["bandwidth_bound_ns"] for row in rows}
        self.assertAlmostEqual(times["allreduce", 1 << 30] / times["allgather", 1 << 30], 2, places=1)
        self.assertAlmostEqual(times["broadcast", 1 << 30] / times["allgather", 1 << 30], 8 / 7, places=1)
        self.assertEqual(times["alltoall", 1 << 30], times["gather", 1 << 30])

    # By hand, of a ring of 12 chips that hops of 200 ns join, with 1.5 us a message: what goes three hops and farther is 30 hops, on two links 15 vectors of
    # 4 KiB at 48 GB/s. Two messages would take 3.4 us at least.
    def test_bounds_of_latency_count_bytes_that_nothing_avoids(self):
        rows = json.loads(run("aws-inf2", "--json").stdout)[0]["winners"]
        allreduce = next(row for row in rows if (row["collective"], row["bytes"]) == ("allreduce", 4096))
        self.assertAlmostEqual(allreduce["latency_bound_ns"], 1500 + 3 * 200 + 15 * 4096 / 48, delta=1)
        self.assertLess(allreduce["price_ns"], 1.3 * allreduce["latency_bound_ns"])

    # By hand, of 4x4 chips as on that ring: the chip farthest from the root is four hops away, and whichever way is taken, by one of two links of the root, those of
    # the first axis from it and those of the second to it.
    def test_bounds_of_latency_count_the_links_that_routing_takes(self):
        rows = json.loads(run("aws-trn1", "--json").stdout)[0]["winners"]
        for collective in ("broadcast", "reduce"):
            row = next(row for row in rows if (row["collective"], row["bytes"]) == (collective, 4096))
            self.assertAlmostEqual(row["latency_bound_ns"], 1500 + 4 * 200 + 4096 / (2 * 48 * 1.073741824), delta=1)
            self.assertLess(row["price_ns"], 1.3 * row["latency_bound_ns"])

    def test_mistakes(self):
        self.assertEqual(run().returncode, 2)
        unknown = run("none-such")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn("none-such", unknown.stderr)
        large = run("tesla-dojo")
        self.assertEqual(large.returncode, 2)
        self.assertIn("3000 chips are more than the 2048", large.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
