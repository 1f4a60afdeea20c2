# SPDX-License-Identifier: Apache-2.0
"""Links between hosts find out whether several sockets help them.

Two hosts add up vectors, and check every sum. Where the network limits interfaces, their link tries several sockets, and goes back to one. Where it limits each connection,
the link keeps several.

    python3 tests/multinode/sockets.py --limit connections -- build/release/tests/multinode/failover_program

Exit status 77, with the reason, where no hosts can be made; 1 if a sum was wrong, a rank failed, or the sockets are not those."""

import argparse
import contextlib
import pathlib
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from failover import SKIPPED, Failed, Sums  # noqa: E402
from hosts import Hosts, Unavailable  # noqa: E402

RATE = "1gbit"
VECTOR_BYTES = 16 << 20


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", choices=("connections", "interfaces"), default="interfaces", help="what the network limits (default interfaces)")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the hosts go all the same
    limit, count = ({"flow_rate": RATE}, 4) if options.limit == "connections" else ({"rate": RATE}, 1)
    with contextlib.ExitStack() as stack:
        try:
            hosts = stack.enter_context(Hosts(2, 1, **limit))
        except Unavailable as reason:
            print(f"skipped: {reason}")
            return SKIPPED
        log = hosts.folder / "log"
        try:
            sums = Sums(hosts, options.program, VECTOR_BYTES, {"TUTTI_DEBUG": "INFO", "TUTTI_DEBUG_FILE": str(log)})
            sums.wait(lambda: log.exists() and f": it keeps {count}" in log.read_text(encoding="utf-8"), f"the link kept {count}")
            sums.wait_for_more(2)
            sums.end()
        except (Failed, Unavailable) as reason:
            print(f"failed: {reason}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
