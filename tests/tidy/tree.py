# SPDX-License-Identifier: Apache-2.0
"""What the checks of this folder share: the files of the tree, and how a check is run."""

import pathlib
import sys

TOPS = ("src", "include", "algorithms", "transports", "topologies", "bench", "tests", "tools", "bindings", "examples", "cmake",
        "scripts", ".ci", "docs")
CPP = (".h", ".hpp", ".c", ".cpp", ".in")


def files(root, tops=TOPS, suffixes=None):
    """Paths relative to `root`, sorted; `suffixes` restricts them."""
    for top in tops:
        for path in sorted((root / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and (suffixes is None or path.suffix in suffixes):
                yield path.relative_to(root)


def read(root, path):
    return (root / path).read_text(encoding="utf-8")


def main(*checks):
    """Runs checks: functions of the root that yield complaints and return how many things they looked at."""
    root = pathlib.Path(sys.argv[1])
    failed = False
    for check in checks:
        complaints, looked_at = collect(check(root))
        for complaint in complaints:
            print(f"{check.__name__}: {complaint}")
        if looked_at == 0:
            print(f"{check.__name__}: found nothing to look at")
        print(f"{check.__name__}: {looked_at} looked at, {len(complaints)} complaints")
        failed = failed or bool(complaints) or looked_at == 0
    sys.exit(1 if failed else 0)


def collect(generator):
    complaints = []
    while True:
        try:
            complaints.append(next(generator))
        except StopIteration as end:
            return complaints, end.value
