# SPDX-License-Identifier: Apache-2.0
"""tutti algorithms, and the page docs/algorithms.md that it writes. Arguments: the program, the source tree. TUTTI_UPDATE_GOLDEN=1 writes the page."""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = pathlib.Path(sys.argv[1])
DOCS = pathlib.Path(sys.argv[2]) / "docs"
UPDATE = os.environ.get("TUTTI_UPDATE_GOLDEN") == "1"


def run(*arguments):
    return subprocess.run([PROGRAM, "algorithms", *arguments], capture_output=True, text=True, check=False, timeout=60)


def contents_of(folder):
    paths = [folder / "algorithms.md", *sorted((folder / "algorithms").glob("*.svg"))]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


class Algorithms(unittest.TestCase):
    def names(self):
        listed = run()
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return [line.split()[0] for line in listed.stdout.splitlines() if not line.startswith(" ")]

    def test_each_tells_what_it_does(self):
        names = self.names()
        self.assertIn("ring", names)
        for name in names:
            with self.subTest(name):
                told = run(name)
                self.assertEqual(told.returncode, 0, told.stderr)
                self.assertTrue(told.stdout.startswith(name + ": "))
                self.assertRegex(told.stdout, r"\n +1 +\d")

    def test_rounds_of_a_ring(self):
        rounds = [line.split() for line in run("ring").stdout.splitlines() if line.startswith("  ")]
        self.assertEqual(len(rounds), 2 * 5)
        self.assertEqual([line.count("=>") for line in rounds], [6] * 5 + [0] * 5)

    def test_a_drawing(self):
        drawn = run("binomial", "--svg", "-")
        self.assertEqual(drawn.returncode, 0, drawn.stderr)
        root = xml.etree.ElementTree.fromstring(drawn.stdout)
        self.assertEqual(root.tag, "{http://www.w3.org/2000/svg}svg")

    def test_mistakes(self):
        unknown = run("rign")
        self.assertEqual(unknown.returncode, 2)
        self.assertIn('unknown algorithm "rign"; known are ', unknown.stderr)
        self.assertEqual(run("--svg", "x.svg").returncode, 2)
        self.assertEqual(run("--page", "/proc/none").returncode, 1)

    def test_the_page_is_up_to_date(self):
        if UPDATE:
            for path in (DOCS / "algorithms").glob("*.svg"):
                path.unlink()
            self.assertEqual(run("--page", str(DOCS)).returncode, 0)
        with tempfile.TemporaryDirectory() as folder:
            written = run("--page", folder)
            self.assertEqual(written.returncode, 0, written.stderr)
            made = contents_of(pathlib.Path(folder))
        kept = contents_of(DOCS)
        self.assertEqual(sorted(made), sorted(kept))
        for path, text in made.items():
            self.assertEqual(text, kept[path], f"docs/{path}; TUTTI_UPDATE_GOLDEN=1 ctest --preset release -R tools.algorithms writes it anew")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
