# SPDX-License-Identifier: Apache-2.0
"""Newer peers from PyPI, each in a prefix of its own, since their files have the same names."""

import pathlib
import subprocess
import sys


def install(packages, prefix, environment, say):
    """Installs once; says why when it cannot, and goes on, since a peer that is absent is left out."""
    if pathlib.Path(prefix, "lib").is_dir():
        return
    pip = environment / "bin" / "pip"
    commands = [[str(pip), "install", "--quiet", "--only-binary", ":all:", "--prefix", str(prefix), *packages]]
    if not pip.exists():
        commands.insert(0, [sys.executable, "-m", "venv", str(environment)])
    say(f"installing {', '.join(packages)} from PyPI into {prefix}")
    for command in commands:
        try:
            subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        except (OSError, subprocess.SubprocessError) as error:
            details = getattr(error, "stderr", None) or str(error)
            say(f"cannot install {', '.join(packages)}: {str(details).strip()[-300:]}")
            return
