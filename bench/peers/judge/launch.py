# SPDX-License-Identifier: Apache-2.0
"""Starts the ranks of one configuration, waits for them, and reads what rank 0 printed."""

import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile

MAX_OUTPUT_BYTES = 4 << 20
MAX_MESSAGE = 400


@dataclasses.dataclass(frozen=True)
class Plan:
    """What one launch measures."""
    ranks: int
    sizes: tuple
    cold_sizes: tuple
    collectives: tuple
    budget_us: int
    deadline_s: float


@dataclasses.dataclass(frozen=True)
class Point:
    configuration: str
    ranks: int
    collective: str
    size: int
    temperature: str
    round: int
    iterations: int
    median_ns: float
    p99_ns: float
    wrong: int


@dataclasses.dataclass
class Outcome:
    points: list
    version: str = ""
    was_stopped: bool = False
    error: str = ""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cores():
    return len(os.sched_getaffinity(0))


def is_crowded(plan, hosts):
    """Whether ranks cannot have a core each. Between hosts on one machine the cores carry the packets too, and ranks that are bound and spin
    keep them from it: 8 B take MPI 8 ms then."""
    return hosts is not None or plan.ranks > cores()


def arguments_of(plan, configuration, folder, hosts=None):
    sizes = plan.sizes
    if plan.ranks > cores() and configuration.crowded_sizes:
        sizes = tuple(size for size in sizes if size in configuration.crowded_sizes)
    line = ["--folder", folder, "--collectives", ",".join(plan.collectives), "--sizes", ",".join(map(str, sizes)),
            "--cold", ",".join(str(size) for size in plan.cold_sizes if size in sizes), "--memory", configuration.memory,
            "--budget-us", str(plan.budget_us), "--deadline-ms", str(int(plan.deadline_s * 1000))]
    # As many ranks as cores, or fewer: a core for each, the same for all libraries.
    return line + (["--yield"] if is_crowded(plan, hosts) else ["--bind"])


def end(process):
    """Ends the session that it leads. A launcher gets two seconds to end its ranks; whoever is left in its session is killed, as Open
    MPI's ranks have process groups of their own."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        pass
    for directory in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            # After the command's name, which may hold anything: state, parent, group, session.
            session = int((directory / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[3])
            if session == process.pid:
                os.kill(int(directory.name), signal.SIGKILL)
        except (OSError, IndexError, ValueError):
            continue
    process.wait()


def in_one_session(commands):
    """One command that runs them all."""
    if len(commands) == 1:
        return commands[0]
    return [sys.executable, str(pathlib.Path(__file__).with_name("together.py")), json.dumps(commands)], {}


def run(configuration, plan, round_number, hosts=None):
    with tempfile.TemporaryDirectory(prefix="tutti-peers-") as folder:
        secret = pathlib.Path(folder, "secret")
        secret.touch(mode=0o600)
        secret.write_bytes(os.urandom(32))
        address = hosts.address(0) if hosts else "127.0.0.1"
        shared = {"MASTER_ADDR": address, "MASTER_PORT": str(free_port()), "TUTTI_SECRET_FILE": str(secret)}
        commands = configuration.commands(plan.ranks, arguments_of(plan, configuration, folder, hosts), is_crowded(plan, hosts), hosts)
        line, variables = in_one_session(commands)
        with open(f"{folder}/output", "wb") as output, open(f"{folder}/errors", "wb") as errors:
            try:
                process = subprocess.Popen(line, env=os.environ | shared | variables, stdin=subprocess.DEVNULL, stdout=output, stderr=errors,
                                           start_new_session=True)
            except OSError as error:
                return Outcome([], error=f"cannot start {line[0]}: {error.strerror}")
            try:
                status = process.wait(plan.deadline_s + 60)
            except subprocess.TimeoutExpired:
                status = 124
            finally:
                end(process)
        outcome = parse(read_start(f"{folder}/output", MAX_OUTPUT_BYTES), configuration.name, plan.ranks, round_number)
        if status != 0 and not outcome.error:
            reason = "no end in time" if status == 124 else "wrong values" if status == 1 else f"exit status {status}"
            outcome.error = f"{reason}; {last_words(read_start(f'{folder}/errors', MAX_OUTPUT_BYTES))}"
        return outcome


def read_start(path, limit):
    with open(path, "rb") as file:
        return file.read(limit).decode("utf-8", errors="replace")


def last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip(" -*\t")]
    return " | ".join(lines[-3:])[-MAX_MESSAGE:] if lines else "it printed nothing"


def parse(text, name, ranks, round_number):
    outcome = Outcome([])
    for line in text.splitlines():
        fields = line.strip().split(",")
        if fields[0] == "version":
            outcome.version = ",".join(fields[1:])[:80]
        elif fields[0] == "stopped":
            outcome.was_stopped = True
        elif len(fields) == 7 and fields[0] != "collective":
            try:
                outcome.points.append(Point(name, ranks, fields[0], int(fields[1]), fields[2], round_number, int(fields[3]),
                                            float(fields[4]), float(fields[5]), int(fields[6])))
            except ValueError:
                outcome.error = f"rank 0 printed a line that is none of ours: {line[:80]!r}"
    return outcome
