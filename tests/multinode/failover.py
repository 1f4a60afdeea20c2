# SPDX-License-Identifier: Apache-2.0
"""What it costs when a network interface is lost in the middle of a collective.

Two hosts with several interfaces each add up vectors over all of them, and check every sum. Again and again one interface is lost in one of the ways
below, comes back, and has to be used again. For each way: how much longer than usual the slowest sum took, median and maximum over the runs.

    down     the interface is taken down
    silence  the switch forwards nothing from it and to it any more, and nobody is told
    reset    its TCP connections are reset
    address  it loses its address

    python3 tests/multinode/failover.py --runs 100 --rate 1gbit -- build/release/tests/multinode/failover_program

Exit status 77, with the reason, where no hosts can be made; 1 if a sum was wrong, a rank failed, or an interface was not used again."""

import argparse
import contextlib
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from hosts import Hosts, Unavailable  # noqa: E402

SKIPPED = 77
PATIENCE_S = 60
WAYS = ("down", "silence", "reset", "address")
PORT = "29577"


class Failed(Exception):
    pass


class Sums:
    """The ranks, and when rank 0 began its sums."""

    def __init__(self, hosts, program, size_bytes, variables=None):
        self.lines = []
        self.ranks = []
        for rank, name in enumerate(hosts.names):
            told = {"RANK": str(rank), "WORLD_SIZE": str(len(hosts.names)), "LOCAL_RANK": "0", "MASTER_ADDR": hosts.address(0),
                    "MASTER_PORT": PORT, "TUTTI_SECRET_FILE": str(hosts.secret), "TUTTI_TRANSPORTS": "tcp", "TUTTI_TIMEOUT_MS": "60000"}
            told |= variables or {}
            self.ranks.append(subprocess.Popen(hosts.command(name, [*program, str(size_bytes)]), env=os.environ | told, text=True,
                                               stdin=subprocess.PIPE if rank == 0 else subprocess.DEVNULL,
                                               stdout=subprocess.PIPE if rank == 0 else None))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.ranks[0].stdout:
            begin_ns, duration_ns = line.split()
            self.lines.append((int(begin_ns), int(duration_ns)))

    def check(self):
        if any(rank.poll() is not None for rank in self.ranks):
            raise Failed("a rank has ended")

    def wait(self, condition, what):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            self.check()
            if time.monotonic() > end:
                raise Failed(f"waited {PATIENCE_S} s until {what}")
            time.sleep(0.01)

    def wait_for_more(self, count):
        target = len(self.lines) + count
        self.wait(lambda: len(self.lines) >= target, f"{count} more sums were done")

    def end(self):
        self.ranks[0].stdin.close()
        for rank in self.ranks:
            if rank.wait(timeout=PATIENCE_S) != 0:
                raise Failed(f"a rank ended with status {rank.returncode}")


def sent_bytes(hosts, name, nic):
    return int(subprocess.run(hosts.command(name, ["cat", f"/sys/class/net/nic{nic}/statistics/tx_bytes"]), capture_output=True, text=True,
                              check=True).stdout)


def wait_until_used(hosts, sums, size_bytes):
    """Until all interfaces of all hosts carry some of a sum."""
    for name in hosts.names:
        for nic in range(hosts.nic_count):
            before = sent_bytes(hosts, name, nic)
            sums.wait(lambda: sent_bytes(hosts, name, nic) > before + size_bytes // 8, f"nic{nic} of {name} was used")


def measure(hosts, sums, way, name, nic, size_bytes):
    """Extra milliseconds of the slowest sum since the interface was lost."""
    wait_until_used(hosts, sums, size_bytes)
    sums.wait_for_more(3)
    usual_ns = statistics.median(duration for _, duration in sums.lines[-20:])
    begin_ns = time.monotonic_ns()
    lost = hosts.lose(name, nic, way)
    lost_ns = time.monotonic_ns()
    sums.wait(lambda: sums.lines[-1][0] > lost_ns + 400_000_000, "sums went on")
    slowest_ns = max(duration for begin, duration in sums.lines if begin + duration > begin_ns)
    lost()
    return (slowest_ns - usual_ns) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100, help="of each way (default 100)")
    parser.add_argument("--nics", type=int, default=2, help="interfaces of each host (default 2)")
    parser.add_argument("--rate", default="1gbit", help="that they send at most (default 1gbit)")
    parser.add_argument("--bytes", type=int, default=4 << 20, help="of a vector (default 4 MiB)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the hosts go all the same
    choices = random.Random(1)
    with contextlib.ExitStack() as stack:
        try:
            hosts = stack.enter_context(Hosts(2, options.nics, options.rate))
        except Unavailable as reason:
            print(f"skipped: {reason}")
            return SKIPPED
        try:
            sums = Sums(hosts, options.program, options.bytes)
            sums.wait_for_more(5)
            for way in options.ways:
                extra = [measure(hosts, sums, way, choices.choice(hosts.names), choices.randrange(options.nics), options.bytes)
                         for _ in range(options.runs)]
                print(f"{way:8} {options.runs} runs: median {statistics.median(extra):7.1f} ms, maximum {max(extra):7.1f} ms", flush=True)
            wait_until_used(hosts, sums, options.bytes)
            sums.end()
        except (Failed, Unavailable) as reason:
            print(f"failed: {reason}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
