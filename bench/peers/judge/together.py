# SPDX-License-Identifier: Apache-2.0
"""Starts the ranks of a job that needs no launcher, in one session, as mpirun does: to processes of other sessions a rank does not yield its core.

Argument: a JSON list of [command line, variables]. Exit status: the first that is not 0.
"""

import json
import os
import subprocess
import sys
import time


def main():
    ranks = [subprocess.Popen(line, env=os.environ | variables) for line, variables in json.loads(sys.argv[1])]
    while True:
        states = [rank.poll() for rank in ranks]
        failed = [state for state in states if state]
        if failed:
            time.sleep(0.5)  # the others say what they have lost
            return failed[0] if failed[0] > 0 else 128 - failed[0]
        if all(state == 0 for state in states):
            return 0
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
