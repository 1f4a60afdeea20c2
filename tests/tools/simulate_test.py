# SPDX-License-Identifier: Apache-2.0
"""tutti simulate: what it prints, and what it exits with. Arguments: the program, the source tree."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
MODELS = sorted(path.stem for path in (SOURCE / "topologies").glob("*.toml"))
MOST_CHIPS = 1200


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60)


class Simulate(unittest.TestCase):
    def expect(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout if code == 0 else result.stderr

    def simulate(self, *arguments):
        return json.loads(self.expect(run("simulate", *arguments, "--json"), 0))

    def test_text(self):
        text = self.expect(run("simulate", "allreduce", "--topology", "google-tpu-v5p:2x2x4", "--bytes", "1M", "--algo", "ring"), 0)
        lines = text.splitlines()
        self.assertEqual(lines[0], "allreduce of 1,048,576 bytes on google-tpu-v5p:2x2x4, 16 chips")
        self.assertEqual(lines[1], "algorithm  ring")
        self.assertEqual([line.split()[0] for line in lines[2:6]], ["time", "bandwidth", "messages", "trace"])
        self.assertEqual(len(lines), 7 + 5)

    def test_the_same_command_gives_the_same_trace(self):
        command = ("alltoall", "--topology", "nvidia-superpod-h100:2", "--bytes", "16M")
        first = self.simulate(*command)
        self.assertEqual(first, self.simulate(*command))
        self.assertGreater(first["time_ns"], 0)
        self.assertEqual(first["bytes"], 16 * 1024 * 1024)
        self.assertEqual(len(first["busiest_links"]), 5)

    def test_fewer_frames_are_longer(self):
        command = ("allreduce", "--topology", "nvidia-dgx-h100", "--bytes", "1G", "--algo", "ring")
        fine, coarse = self.simulate(*command), self.simulate(*command, "--frames", "5000")
        self.assertLess(coarse["frame_count"], 6000)
        self.assertGreater(fine["frame_count"], 100_000)
        self.assertEqual(coarse["moved_bytes"], fine["moved_bytes"])
        self.assertAlmostEqual(coarse["time_ns"] / fine["time_ns"], 1, delta=0.05)

    def test_pictures(self):
        with tempfile.TemporaryDirectory() as folder:
            chart, trace = pathlib.Path(folder) / "use.svg", pathlib.Path(folder) / "trace.json"
            command = ("allgather", "--topology", "aws-trn2", "--bytes", "1M", "--algo", "ring")
            result = self.simulate(*command, "--svg", str(chart), "--trace", str(trace))
            self.assertEqual(result["trace"], self.simulate(*command)["trace"])
            root = xml.etree.ElementTree.fromstring(chart.read_text())
            rows = [element for element in root.iter("{http://www.w3.org/2000/svg}polygon")]
            self.assertEqual(len(rows), 1 + len(result["busiest_links"]))
            self.assertIn(result["busiest_links"][0]["name"], "".join(root.itertext()))
            events = json.loads(trace.read_text())["traceEvents"]
            frames = [event for event in events if event["ph"] == "X"]
            self.assertEqual(len(frames), result["frame_count"])
            self.assertEqual(sum(frame["args"]["bytes"] for frame in frames), result["moved_bytes"])
            self.assertLessEqual(max(frame["args"]["arrives_us"] for frame in frames) * 1000, result["time_ns"] + 1)
            last = {}
            for frame in sorted(frames, key=lambda frame: frame["ts"]):  # one after another on a thread
                place = (frame["pid"], frame["tid"])
                self.assertGreaterEqual(frame["ts"] + 1e-6, last.get(place, 0))
                last[place] = frame["ts"] + frame["dur"]
            counters = [event["args"]["percent"] for event in events if event["ph"] == "C"]
            self.assertTrue(counters and 0 < max(counters) <= 100)

    def test_bus_bandwidth_is_that_of_a_ring(self):
        result = self.simulate("allreduce", "--topology", "nvidia-dgx-h100", "--bytes", "1G", "--algo", "ring")
        self.assertAlmostEqual(result["busbw_gb_per_s"], result["algbw_gb_per_s"] * 2 * 7 / 8)
        self.assertAlmostEqual(result["algbw_gb_per_s"] * result["time_ns"], 2**30, delta=1)

    def test_every_model(self):
        for name in MODELS:
            with self.subTest(name):
                chips = json.loads(self.expect(run("topo", name, "--json"), 0))["chip_count"]
                if chips > MOST_CHIPS:
                    print(f"{name}: {chips} chips take too long for a test")
                    continue
                result = self.simulate("allreduce", "--topology", name, "--bytes", "1M", "--algo", "double_binary_tree")
                self.assertEqual(result["chip_count"], chips)
                self.assertGreater(result["time_ns"], 0)

    def test_wrong_usage(self):
        for arguments, words in ((("allreduce",), "--topology"),
                                 (("allreduce", "-t", "no-such-machine"), "no-such-machine"),
                                 (("sum", "-t", "nvidia-dgx-h100"), "sum"),
                                 (("allreduce", "-t", "nvidia-dgx-h100", "--bytes", "-1"), "-1"),
                                 (("allreduce", "-t", "nvidia-dgx-h100", "--algo", "nonsense"), "nonsense"),
                                 (("broadcast", "-t", "nvidia-dgx-h100", "--root", "8"), "root 8"),
                                 (("allreduce", "-t", "nvidia-dgx-h100", "--frames", "0"), "--frames"),
                                 (("allreduce", "-t", "nvidia-dgx-h100", "--spread", "wide"), "wide")):
            with self.subTest(words):
                self.assertIn(words, self.expect(run("simulate", *arguments), 2))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
