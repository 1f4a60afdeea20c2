# SPDX-License-Identifier: Apache-2.0
"""Documents say what is there: their links resolve, the tour's paths and functions exist, the settings are those of the table."""

import re

import tree

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:src|include|algorithms|transports|bench|tests|docs|examples|scripts|cmake|tools)/[\w./-]*\w")


def documents(root):
    yield from (path.relative_to(root) for path in sorted(root.glob("*.md")))
    yield from tree.files(root, ("docs", "bench", "examples", "topologies", "bindings"), (".md",))


def without_code_blocks(text):
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def links_resolve(root):
    count = 0
    for path in documents(root):
        for target in LINK.findall(without_code_blocks(tree.read(root, path))):
            if re.match(r"[a-z]+:", target):
                continue
            count += 1
            file, _, anchor = target.partition("#")
            linked = (root / path).parent / file if file else root / path
            if not linked.exists():
                yield f"{path} links to {target}, which is not there"
            elif anchor and anchor not in anchors(linked):
                yield f"{path} links to {target}, but there is no such heading"
    return count


def anchors(path):
    """Headings as they are linked to: lower case, punctuation dropped, spaces as hyphens."""
    headings = re.findall(r"^#+\s+(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def paths_exist(root):
    """Every path in backquotes, in any document."""
    count = 0
    for path in documents(root):
        for code in CODE.findall(without_code_blocks(tree.read(root, path))):
            if PATH.fullmatch(code) is None or "NNNN" in code:
                continue
            count += 1
            if not (root / code).exists():
                yield f"{path} names {code}, which is not there"
    return count


def functions_of_the_tour_exist(root):
    """A section of the tour names files; each function in backquotes, as `f()`, occurs in one that has been named by then."""
    count = 0
    seen = ""
    tour = tree.read(root, "docs/tour.md")
    for code in CODE.findall(without_code_blocks(tour)):
        if PATH.fullmatch(code) and (root / code).is_file():
            seen += tree.read(root, code)
        elif code.endswith("()"):
            count += 1
            name = re.split(r"::", code[:-2])[-1]
            if re.search(r"\b" + re.escape(name) + r"\s*\(", seen) is None:
                yield f"docs/tour.md: no file named before it has a function {code}"
    return count


def settings_are_documented(root):
    table = re.search(r"kRows\[\] = \{(.*?)^\};", tree.read(root, "src/base/settings.cpp"), re.MULTILINE | re.DOTALL).group(1)
    rows = dict(re.findall(r'\{"(TUTTI_\w+)",\s*"([^"]*)"', table))
    documented = dict(re.findall(r"^\| `(TUTTI_\w+)` \| (?:`([^`]*)`|none) \|", tree.read(root, "docs/settings.md"), re.MULTILINE))
    for name in sorted(rows.keys() - documented.keys()):
        yield f"docs/settings.md does not list {name}"
    for name in sorted(documented.keys() - rows.keys()):
        yield f"docs/settings.md lists {name}, which src/base/settings.cpp does not have"
    for name in sorted(rows.keys() & documented.keys()):
        if rows[name] != documented[name]:
            yield f"docs/settings.md: the default of {name} is \"{rows[name]}\", not \"{documented[name]}\""
    return len(rows)


def settings_are_read_in_one_place(root):
    count = 0
    for path in tree.files(root, ("src", "algorithms", "transports"), tree.CPP):
        count += 1
        if path.as_posix() != "src/base/settings.cpp" and re.search(r'getenv\("TUTTI_', tree.read(root, path)):
            yield f"{path} reads a TUTTI_ variable by itself"
    return count


if __name__ == "__main__":
    tree.main(links_resolve, paths_exist, functions_of_the_tour_exist, settings_are_documented, settings_are_read_in_one_place)
