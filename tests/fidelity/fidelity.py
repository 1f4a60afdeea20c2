# SPDX-License-Identifier: Apache-2.0
"""What Tutti predicts against what others have measured: docs/fidelity.md, from measurements.toml and `tutti simulate`.

Arguments: the program, the source tree. Fails when a row is not what measurements.toml expects of it, or when the page is not what comes out now;
with TUTTI_UPDATE_GOLDEN=1 writes the page.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tomllib

UNITS = {"kB": 10**3, "MB": 10**6, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
# Numbers of the page may differ by this much before it is out of date.
TOLERANCE = 0.01
# Of a simulation, so that each takes a fraction of a second.
MOST_FRAMES = 100_000

HEAD = """# Fidelity

What Tutti predicts against what others have measured. The page is written by `tests/fidelity/fidelity.py` from `tests/fidelity/measurements.toml`
and `tutti simulate`; a test keeps it up to date, and `TUTTI_UPDATE_GOLDEN=1 ctest --preset release -R tools.fidelity` writes it anew. Rows that do
not fit are here as well: figures of the [models](topologies.md) have the sources that they name, and none is chosen to make a row fit.

A prediction is the time that the simulation takes, with the engine and the algorithm as they are; the price, which the planner chooses by, is beside
it. It is to be within 10 % for one node from 1 GiB on, within 20 % across nodes from 1 MiB on, and within a factor of two below 1 MiB. One node has
no bound between. Bandwidths are those of the bus, as nccl-tests counts them.
"""


def bytes_of(text):
    number, unit = text.split()
    return int(number) * UNITS[unit]


def bus_factor(row, chips):
    share = (chips - 1) / chips
    return 2 * share if row["collective"] == "allreduce" else share


def simulate(program, row, model):
    arguments = ["simulate", row["collective"], "--topology", model, "--bytes", str(bytes_of(row["bytes"])), "--frames", str(MOST_FRAMES), "--json"]
    if "algorithm" in row:
        arguments += ["--algo", row["algorithm"]]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode != 0:
        sys.exit(f"tutti {' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def bound_of(row):
    """The greatest and least ratio of predicted to measured that is good enough, and its name; None without one."""
    size = bytes_of(row["bytes"])
    if "missing" in row or row.get("confidence") == "recalled":
        return None
    if size < 2**20:
        return 0.5, 2.0, "factor of 2"
    if row.get("nodes", 1) > 1:
        return 0.8, 1.2, "20 %"
    return (0.9, 1.1, "10 %") if size >= 2**30 else None


def verdict_of(row, ratio, bound):
    if "missing" in row:
        return "no algorithm"
    if row.get("confidence") == "recalled":
        return "measurement recalled"
    if bound is None:
        return "no bound"
    return "holds" if bound[0] <= ratio <= bound[1] else "**missed**"


def check(row, verdict):
    expected = {True: "holds", False: "**missed**", None: verdict}[row.get("within")]
    where = f"measurements.toml: {row['machine']}, {row['collective']} of {row['bytes']}"
    if "within" not in row and verdict in ("holds", "**missed**"):
        yield f"{where}: does not say whether it is within its bound: it {verdict}"
    if verdict != expected:
        yield f"{where}: is expected to be \"{expected}\", but is \"{verdict}\""
    if verdict == "**missed**" and "why" not in row:
        yield f"{where}: is missed without a reason"


def number(value):
    return f"{value:.1f}" if value < 1000 else f"{value:,.0f}"


def line_of(program, row, reasons, notes):
    result = simulate(program, row, row["model"])
    if "ratio" in row:
        other = simulate(program, row, row["than"])
        measured, predicted, price = row["ratio"], other["time_ns"] / result["time_ns"], other["price_ns"] / result["price_ns"]
        ratio = predicted / measured
        columns = [f"{measured:.2f} times", f"{predicted:.2f} times", f"{price:.2f} times"]
    else:
        work = bytes_of(row["bytes"]) * bus_factor(row, result["chip_count"]) / 1000
        measured = row["us"] if "us" in row else work / row["bus"]
        predicted, price = result["time_ns"] / 1000, result["price_ns"] / 1000
        ratio = predicted / measured
        columns = [f"{number(measured)} us, {number(work / measured)} GB/s", f"{number(predicted)} us, {number(work / predicted)} GB/s",
                   f"{number(price)} us"]
    bound = bound_of(row)
    verdict = verdict_of(row, ratio, bound)
    mark = ""
    remarks = [f"Needs {row['missing']}; the planner's choice is shown"] if "missing" in row else []
    remarks += [f"`{row['algorithm']}` stands for {row['stands_for']}"] if "stands_for" in row else []
    remarks += [reasons[row["why"]]] if "why" in row else []
    for remark in remarks:
        if remark not in notes:
            notes.append(remark)
        mark += f" [{notes.index(remark) + 1}]"
    difference = f"{round(100 * (ratio - 1)):+d} %"
    cells = [row["machine"] + mark, f"{row['collective']} {row['bytes']}", result["algorithm"], *columns, difference, bound[2] if bound else "-",
             verdict, row["source"]]
    return verdict, "| " + " | ".join(cells) + " |", list(check(row, verdict))


def page_of(program, data):
    notes, lines, errors, verdicts = [], [], [], []
    for row in data["row"]:
        verdict, line, wrong = line_of(program, row, data["reasons"], notes)
        verdicts.append(verdict)
        lines.append(line)
        errors += wrong
    counts = ", ".join(f"{verdicts.count(verdict)} {words}" for verdict, words in (
        ("holds", "hold"), ("**missed**", "missed"), ("no bound", "without a bound"),
        ("no algorithm", "that need an algorithm which Tutti does not have yet"),
        ("measurement recalled", "recalled and not checked, which nothing is held against")))
    used = {row["source"] for row in data["row"]}
    text = HEAD + f"\n{len(verdicts)} rows: {counts}.\n\n"
    text += "| machine | collective | algorithm | measured | simulated | priced | difference | bound | verdict | source |\n"
    text += "|---|---|---|---|---|---|---|---|---|---|\n" + "\n".join(lines) + "\n\n"
    text += "".join(f"{index}. {note}.\n" for index, note in enumerate(notes, 1))
    text += "\n| source | |\n|---|---|\n" + "".join(f"| {key} | {value} |\n" for key, value in data["sources"].items() if key in used)
    return text, errors


NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?")


def is_alike(now, then):
    """The same words, and about the same numbers."""
    if NUMBER.sub("#", now) != NUMBER.sub("#", then):
        return False
    for left, right in zip(NUMBER.findall(now), NUMBER.findall(then), strict=True):
        a, b = (float(text.replace(",", "")) for text in (left, right))
        last_digit = 10.0 ** -len(left.partition(".")[2])
        if abs(a - b) > max(TOLERANCE * abs(b), 1.5 * last_digit):
            return False
    return True


def main():
    program, source = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    data = tomllib.loads((source / "tests/fidelity/measurements.toml").read_text(encoding="utf-8"))
    page = source / "docs/fidelity.md"
    now, errors = page_of(program, data)
    if os.environ.get("TUTTI_UPDATE_GOLDEN") == "1":
        page.write_text(now, encoding="utf-8")
    then = page.read_text(encoding="utf-8") if page.exists() else ""
    if not is_alike(now, then):
        pairs = zip(now.splitlines(), then.splitlines(), strict=False)
        differing = next((f"\n  now  {a}\n  page {b}" for a, b in pairs if not is_alike(a, b)), "")
        errors.append(f"docs/fidelity.md is not up to date; TUTTI_UPDATE_GOLDEN=1 renews it{differing}")
    for error in errors:
        print(error)
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
