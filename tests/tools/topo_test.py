# SPDX-License-Identifier: Apache-2.0
"""tutti topo: what it prints, what it draws, what it exits with; and the completion of bash. Arguments: the program, the source tree."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

PROGRAM = pathlib.Path(sys.argv[1])
SOURCE = pathlib.Path(sys.argv[2])
MODELS = sorted(path.stem for path in (SOURCE / "topologies").glob("*.toml"))
LARGEST_PICTURE_BYTES = 100_000
SVG = "{http://www.w3.org/2000/svg}"


def run(*arguments, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=60, env=environment)


class Topo(unittest.TestCase):
    def expect(self, result, code):
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout if code == 0 else result.stderr

    def test_this_machine(self):
        with tempfile.TemporaryDirectory(prefix="tutti-topo-") as cache:
            text = self.expect(run("topo", XDG_CACHE_HOME=cache), 0)
            self.assertIn("this machine: ", text)
            self.assertIn("links between ranks are not measured", text)
            machine = json.loads(self.expect(run("topo", "--json", XDG_CACHE_HOME=cache), 0))
            self.assertGreaterEqual(len(machine["domains"][0]["processors"]), 1)
            self.assertEqual(machine["measured_links"], [])
            for adapter in machine["adapters"]:
                self.assertIn(f" adapter {adapter['name']}", text)
                self.assertGreaterEqual(adapter["bits_per_s"], 0)

    def test_live(self):
        mpirun = shutil.which("mpirun.openmpi")
        if mpirun is None:
            self.skipTest("mpirun of Open MPI is not there")
        launcher = [mpirun, "--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]

        def ranks(*arguments):
            return subprocess.run([*launcher, *arguments], capture_output=True, text=True, check=False, timeout=60)

        result = ranks("-n", "3", "-x", "TUTTI_TRANSPORTS=^shm", PROGRAM, "topo", "--live", "--json")
        machine = json.loads(self.expect(result, 0))["ranks"]
        self.assertEqual([rank["rank"] for rank in machine], [0, 1, 2])
        for rank in machine:
            self.assertEqual([link["peer"] for link in rank["links"]], [peer for peer in range(3) if peer != rank["rank"]])
            self.assertIn({"transport": "shm", "reason": "excluded"}, rank["left_out"])
            for link in rank["links"]:
                self.assertEqual(link["transport"], "tcp")
                self.assertGreater(link["bandwidth_bytes_per_s"], 0)
                self.assertTrue(link["source"])

        show = (PROGRAM, "topo", "--live")
        text = self.expect(ranks("-n", "1", "-x", "TUTTI_HOSTID=one", *show, ":", "-n", "1", "-x", "TUTTI_HOSTID=other", *show), 0)
        self.assertTrue(text.startswith("2 ranks on 2 hosts\n"), text)
        self.assertRegex(text, r"\n   0    1  \w+ ")
        self.assertIn("not shm: other host", text)

    def test_live_needs_a_launcher(self):
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("PMIX_", "RANK", "WORLD_SIZE"))}
        result = subprocess.run([PROGRAM, "topo", "--live"], capture_output=True, text=True, check=False, timeout=60, env=variables)
        self.assertIn("found no launcher", self.expect(result, 2))
        self.assertIn("--live shows the ranks of a job", self.expect(run("topo", "--live", "aws-trn2"), 2))

    def test_list_names_every_model(self):
        lines = self.expect(run("topo", "list"), 0).splitlines()
        self.assertEqual([line.split()[0] for line in lines], MODELS)

    def test_tree(self):
        text = self.expect(run("topo", "google-tpu-v5p:2x2x4"), 0)
        self.assertEqual(text.splitlines()[:2], ["Google TPU v5p (google-tpu-v5p:2x2x4): 16 chips, 56 links",
                                                 "└─ ICI: torus 2x2x4, without wrap, 16 chips"])
        text = self.expect(run("topo", "nvidia-superpod-h100"), 0)
        self.assertLess(text.index("InfiniBand: fat tree with rails, 128 units of 8 GPUs"), text.index("NVLink: switch, 8 GPUs"))
        self.assertNotIn("InfiniBand", self.expect(run("topo", "nvidia-dgx-h100"), 0))

    def test_json_of_every_model(self):
        for name in MODELS:
            with self.subTest(name):
                model = json.loads(self.expect(run("topo", name, "--json"), 0))
                self.assertEqual(model["name"], name)
                chips = 1
                for level in model["levels"]:
                    self.assertEqual(level["chips_per_unit"], chips)
                    chips *= level["unit_count"]
                    for figure in (*level["raw"], *level["effective"], level["hop_latency"], *level["protocols"]):
                        self.assertTrue(figure["source"])
                        self.assertIn(figure["confidence"], ("found", "derived", "recalled"))
                self.assertEqual(model["chip_count"], chips)

    def check_picture(self, reference):
        text = self.expect(run("topo", reference, "--svg", "-"), 0)
        self.assertLess(len(text), LARGEST_PICTURE_BYTES)
        root = xml.etree.ElementTree.fromstring(text)
        _, _, width, height = (float(number) for number in root.get("viewBox").split())
        for element in root.iter():
            for key, most in [(key, width) for key in ("x", "x1", "x2", "cx")] + [(key, height) for key in ("y", "y1", "y2", "cy")]:
                self.assertTrue(0 <= float(element.get(key, 0)) <= most, f"{reference}: {element.tag} has {key} {element.get(key)}")
            for point in element.get("points", "").split():
                x, y = (float(number) for number in point.split(","))
                self.assertTrue(0 <= x <= width and 0 <= y <= height, f"{reference}: a corner at {point}")
        self.check_words(reference, [element for element in root.iter(SVG + "text")])
        return [element.text for element in root.iter(SVG + "text")]

    def check_words(self, reference, texts):
        """No two words at one place: letters are taken to be 0.6 of their height wide."""
        heights = {"title": 17, "note": 13, "small": 10}
        boxes = []
        for text in texts:
            height = heights[text.get("class")]
            length = 0.6 * height * len(text.text)
            left = float(text.get("x")) - length * {"start": 0, "middle": 0.5, "end": 1}[text.get("text-anchor")]
            boxes.append((left, float(text.get("y")) - 0.8 * height, left + length, float(text.get("y")), text.text))
        for index, one in enumerate(boxes):
            for other in boxes[index + 1:]:
                apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
                self.assertTrue(apart, f"{reference}: \"{one[4]}\" lies on \"{other[4]}\"")

    def test_pictures(self):
        for name in MODELS:
            with self.subTest(name):
                self.check_picture(name)
        self.assertIn("8 GPUs", self.check_picture("nvidia-dgx-h100"))
        self.assertIn("Each mark is 1 chip.", self.check_picture("google-tpu-v5p:2x2x2"))
        words = self.check_picture("google-tpu-v5p:pod")
        self.assertIn("Google TPU v5p, 16x20x28: 8,960 chips", words)
        self.assertIn("Each mark is 64 chips, 4x4x4.", words)
        self.assertIn("28, wraps", words)

    def test_picture_into_a_file(self):
        with tempfile.TemporaryDirectory(prefix="tutti-topo-") as folder:
            path = pathlib.Path(folder) / "picture.svg"
            self.assertEqual(self.expect(run("topo", "aws-trn2", "--svg", path), 0), "")
            self.assertTrue(path.read_text(encoding="utf-8").startswith("<svg "))
            self.assertIn("no-such-folder", self.expect(run("topo", "aws-trn2", "--svg", f"{folder}/no-such-folder/x.svg"), 1))

    def test_check(self):
        with tempfile.TemporaryDirectory(prefix="tutti-topo-") as folder:
            good = SOURCE / "topologies" / "aws-trn2.toml"
            bad = pathlib.Path(folder) / "mine.toml"
            bad.write_text(good.read_text(encoding="utf-8").replace('"128 GB/s"', '"128"'), encoding="utf-8")
            self.assertEqual(self.expect(run("topo", "check", good), 0), f"{good}: AWS Trainium 2, trn2.48xlarge, 16 chips\n")
            line = next(number for number, text in enumerate(bad.read_text(encoding="utf-8").splitlines(), 1) if '"128"' in text)
            message = self.expect(run("topo", "check", good, bad), 1)
            self.assertTrue(message.startswith(f'{bad}:{line}: level[0].effective.value: "128" has no unit'), message)
            self.assertIn(f"{bad}:{line}: ", self.expect(run("topo", bad), 1))
            deep = pathlib.Path(folder) / "deep.toml"
            deep.write_text("a = " + "[" * 1_000_000, encoding="utf-8")
            self.assertIn("a model has at most", self.expect(run("topo", "check", deep), 1))
            self.assertIn("no-such.toml", self.expect(run("topo", "check", f"{folder}/no-such.toml"), 1))

    def test_documented_example_and_mistakes(self):
        page = (SOURCE / "docs" / "topologies.md").read_text(encoding="utf-8")
        example = page.partition("```toml\n")[2].partition("```")[0]
        mistakes = re.findall(r"^\| `([^`]+)` \| `([^`]*)` \| `([^`]+)` \|$", page.partition("## When a file is wrong")[2], re.MULTILINE)
        self.assertGreaterEqual(len(mistakes), 8)
        with tempfile.TemporaryDirectory(prefix="tutti-topo-") as folder:
            path = pathlib.Path(folder) / "example.toml"
            path.write_text(example, encoding="utf-8")
            self.assertEqual(self.expect(run("topo", "check", path), 0), f"{path}: Hosts of four accelerators, 64 accelerators\n")
            self.assertIn("64 accelerators, 416 links", self.expect(run("topo", path), 0))
            for right, wrong, message in mistakes:
                with self.subTest(wrong):
                    self.assertIn(right, example)
                    path.write_text(example.replace(right, wrong, 1), encoding="utf-8")
                    text = self.expect(run("topo", "check", path), 1)
                    self.assertTrue(text.startswith(f"{folder}/{message}"), text)

    def test_models_of_ones_own(self):
        with tempfile.TemporaryDirectory(prefix="tutti-topo-") as folder:
            text = (SOURCE / "topologies" / "aws-inf2.toml").read_text(encoding="utf-8").replace('"aws-inf2"', '"mine"')
            (pathlib.Path(folder) / "mine.toml").write_text(text, encoding="utf-8")
            self.assertIn("(mine:12)", self.expect(run("topo", "mine", TUTTI_TOPOLOGY_PATH=folder), 0))
            self.assertIn("(mine:4)", self.expect(run("topo", f"{folder}/mine.toml:4"), 0))
            self.assertIn("mine", self.expect(run("topo", "list", TUTTI_TOPOLOGY_PATH=folder), 0))

    def test_wrong_usage(self):
        for arguments, complaint in ((("topo", "no-such-machine"), "no machine model is called"),
                                     (("topo", "google-tpu-v5p:3x5x9"), "not whole blocks"),
                                     (("topo", "aws-trn2:"), "not numbers"),
                                     (("topo", "--svg", "x.svg"), "--svg draws a model"),
                                     (("topo", "--no-such-option"), "--no-such-option"),
                                     (("topo", "check"), "file"),
                                     ((), "subcommand"),
                                     (("no-such-command",), "")):
            with self.subTest(arguments):
                self.assertIn(complaint, self.expect(run(*arguments), 2))

    def test_help(self):
        self.assertIn("topo", self.expect(run("--help"), 0))
        self.assertIn("MODEL[:SHAPE]", self.expect(run("topo", "--help"), 0))

    def complete(self, line):
        script = f"""source {SOURCE}/tools/tutti/completion.bash
                     COMP_LINE={line!r} COMP_POINT={len(line)}
                     read -ra COMP_WORDS <<<"$COMP_LINE"
                     [[ "$COMP_LINE" == *' ' ]] && COMP_WORDS+=('')
                     COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
                     _tutti
                     printf '%s\\n' "${{COMPREPLY[@]}}" """
        environment = dict(os.environ, PATH=f"{PROGRAM.parent}:{os.environ['PATH']}")
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, timeout=60, env=environment)
        return result.stdout.split()

    def test_completion(self):
        self.assertIn("topo", self.complete("tutti "))
        self.assertEqual(self.complete("tutti to"), ["topo"])
        self.assertEqual(self.complete("tutti topo google-tpu-v5e"), ["google-tpu-v5e", "google-tpu-v5e:host", "google-tpu-v5e:pod"])
        self.assertEqual(self.complete("tutti topo google-tpu-v5e:p"), ["pod"])
        self.assertEqual(self.complete("tutti topo --js"), ["--json"])
        self.assertIn("check", self.complete("tutti topo "))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
