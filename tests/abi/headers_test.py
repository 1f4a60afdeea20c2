# SPDX-License-Identifier: Apache-2.0
"""Every header of the sources compiles alone, with the flags of a source file that lies beside it. A header that a source file of
the same name includes first is left to builds that compile each source alone, as the debug preset's."""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

# Text of a kernel that is compiled once for every instruction set, from within the file that includes it.
NOT_ALONE = {"src/reduce/simd_codecs.hpp", "src/reduce/simd_kernel.hpp", "src/reduce/simd_lanes.hpp", "src/reduce/simd_operators.hpp"}
ROOMS = ("src", "algorithms", "transports")


def sources_of(path):
    """The source files that this one stands for: itself, or those that a file of a unity build includes."""
    if path.parent.name != "Unity":
        return [path]
    return [pathlib.Path(name) for name in re.findall(r'^#include "(.*)"$', path.read_text(encoding="utf-8"), re.MULTILINE)]


def flags_by_folder(commands, source):
    """For each folder the compiler and flags of one of its sources, without input, output and dependency files."""
    found = {}
    for entry in json.loads(commands.read_text(encoding="utf-8")):
        paths = [path for path in sources_of(pathlib.Path(entry["file"])) if path.suffix == ".cpp" and source in path.parents]
        folders = {path.parent.relative_to(source).as_posix() for path in paths} - found.keys()
        if not folders:
            continue
        words = shlex.split(entry["command"])
        while not pathlib.Path(words[0]).name.endswith(("g++", "c++", "clang++")):  # a launcher, as ccache
            words.pop(0)
        kept = [word for word, before in zip(words, [""] + words)
                if word not in ("-o", "-c") and before not in ("-o", "-c") and not word.startswith("-O")]
        found.update({folder: kept for folder in folders})
    return found


def is_included_first(header, source):
    """Whether the source file of the same name begins with this header."""
    companion = (source / header).with_suffix(".cpp")
    if not companion.exists():
        return False
    first = re.search(r'^#include [<"](.*)[>"]', companion.read_text(encoding="utf-8"), re.MULTILINE)
    return first is not None and header in (first.group(1), "src/" + first.group(1))


def compile_alone(header, flags, source):
    with tempfile.NamedTemporaryFile("w", suffix=".cpp") as unit:
        unit.write(f'#include "{header}"\n#include "{header}"\n')
        unit.flush()
        command = [*flags, "-fsyntax-only", "-I", str(source), unit.name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        return "" if result.returncode == 0 else f"{header} does not compile alone:\n{result.stderr}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=pathlib.Path, required=True)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    options = parser.parse_args()
    folders = flags_by_folder(options.commands, options.source)
    default = folders["src/base"]
    headers = [path.relative_to(options.source).as_posix() for room in ROOMS for path in sorted((options.source / room).glob("**/*.hpp"))]
    headers = [header for header in headers if header not in NOT_ALONE]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda header: compile_alone(header, folders.get(str(pathlib.PurePosixPath(header).parent), default),
                                                             options.source),
                                [header for header in headers if not is_included_first(header, options.source)]))
    complaints = [result for result in results if result]
    print(*complaints, sep="\n")
    print(f"{len(headers)} headers, {len(results)} of which no source file includes first")
    return 1 if complaints or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
