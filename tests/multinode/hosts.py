# SPDX-License-Identifier: Apache-2.0
"""Several hosts on one machine: network namespaces, each with a hostname of its own, joined by switches.

Every host has the same number of network interfaces, nic0, nic1 ..., each of which is one end of a veth pair; the other ends of all nic<n>
are joined by a bridge, in a namespace that only has bridges. So nothing outside the namespaces carries a packet. Host h has the addresses
10.77.n.(h+1) and fd77:n::(h+1) on nic<n>, and its interfaces may be shaped to a rate (tc-tbf), or each connection of IPv4 to one, as networks of clouds
do (tc-htb; connections are told apart by three bits of each of their ports, so that a few share a rate). Root and iproute2 are needed.

As a program it runs a command on the first host, for trying things out:

    python3 tests/multinode/hosts.py --hosts 2 --nics 1 --rate 10gbit -- mpirun --allow-run-as-root -H host0,host1 hostname
"""

import argparse
import contextlib
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

# What a host has to be to its programs: a name, and the addresses of all others. The rest of the line is the command.
ENTER = """#!/bin/sh
# Usage: enter [-OPTION]... HOST COMMAND...   (as a remote shell is called: its options do not matter, the words are joined and given to a shell)
while [ "${{1#-}}" != "$1" ]; do shift; done
host=$1; shift
exec ip netns exec "{prefix}$host" unshare --uts --mount sh -c '
  hostname "$0" && mount --bind {folder}/etc-hosts /etc/hosts || exit 255
  export TUTTI_HOSTID="$0"
  exec sh -c "$1"' "$host" "$*"
"""


class Unavailable(Exception):
    """Why there can be no hosts here."""


def run(*words, told=None):
    result = subprocess.run(words, input=told, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise Unavailable(f"{shlex.join(words)}: {result.stderr.strip()}")


def flow_classes(nic, rate):
    """What tc is told to give each connection a class of its own. Ports of those who connect are even, so that their lowest bit tells nothing."""
    device = f"dev nic{nic}"
    lines = [f"qdisc add {device} root handle 1: htb default 0"]
    for flow in range(64):
        lines += [f"class add {device} parent 1: classid 1:{flow + 1:x} htb rate {rate} burst 256kb cburst 256kb",
                  f"filter add {device} parent 1: protocol ip prio 1 u32 match ip sport {flow // 8 * 2} 0xe match ip dport {flow % 8 * 2} 0xe "
                  f"flowid 1:{flow + 1:x}"]
    return "\n".join(lines) + "\n"


class Hosts:
    """Made by entering it as a context, and gone without a trace after that."""

    def __init__(self, host_count, nic_count=1, rate=None, flow_rate=None):
        if not 1 <= host_count <= 64 or not 1 <= nic_count <= 16:
            raise ValueError(f"{host_count} hosts with {nic_count} interfaces each: 1 to 64 and 1 to 16 can be made")
        self.names = [f"host{index}" for index in range(host_count)]
        self.nic_count = nic_count
        self.rate = rate
        self.flow_rate = flow_rate
        self.prefix = f"tutti-{os.getpid()}-"
        self.folder = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise Unavailable("making network namespaces needs root")
        for program in ("ip", "tc", "unshare"):
            if shutil.which(program) is None:
                raise Unavailable(f"there is no '{program}' (iproute2 and util-linux have them)")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tutti-hosts-"))
        try:
            self._make()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _make(self):
        lines = ["127.0.0.1 localhost"] + [f"{self.address(index)} {name}" for index, name in enumerate(self.names)]
        (self.folder / "etc-hosts").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.agent.write_text(ENTER.format(prefix=self.prefix, folder=self.folder), encoding="utf-8")
        self.agent.chmod(0o755)
        self.secret.touch(0o600)
        self.secret.write_bytes(os.urandom(64))
        switches = self.prefix + "switches"
        run("ip", "netns", "add", switches)
        for nic in range(self.nic_count):
            run("ip", "-n", switches, "link", "add", f"switch{nic}", "type", "bridge")
            run("ip", "-n", switches, "link", "set", f"switch{nic}", "up")
        for index, name in enumerate(self.names):
            host = self.prefix + name
            run("ip", "netns", "add", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
            for nic in range(self.nic_count):
                run("ip", "-n", host, "link", "add", f"nic{nic}", "type", "veth", "peer", "name", f"{name}nic{nic}", "netns", switches)
                run("ip", "-n", switches, "link", "set", f"{name}nic{nic}", "master", f"switch{nic}", "up")
                run("ip", "-n", host, "address", "add", f"{self.address(index, nic)}/24", "dev", f"nic{nic}")
                # Without duplicate address detection, which would take seconds until the address can be used.
                run("ip", "-n", host, "address", "add", f"fd77:{nic}::{index + 1}/64", "dev", f"nic{nic}", "nodad")
                run("ip", "-n", host, "link", "set", f"nic{nic}", "up")
                if self.rate:
                    run("tc", "-n", host, "qdisc", "add", "dev", f"nic{nic}", "root", "tbf", "rate", self.rate, "burst", "512kb", "latency", "20ms")
                elif self.flow_rate:
                    run("tc", "-n", host, "-batch", "-", told=flow_classes(nic, self.flow_rate))
        run(*self.command(self.names[0], ["true"]))  # whether a program can be started there

    def __exit__(self, *_):
        for name in [*self.names, "switches"]:
            inside = subprocess.run(["ip", "netns", "pids", self.prefix + name], capture_output=True, text=True, check=False).stdout
            for process in inside.split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(process), signal.SIGKILL)
            subprocess.run(["ip", "netns", "del", self.prefix + name], capture_output=True, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def agent(self):
        """A program that runs a command on a host as a remote shell does: agent HOST COMMAND..."""
        return self.folder / "enter"

    @property
    def secret(self):
        """A file with what all hosts know and nobody else does."""
        return self.folder / "secret"

    def address(self, index, nic=0):
        return f"10.77.{nic}.{index + 1}"

    def command(self, name, words):
        """What starts `words` on host `name`."""
        return [str(self.agent), name, shlex.join(words)]

    def set_link(self, name, nic, state):
        """Takes an interface of a host down, or brings it up."""
        run("ip", "-n", self.prefix + name, "link", "set", f"nic{nic}", state)

    def lose(self, name, nic, way):
        """Makes an interface of a host useless, in one of the ways of failover.py. What it returns undoes that."""
        host, switches, interface = self.prefix + name, self.prefix + "switches", f"nic{nic}"
        address = self.address(self.names.index(name), nic)
        if way == "down":
            self.set_link(name, nic, "down")
            return lambda: self.set_link(name, nic, "up")
        if way == "silence":
            run("ip", "-n", switches, "link", "set", name + interface, "nomaster")
            return lambda: run("ip", "-n", switches, "link", "set", name + interface, "master", f"switch{nic}")
        if way == "reset":
            run("ip", "netns", "exec", host, "ss", "-K", "-t", "src", address)
            return lambda: None
        run("ip", "-n", host, "address", "del", f"{address}/24", "dev", interface)
        return lambda: run("ip", "-n", host, "address", "add", f"{address}/24", "dev", interface)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=2, help="how many (default 2)")
    parser.add_argument("--nics", type=int, default=1, help="interfaces of each (default 1)")
    parser.add_argument("--rate", help="that they send at most, as tc writes it: 10gbit, 200mbit (default: not shaped)")
    parser.add_argument("--flow-rate", help="that each connection sends at most, where --rate does not say what they do together")
    parser.add_argument("command", nargs="+", help="run on host0; the file named by $TUTTI_AGENT runs others' commands")
    options = parser.parse_args()
    try:
        with Hosts(options.hosts, options.nics, options.rate, options.flow_rate) as hosts:
            environment = os.environ | {"TUTTI_AGENT": str(hosts.agent), "OMPI_MCA_plm_rsh_agent": str(hosts.agent)}
            return subprocess.run(hosts.command("host0", options.command), env=environment, check=False).returncode
    except (Unavailable, ValueError) as reason:
        print(f"hosts.py: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
