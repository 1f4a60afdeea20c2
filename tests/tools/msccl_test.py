# SPDX-License-Identifier: Apache-2.0
"""tutti export, and files in MSCCL's format given to verify, plan, explain and simulate. Arguments: the program, the source tree."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])


def run(*arguments, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment)


class Files(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.file = pathlib.Path(self.folder.name) / "ring.xml"

    def expect(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout + result.stderr

    def export(self, *arguments):
        self.file.write_text(self.expect(run("export", *arguments), 0))

    def test_there_and_back(self):
        for arguments in (("allreduce", "--ranks", "5", "--algorithm", "ring"), ("broadcast", "--ranks", "6", "--root", "4", "--algorithm", "binomial"),
                          ("alltoall", "--topology", "google-tpu-v5p:2x2x2", "--algo", "dimension_order")):
            with self.subTest(arguments):
                self.export(*arguments)
                self.assertIn(" as ring.xml has it: good", self.expect(run("verify", "--file", self.file), 0))

    def test_the_examples_of_the_documentation(self):
        text = (SOURCE / "docs" / "msccl.md").read_text()
        self.file.write_text(text.split("```xml\n")[1].split("```")[0])
        self.assertIn("allreduce, 2 ranks as ring.xml has it: good", self.expect(run("verify", "--file", self.file), 0))
        broken = self.file.read_text().replace('type="rrc"', 'type="r"', 1)
        self.file.write_text(broken)
        said = self.expect(run("verify", "--file", self.file), 1)
        self.assertIn(said.strip(), text)

    def test_a_file_comes_before_other_algorithms(self):
        self.export("allreduce", "--ranks", "8", "--algorithm", "ring")
        model = ("--topology", "nvidia-dgx-h100")
        made = json.loads(self.expect(run("explain", "allreduce", *model, "--file", self.file, "--json"), 0))
        self.assertEqual((made["chosen"], made["is_forced"]), ("msccl:ring", True))
        self.assertIn("by msccl:ring", self.expect(run("plan", "allreduce", *model, TUTTI_ALGO_FILE=str(self.file)), 0))
        of_file = json.loads(self.expect(run("simulate", "allreduce", *model, "--file", self.file, "--json"), 0))
        of_ring = json.loads(self.expect(run("simulate", "allreduce", *model, "--algo", "ring", "--json"), 0))
        self.assertEqual(of_file["algorithm"], "msccl:ring")
        self.assertLess(of_file["time_ns"], 1.1 * of_ring["time_ns"])

    def test_what_is_wrong(self):
        self.export("allreduce", "--ranks", "4", "--algorithm", "ring")
        self.assertIn("it is for allreduce, not for allgather", self.expect(run("verify", "allgather", "--file", self.file), 1))
        self.assertIn("no file for 8 ranks: ring.xml is for 4", self.expect(run("explain", "allreduce", "--ranks", "8", "--file", self.file), 1))
        self.assertIn("No such file", self.expect(run("verify", "--file", "/nowhere.xml"), 1))
        self.assertIn("works in the memory of peers, for which MSCCL has no word",
                      self.expect(run("export", "allreduce", "--ranks", "4", "--algorithm", "shared_memory"), 2))
        self.expect(run("verify"), 2)
        self.file.write_text(self.file.read_text()[:-200])
        self.assertRegex(self.expect(run("verify", "--file", self.file), 1), r"^ring.xml:\d+: not XML that can be read")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
