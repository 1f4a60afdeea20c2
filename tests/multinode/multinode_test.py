# SPDX-License-Identifier: Apache-2.0
"""The condensed conformance suite on several hosts, which are network namespaces, as launchers start it there.

Each run is of every rank count, over TCP alone and over shared memory within a host and TCP between, or what else is asked for. Exit status 77, with the reason, where
no hosts can be made."""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from hosts import Hosts, Unavailable  # noqa: E402

SKIPPED = 77
TIMEOUT_S = 120
MASTER_PORT = "29566"
TRANSPORTS = ("tcp", "shm,tcp")


def by_open_mpi(hosts, ranks, program, variables):
    places = ",".join(f"{name}:{ranks}" for name in hosts.names)
    exported = [word for name in variables for word in ("-x", name)]
    return [("host0", ["mpirun.openmpi", "--allow-run-as-root", "--oversubscribe", "--mca", "plm_rsh_agent", str(hosts.agent), "-H", places,
                       *exported, *program], variables)]


def by_mpich(hosts, ranks, program, variables):
    places = ",".join(f"{name}:{ranks}" for name in hosts.names)
    exported = ["-genvlist", ",".join(variables)]
    return [("host0", ["mpiexec.mpich", "-launcher", "ssh", "-launcher-exec", str(hosts.agent), "-iface", "nic0", "-hosts", places,
                       "-n", str(ranks * len(hosts.names)), *exported, *program], variables)]


def by_variables(hosts, ranks, program, variables):
    """As torchrun does it: each process is told its rank, and where rank 0 can be found."""
    commands = []
    for rank in range(ranks * len(hosts.names)):
        told = {"RANK": str(rank), "WORLD_SIZE": str(ranks * len(hosts.names)), "LOCAL_RANK": str(rank % ranks),
                "MASTER_ADDR": hosts.address(0), "MASTER_PORT": MASTER_PORT, "TUTTI_SECRET_FILE": str(hosts.secret)}
        commands.append((hosts.names[rank // ranks], program, variables | told))
    return commands


LAUNCHERS = {"openmpi": by_open_mpi, "mpich": by_mpich, "variables": by_variables}


def run_all(hosts, commands):
    """Runs each (host, words, variables) at once; what they printed when one failed, else nothing."""
    running = [subprocess.Popen(hosts.command(name, words), env=os.environ | variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True) for name, words, variables in commands]
    complaints = []
    for process in running:
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            output = process.communicate()[0] + f"\nnot done after {TIMEOUT_S} s"
        if process.returncode != 0:
            complaints.append(f"exit status {process.returncode}: {output}")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--nics", type=int, default=1)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4], help="on each host")
    parser.add_argument("--launcher", choices=LAUNCHERS, required=True)
    parser.add_argument("--transports", nargs="+", default=TRANSPORTS, help="TUTTI_TRANSPORTS of each run")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="variables of all ranks")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ctest's time is up: the hosts go all the same
    failed = False
    with contextlib.ExitStack() as stack:
        try:
            hosts = stack.enter_context(Hosts(options.hosts, options.nics))
        except Unavailable as reason:
            print(f"skipped: {reason}")
            return SKIPPED
        for ranks in options.ranks:
            for transports in options.transports:
                variables = dict(text.split("=", 1) for text in options.set) | {"TUTTI_TRANSPORTS": transports, "TUTTI_TIMEOUT_MS": "60000", "TUTTI_TEST_SIZE": "small",
                             "TUTTI_TEST_RANKS": str(ranks * options.hosts)}
                complaints = run_all(hosts, LAUNCHERS[options.launcher](hosts, ranks, options.program, variables))
                print(f"{options.hosts} hosts with {ranks} ranks each over {transports}: {'failed' if complaints else 'passed'}", flush=True)
                for complaint in complaints:
                    print(complaint)
                failed = failed or bool(complaints)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
