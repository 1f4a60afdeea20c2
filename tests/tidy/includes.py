# SPDX-License-Identifier: Apache-2.0
"""Who may include whom. docs/design/overview.md shows the same table and says why."""

import re

import tree

# Beside itself, the room `base` and the public header. A path stands for that header alone.
RULES = {
    "base": (),
    "msccl": ("schedule",),
    "topology": (),
    "schedule": (),
    "reduce": (),
    "bootstrap": (),
    "transport": (),
    "cost": ("topology", "schedule"),
    "sim": ("topology", "schedule"),
    "planner": ("topology", "schedule", "cost"),
    "engine": ("schedule", "transport", "reduce"),
    "registry": ("planner/algorithm.hpp", "transport"),
    "comm": ("planner", "engine", "bootstrap", "transport", "topology", "registry", "schedule", "msccl", "reduce"),
    "api": ("comm", "engine", "bootstrap"),
    "simulator": ("comm", "engine", "planner", "cost", "registry", "sim", "transports/sim", "transport", "topology", "schedule"),
    # Plug-ins see no other plug-in. Headers that lie in algorithms/ itself belong to all families.
    "algorithms": ("topology", "schedule", "planner/algorithm.hpp"),
    "transports": ("transport",),
    "transports/sim": ("transport", "sim"),
}
# Third-party headers that one room hides from all others.
HIDDEN = {
    "hwy/": "reduce",
    "pmix": "bootstrap",
    "hwloc": "topology",
    "toml++/": "topology",
    "expat.h": "msccl",
    "spdlog/": "base",
    "openssl/": "base",
    "rdma/": "transports/ofi",
    "ucp/": "transports/ucx",
    "mpi.h": None,
}


def room_of(path):
    """"planner" for src/planner/x.hpp, "algorithms/ring" for algorithms/ring/x.hpp, "algorithms" for algorithms/x.hpp."""
    if path.parts[0] == "src":
        return path.parts[1]
    return "/".join(path.parts[:2]) if len(path.parts) > 2 else path.parts[0]


def rules_of(room):
    return RULES[room] if room in RULES else RULES[room.split("/")[0]]


def is_allowed(room, target):
    top = target.split("/")[0]
    own = (room + "/", "base/", "tutti/")
    if target.startswith(own) or "/" not in target:
        return True
    if top == "algorithms" and room.split("/")[0] == "algorithms":
        return target.count("/") == 1
    return any(target == rule or target.startswith(rule + "/") for rule in rules_of(room))


def rooms_include_what_they_may(root):
    count = 0
    for path in tree.files(root, ("src", "algorithms", "transports"), tree.CPP):
        room = room_of(path)
        if room not in RULES and room.split("/")[0] not in RULES:
            yield f"{path}: no rule for room {room}"
            continue
        for target in re.findall(r'^\s*#\s*include\s+"([^"]+)"', tree.read(root, path), re.MULTILINE):
            count += 1
            if (root / "src" / target).exists() or (root / target).exists() or target.startswith("tutti/"):
                if not is_allowed(room, target):
                    yield f"{path}: {room} may not include {target}"
    return count


def third_party_headers_are_hidden(root):
    count = 0
    for path in tree.files(root, ("src", "algorithms", "transports", "include"), tree.CPP):
        for target in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', tree.read(root, path), re.MULTILINE):
            count += 1
            for prefix, owner in HIDDEN.items():
                if target.startswith(prefix) and path.as_posix() != "include/tutti/mpi.h" and room_of(path) != owner:
                    yield f"{path}: {target} is for {owner or 'include/tutti/mpi.h'} only"
    return count


def public_headers_include_no_source(root):
    count = 0
    for path in tree.files(root, ("include", "examples"), tree.CPP):
        for target in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', tree.read(root, path), re.MULTILINE):
            count += 1
            if (root / "src" / target).exists():
                yield f"{path}: {target} is not public"
    return count


if __name__ == "__main__":
    tree.main(rooms_include_what_they_may, third_party_headers_are_hidden, public_headers_include_no_source)
