# SPDX-License-Identifier: Apache-2.0
"""Rules for the text of source files."""

import re

import tree

LICENCE = "SPDX-License-Identifier: Apache-2.0"
SOURCES = tree.CPP + (".py", ".cmake", ".toml", ".map", ".sh")
CLOCKS = re.compile(r"\b(clock_gettime|clock_nanosleep|gettimeofday|timespec_get|steady_clock|system_clock|high_resolution_clock|"
                    r"__rdtsc|__builtin_ia32_rdtsc|std::time\(|ftime)\b|(?<![\w.>:])time\(")
# Put together here, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")


def is_source(path):
    return path.suffix in SOURCES or path.name == "CMakeLists.txt" or path.parts[0] in ("scripts", ".ci")


def sources(root):
    yield from (path for path in tree.files(root) if is_source(path))


def every_source_names_its_licence(root):
    count = 0
    for path in sources(root):
        count += 1
        if LICENCE not in "".join(tree.read(root, path).splitlines(keepends=True)[:3]):
            yield f"{path} does not begin with {LICENCE}"
    return count


# The clock is injected (base/clock.hpp), so that simulation and tests can have their own time.
def only_the_clock_reads_a_clock(root):
    count = 0
    for path in tree.files(root, ("src", "algorithms", "transports"), tree.CPP):
        count += 1
        if path.as_posix() == "src/base/clock.cpp":
            continue
        for number, line in enumerate(tree.read(root, path).splitlines(), 1):
            if CLOCKS.search(line.split("//")[0]):
                yield f"{path}:{number} reads a clock of its own: {line.strip()}"
    return count


# Transports, what they share, and bootstrap are the seams to the network; nothing else opens a socket.
def only_seams_open_sockets(root):
    count = 0
    for path in tree.files(root, ("src", "algorithms"), tree.CPP):
        count += 1
        if path.parts[1] in ("bootstrap", "base", "transport"):
            continue
        if re.search(r"#\s*include\s+<(sys/socket|netinet/[a-z]+|sys/epoll|poll)\.h>", tree.read(root, path)):
            yield f"{path} includes the socket interface"
    return count


def nothing_is_left_unfinished(root):
    count = 0
    for path in tree.files(root):
        if not is_source(path) and path.suffix != ".md":
            continue
        count += 1
        for number, line in enumerate(tree.read(root, path).splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{path}:{number}: {line.strip()}"
    return count


if __name__ == "__main__":
    tree.main(every_source_names_its_licence, only_the_clock_reads_a_clock, only_seams_open_sockets, nothing_is_left_unfinished)
