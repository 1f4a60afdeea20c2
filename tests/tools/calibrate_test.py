# SPDX-License-Identifier: Apache-2.0
"""calibrate --save: what it keeps, where, and who reads it. Arguments: calibrate, tutti."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

CALIBRATE, TUTTI = (pathlib.Path(argument) for argument in sys.argv[1:3])


def run(program, *arguments, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=100, env=environment)


class Calibrate(unittest.TestCase):
    def test_save(self):
        with tempfile.TemporaryDirectory(prefix="tutti-calibrate-") as cache:
            done = run(CALIBRATE, "--save", XDG_CACHE_HOME=cache)
            if len(os.sched_getaffinity(0)) < 2:
                self.assertIn("two processors are needed", done.stderr)
                self.skipTest("one processor")
            self.assertEqual(done.returncode, 0, done.stderr)
            (path,) = pathlib.Path(cache, "tutti").iterdir()
            self.assertIn(f"kept in {path}", done.stdout)
            kept = json.loads(path.read_text(encoding="utf-8"))
            self.assertEqual(kept["format"], 1)
            links = {link["transport"]: link for link in kept["links"]}
            self.assertLessEqual({"tcp"}, set(links))
            shown = json.loads(run(TUTTI, "topo", "--json", XDG_CACHE_HOME=cache).stdout)
            self.assertEqual(shown["measured_links"], kept["links"])
            path.write_text("damaged", encoding="utf-8")
            damaged = run(TUTTI, "topo", "--json", XDG_CACHE_HOME=cache)
            self.assertEqual(damaged.returncode, 0, damaged.stderr)
            self.assertIn(f"measured links are ignored, and defaults taken: {path}", damaged.stderr)
            self.assertEqual(json.loads(damaged.stdout)["measured_links"], [])

    def test_no_place_to_keep_it(self):
        done = run(CALIBRATE, "--save", XDG_CACHE_HOME="", HOME="")
        self.assertEqual(done.returncode, 1)
        self.assertIn("neither XDG_CACHE_HOME nor HOME", done.stderr)

    def test_one_processor_is_too_few(self):
        with tempfile.TemporaryDirectory(prefix="tutti-calibrate-") as cache:
            first = min(os.sched_getaffinity(0))
            done = run("taskset", "-c", str(first), CALIBRATE, "--save", XDG_CACHE_HOME=cache)
            self.assertEqual(done.returncode, 1)
            self.assertIn("two processors are needed", done.stderr)
            self.assertEqual(list(pathlib.Path(cache).iterdir()), [])

    def test_wrong_usage(self):
        done = run(CALIBRATE, "--keep")
        self.assertEqual(done.returncode, 2)
        self.assertIn("--save", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
