# SPDX-License-Identifier: Apache-2.0
"""The condensed conformance suite on several hosts, which are network namespaces, as launchers start it there.

A run is of so many ranks on each host over some transports: these alone, or shared memory within a host and another between. Exit status 77, with the reason, where no
hosts can be made."""

import argparse
import contextlib
import itertools
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
RANKS = (1, 2, 4)
TRANSPORTS = ("tcp", "shm,tcp")
# Of transports in plug-ins: what they are told, so that they use the hosts' interfaces.
VARIABLES = {"ofi": {"TUTTI_OFI_PROVIDER": "tcp"}, "ucx": {"UCX_TLS": "tcp"}}


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


def parse_run(text):
    ranks, transports = text.split(":", 1)
    return int(ranks), transports


def variables_of(transports, ranks, plugins):
    variables = {"TUTTI_TRANSPORTS": transports, "TUTTI_TIMEOUT_MS": "60000", "TUTTI_TEST_SIZE": "small", "TUTTI_TEST_RANKS": str(ranks)}
    for name in VARIABLES.keys() & transports.split(","):
        variables |= VARIABLES[name] | {"TUTTI_TRANSPORT_PLUGINS": ":".join(plugins)}
    return variables


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--nics", type=int, default=1)
    parser.add_argument("--launcher", choices=LAUNCHERS, required=True)
    parser.add_argument("--runs", type=parse_run, nargs="+", metavar="RANKS:TRANSPORTS", default=list(itertools.product(RANKS, TRANSPORTS)),
                        help="ranks on each host, and TUTTI_TRANSPORTS")
    parser.add_argument("--plugins", nargs="*", default=[], help="files of transports")
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
        for ranks, transports in options.runs:
            variables = variables_of(transports, ranks * options.hosts, options.plugins)
            complaints = run_all(hosts, LAUNCHERS[options.launcher](hosts, ranks, options.program, variables))
            print(f"{options.hosts} hosts with {ranks} ranks each over {transports}: {'failed' if complaints else 'passed'}", flush=True)
            for complaint in complaints:
                print(complaint)
            failed = failed or bool(complaints)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
