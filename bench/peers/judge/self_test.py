# SPDX-License-Identifier: Apache-2.0
"""Invented measurements in, tables, CSV and plots out. Started by bench/peers/run --self-test."""

import csv
import pathlib
import tempfile
import unittest
import xml.etree.ElementTree

from judge import configurations, launch, limits, plot, report, schedule

OURS = {"tutti": limits.READV, "tutti-memalloc": limits.DIRECT}
PEERS = ("fast", "slow")


def calibration(factor):
    keys = ("copy_plain_both_ns", "copy_nontemporal_both_ns", "add_plain_both_ns", "add_nontemporal_both_ns", "direct_plain_ns",
            "direct_nontemporal_ns", "readv_one_ns", "readv_both_ns", "readv_add_both_ns", "readv_all_reduce_ns")
    sizes = [dict.fromkeys(keys, factor * size / 10) | {"bytes": size} for size in (65536, 1048576)]
    return {"line_exchange_ns": 100 * factor, "line_one_way_ns": 100 * factor, "small": [{"bytes": 64, "direct_ns": 200 * factor}], "sizes": sizes}


def point(name, round_number, median_ns, size=8, wrong=0, ranks=2, collective="allreduce"):
    return launch.Point(name, ranks, collective, size, "warm", round_number, 5, median_ns, 3 * median_ns, wrong)


def invented():
    points = []
    for round_number, mood in enumerate((1.0, 4.0, 1.5)):
        points += [point("tutti", round_number, 500 * mood), point("tutti-memalloc", round_number, 400 * mood),
                   point("fast", round_number, 1000 * mood), point("slow", round_number, 3000 * mood),
                   point("tutti", round_number, 20000, size=65536), point("fast", round_number, 10000, size=65536),
                   point("tutti", round_number, 700, size=0, collective="barrier")]
    return points


class Judge(unittest.TestCase):
    def setUp(self):
        self.results = report.Results(invented(), OURS, PEERS, limits.Limits([calibration(2), calibration(1)]))
        self.small = (2, "allreduce", 8, "warm")
        self.large = (2, "allreduce", 65536, "warm")

    def test_rounds_are_summed_up_by_medians(self):
        summary = self.results.cells[self.small]["tutti"]
        self.assertEqual((summary.median_ns, summary.p99_ns), (750, 2250))

    def test_ratio_is_of_the_same_round_and_to_the_best_peer(self):
        self.assertEqual(self.results.best_peer(self.small), "fast")
        self.assertAlmostEqual(self.results.ratio_to_best(self.small, "tutti"), 0.5)
        self.assertAlmostEqual(self.results.ratio_to_best(self.large, "tutti"), 2.0)

    def test_without_a_peer_there_is_no_ratio(self):
        self.assertIsNone(self.results.ratio_to_best((2, "barrier", 0, "warm"), "tutti"))

    def test_share_of_the_limit_is_of_the_better_calibration(self):
        self.assertAlmostEqual(self.results.share_of_limit(self.small, "tutti-memalloc"), 200 / 600)
        self.assertAlmostEqual(self.results.share_of_limit(self.large, "tutti"), 6553.6 / 20000)
        self.assertIsNone(report.Results(invented(), OURS, PEERS).share_of_limit(self.small, "tutti"))

    def test_limits_exist_for_all_collectives_and_sizes(self):
        machine = limits.Limits([calibration(1)])
        for collective in report.COLLECTIVES:
            for kind in (limits.DIRECT, limits.READV):
                times = [machine.of(collective, size, kind, 2) for size in schedule.ALL_SIZES]
                self.assertTrue(all(time > 0 for time in times), (collective, kind))
                self.assertIsNone(machine.of(collective, 8, kind, 4))

    def test_a_network_allows_what_its_interfaces_send(self):
        network = limits.NetworkLimits(2, limits.rate_bits_per_s("10gbit"))
        self.assertAlmostEqual(network.of("allreduce", 1250, limits.READV, 2), 1000)
        self.assertAlmostEqual(network.of("all-gather", 1250, limits.READV, 4), 500)
        self.assertIsNone(network.of("barrier", 0, limits.READV, 2))
        for text in ("", "10", "gbit", "-1gbit", "10GB", "infgbit"):
            with self.assertRaises(ValueError, msg=text):
                limits.rate_bits_per_s(text)

    def test_refused_reads_leave_no_limit(self):
        refused = calibration(1)
        for row in refused["sizes"]:
            row["readv_all_reduce_ns"] = -1
        self.assertIsNone(limits.Limits([refused]).of("allreduce", 1 << 20, limits.READV, 2))

    def test_table(self):
        lines = report.table(self.results, "allreduce").splitlines()
        self.assertEqual(len(lines), 4)
        self.assertEqual(len({len(line) for line in lines}), 1)
        cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
        self.assertEqual(cells, ["2", "8 B", "warm", "0.75", "2.25", "0.60", "1.80", "1.50", "4.50", "fast", "0.50", "0.40", "27%", "33%", "1.50", "4.50"])
        self.assertEqual(report.table(self.results, "reduce"), "")

    def test_overview_names_the_worst_row(self):
        self.assertIn("ahead of the best peer in 1 of 2 rows", report.overview(self.results)[0])
        self.assertIn("worst 2.00 x at allreduce 64 KiB", report.overview(self.results)[0])

    def test_csv(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "file.csv")
            report.write_points(path, invented())
            self.assertEqual(len(rows(path)), len(invented()))
            report.write_summary(path, self.results)
            mine = [row for row in rows(path) if row["configuration"] == "tutti" and row["bytes"] == "8"]
            self.assertEqual([(row["rounds"], row["median_ns"], row["ratio_to_best_peer"]) for row in mine], [("3", "750.0", "0.5000")])

    def test_plots_are_xml_with_a_line_for_each_configuration(self):
        for collective, lines in (("allreduce", 6), ("barrier", 3)):
            drawing = xml.etree.ElementTree.fromstring(plot.svg(self.results, collective))
            self.assertEqual(len(drawing.findall("{http://www.w3.org/2000/svg}polyline")), lines)
        self.assertEqual(plot.svg(self.results, "reduce"), "")

    def test_wrong_values_are_counted(self):
        self.assertEqual(report.Results([point("tutti", 0, 1.0, wrong=3)], OURS, PEERS).wrong_count(), 3)

    def test_output_of_a_rank_is_read_and_bounded(self):
        text = "version,Some MPI 1.0\ncollective,bytes,temperature,iterations,median_ns,p99_ns,wrong\nallreduce,8,warm,5,1.5,2.5,0\nstopped,1 ms\nnoise\n"
        outcome = launch.parse(text, "mpi", 2, 7)
        self.assertEqual((outcome.version, outcome.was_stopped, outcome.error), ("Some MPI 1.0", True, ""))
        self.assertEqual(outcome.points, [launch.Point("mpi", 2, "allreduce", 8, "warm", 7, 5, 1.5, 2.5, 0)])
        self.assertIn("none of ours", launch.parse("a,b,c,d,e,f,g\n", "mpi", 2, 7).error)
        self.assertLessEqual(len(launch.last_words("x" * 10000)), launch.MAX_MESSAGE)

    def test_a_cycle_covers_what_is_asked(self):
        for is_quick in (False, True):
            steps = schedule.cycle((2, 4, 8), report.COLLECTIVES, is_quick)
            self.assertEqual({step.plan.ranks for step in steps}, {2, 4, 8})
            self.assertEqual({name for step in steps for name in step.plan.collectives}, set(report.COLLECTIVES))
            steps = schedule.network_cycle((2, 4), report.COLLECTIVES, is_quick)
            self.assertEqual([(step.plan.ranks, set(step.plan.collectives)) for step in steps],
                             [(2, set(report.COLLECTIVES)), (4, set(report.COLLECTIVES))])
        self.assertEqual({size for step in schedule.cycle((2,), report.COLLECTIVES, False) for size in step.plan.sizes}, set(schedule.ALL_SIZES))

    def test_each_library_that_is_absent_says_how_to_get_it(self):
        nowhere = pathlib.Path("/nowhere")
        for configuration, absence in configurations.inside_a_host(nowhere) + configurations.between_hosts(nowhere):
            self.assertTrue(absence, configuration.name)

    def test_ranks_are_spread_over_hosts_in_order(self):
        class Hosts:
            names = ("a", "b")
            agent = "/agent"
            def address(self, index): return f"10.0.0.{index}"
            def command(self, name, words): return ["on", name, *words]
        ours, open_mpi, mpich, _ = (configuration for configuration, _ in configurations.between_hosts(pathlib.Path("/nowhere")))
        started = ours.commands(4, [], False, Hosts())
        self.assertEqual([(line[1], variables["RANK"], variables["PEERS_ADDRESS"]) for line, variables in started],
                         [("a", "0", "10.0.0.0"), ("a", "1", "10.0.0.0"), ("b", "2", "10.0.0.1"), ("b", "3", "10.0.0.1")])
        for configuration in (open_mpi, mpich):
            (line, _), = configuration.commands(4, [], False, Hosts())
            self.assertEqual(line[:2], ["on", "a"])
            self.assertIn("a:2,b:2", line)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def run():
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(Judge)
    return 0 if unittest.TextTestRunner(verbosity=1).run(suite).wasSuccessful() else 1
