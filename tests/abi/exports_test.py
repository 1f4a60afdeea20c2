# SPDX-License-Identifier: Apache-2.0
"""libtutti.so exports the functions that the public header declares and nothing else, and is loaded by its major version."""

import argparse
import pathlib
import re
import subprocess
import sys


def exported(library):
    """Names of the dynamic symbols that the library defines."""
    lines = subprocess.run(["nm", "--dynamic", "--defined-only", str(library)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in lines.splitlines() if line.strip()}


def declared(header):
    """Names of the functions that the header marks with TUTTI_API."""
    text = header.read_text(encoding="utf-8")
    return set(re.findall(r"^TUTTI_API\b[^;(]*?\b(tutti\w+)\s*\(", text, re.MULTILINE))


def soname(library):
    dynamic = subprocess.run(["readelf", "--dynamic", "--wide", str(library)], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\(SONAME\).*\[(.*)\]", dynamic)
    return found.group(1) if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--library", type=pathlib.Path, required=True)
    parser.add_argument("--soname", required=True)
    parser.add_argument("--header", type=pathlib.Path, required=True)
    options = parser.parse_args()
    symbols, functions = exported(options.library), declared(options.header)
    complaints = [f"{name} is exported but no function of the header" for name in sorted(symbols - functions)]
    complaints += [f"{name} is declared but not exported" for name in sorted(functions - symbols)]
    if not functions:
        complaints.append(f"no function found in {options.header}")
    if soname(options.library) != options.soname:
        complaints.append(f"the SONAME is {soname(options.library)}, not {options.soname}")
    print(*complaints, sep="\n")
    print(f"{len(functions)} functions")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
