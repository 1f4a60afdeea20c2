# SPDX-License-Identifier: Apache-2.0
"""tutti explain, plan and verify: what they print and exit with. Arguments: the program, the source tree."""

import json
import os
import pathlib
import subprocess
import sys
import unittest

PROGRAM = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
# Pricing an allreduce of more takes seconds.
MOST_CHIPS_OF_ALL_REDUCE = 256
MODELS = sorted(path.stem for path in (SOURCE / "topologies").glob("*.toml"))


def run(*arguments, **variables):
    environment = {**os.environ, **variables}
    environment.pop("TUTTI_ALGO", None) if "TUTTI_ALGO" not in variables else None
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment)


class Tool(unittest.TestCase):
    def expect(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout if code == 0 else result.stderr


class Explain(Tool):
    def explained(self, *arguments, **variables):
        return json.loads(self.expect(run("explain", *arguments, "--json", **variables), 0))

    def test_every_model(self):
        for name in MODELS:
            with self.subTest(name):
                chips = json.loads(self.expect(run("topo", name, "--json"), 0))["chip_count"]
                collective = "allreduce" if chips <= MOST_CHIPS_OF_ALL_REDUCE else "gather"
                made = self.explained(collective, "--bytes", "1M", "--topology", name, "--no-ranges")
                self.assertEqual(made["rank_count"], chips)
                self.assertEqual(made["chosen"], made["candidates"][0]["algorithm"])
                for candidate in made["candidates"]:
                    parts = sum(candidate[part] for part in ("start_ns", "latency_ns", "reduction_ns", "transfer_ns"))
                    self.assertEqual(parts, candidate["price_ns"])
                    self.assertGreater(candidate["step_count"], 0)
                    self.assertTrue(candidate["bottleneck"]["name"])

    def test_ranges(self):
        text = self.expect(run("explain", "barrier", "--topology", "google-tpu-v5p:16x16x20"), 0)
        self.assertIn("--ranges finds it", text)
        made = self.explained("gather", "--topology", "google-tpu-v5p:16x16x20", "--ranges")
        self.assertTrue(made["ranges"])

    def test_the_bottleneck_of_a_ring(self):
        made = self.explained("allreduce", "--bytes", "16M", "--topology", "google-tpu-v5p:2x2x4")
        self.assertEqual(made["machine"], "google-tpu-v5p:2x2x4")
        ring = next(candidate for candidate in made["candidates"] if candidate["algorithm"] == "ring")
        self.assertEqual(ring["step_count"], 2 * 2 * 15)
        self.assertEqual(ring["bottleneck"]["bytes"], 2 * 15 * (1 << 20))
        self.assertIn("ICI: ", ring["bottleneck"]["name"])
        self.assertEqual(made["ranges"][0]["first_bytes"], 8)
        self.assertEqual(made["ranges"][-1]["last_bytes"], (1 << 31) - 1)
        for one, next_one in zip(made["ranges"], made["ranges"][1:]):
            self.assertEqual(one["last_bytes"] + 1, next_one["first_bytes"])
            self.assertNotEqual(one["algorithm"], next_one["algorithm"])

    def test_text(self):
        text = self.expect(run("explain", "allreduce", "--bytes", "64M", "--topology", "nvidia-dgx-h100"), 0)
        self.assertTrue(text.startswith("nvidia-dgx-h100:8x1: allreduce, 8 ranks, 64 MiB:\n"), text)
        self.assertIn("  chosen  ", text)
        self.assertIn(" of latency and software", text)
        self.assertIn("by size", text)

    def test_this_machine(self):
        text = self.expect(run("explain", "broadcast", "--bytes", "4K", "--ranks", "4"), 0)
        self.assertTrue(text.startswith("this machine: broadcast, 4 ranks, root 0, 4 KiB:\n"), text)

    def test_why_not(self):
        arguments = ("explain", "allreduce", "--topology", "google-tpu-v5p:2x2x2", "--why-not")
        self.assertIn("ring ", self.expect(run(*arguments, "ring"), 0))
        self.assertIn("it does not solve allreduce", self.expect(run(*arguments, "bruck"), 0))
        self.assertIn("is no algorithm", self.expect(run(*arguments, "no-such"), 2))
        text = self.expect(run("explain", "allreduce", "--topology", "google-tpu-v5p:2x2x4", "--adjacent", "--why-not", "recursive_doubling"), 0)
        self.assertIn("it sends from rank 0 to rank 8, where the machine has no link", text)

    def test_completion(self):
        def words(*before):
            return self.expect(run("completion", "words", "--", *before), 0).split()
        self.assertIn("reducescatter", words("explain"))
        self.assertIn("two_shot", words("explain", "allreduce", "--why-not"))
        self.assertIn("google-tpu-v5p:pod", words("plan", "allreduce", "--topology"))
        self.assertEqual(words("explain", "allreduce", "--bytes"), [])

    def test_forced(self):
        made = self.explained("allreduce", "--topology", "aws-trn2", "--no-ranges", TUTTI_ALGO="allreduce:ring")
        self.assertEqual((made["chosen"], made["is_forced"]), ("ring", True))

    def test_wrong_usage(self):
        for arguments, complaint in ((("explain",), "collective"),
                                     (("explain", "allred", "--ranks", "2"), "unknown collective"),
                                     (("explain", "allreduce"), "--ranks"),
                                     (("explain", "allreduce", "--ranks", "100000000"), "--ranks"),
                                     (("explain", "allreduce", "--ranks", "2", "--bytes", "1Q"), "q unit not recognized"),
                                     (("explain", "allreduce", "--ranks", "2", "--bytes", "99999999999T"), "--bytes"),
                                     (("explain", "allreduce", "--ranks", "2", "--bytes", "many"), "many"),
                                     (("explain", "allreduce", "--ranks", "2", "--bytes", "-1"), "negative"),
                                     (("explain", "allreduce", "--topology", "google-tpu-v5p:3x-1"), "3x-1"),
                                     (("explain", "allreduce", "--topology", "google-tpu-v5p:2x2"), "2x2"),
                                     (("explain", "reduce", "--ranks", "2", "--root", "2"), "--root"),
                                     (("explain", "allreduce", "--topology", "no-such-machine"), "no machine model is called"),
                                     (("explain", "allreduce", "--topology", "nvidia-dgx-h100:8x1", "--ranks", "9"), "9 are more than the 8 chips")):
            with self.subTest(arguments):
                self.assertIn(complaint, self.expect(run(*arguments), 2))


class Plan(Tool):
    def test_schedule_of_a_rank(self):
        text = self.expect(run("plan", "broadcast", "--ranks", "4", "--algorithm", "binomial", "--rank", "1"), 0)
        self.assertTrue(text.startswith("this machine: broadcast, 4 ranks, root 0 by binomial\n"), text)
        self.assertIn("rank 1", text)
        chosen = self.expect(run("plan", "allreduce", "--bytes", "1G", "--topology", "nvidia-dgx-h100", "--rank", "7"), 0)
        self.assertIn("nvidia-dgx-h100:8x1: allreduce, 8 ranks by ", chosen)

    def test_wrong_usage(self):
        self.assertIn("--rank", self.expect(run("plan", "broadcast", "--ranks", "4", "--rank", "4"), 2))
        self.assertIn("those that do are", self.expect(run("plan", "broadcast", "--ranks", "4", "--algorithm", "bruck"), 2))


class Verify(Tool):
    def test_all_that_apply(self):
        lines = self.expect(run("verify", "allreduce", "--topology", "aws-trn2"), 0).splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertTrue(line.endswith(": good"), line)

    def test_links(self):
        arguments = ("verify", "allreduce", "--topology", "google-tpu-v5p:2x2x4", "--adjacent", "--algorithm")
        self.assertIn("ring: good", self.expect(run(*arguments, "ring"), 0))
        result = run(*arguments, "recursive_doubling")
        self.assertEqual(result.returncode, 1)
        self.assertIn("no link", result.stdout)

    def test_wrong_usage(self):
        self.assertIn("those that do are", self.expect(run("verify", "alltoall", "--ranks", "4", "--algorithm", "ring"), 2))
        self.assertIn("can be verified", self.expect(run("verify", "allreduce", "--topology", "google-tpu-v5p:pod"), 2))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
