"""Tests of the comparison's own arithmetic and reading: python3 -m unittest, in this folder."""

from __future__ import annotations

import json
import sys
import tempfile
import unittest
from pathlib import Path

from compare import CPU_SIZES, Record, Run, Size, Task, first_line, report, tasks
from programs import CPU, GPU, NETWORKS, PEERS, SOFTWARE, WGRAD, Failed, Figures, Places, Work, execute, missing
from summary import Measurement, Spread, markdown, plain, tables

RUN = Run("2026-01-02", "a machine", "3.11", "abc", ["JAX is not installed: no module"])
PLACES = Places(Path("/w"), Path("/p"), Path("/b"), Path("/s"), Path("/d"), "0")
WORK = Work(NETWORKS[1], samples=640, epochs=3, seed=5)


def figures(*seconds: float) -> Figures:
    return Figures("1.0", "cpu", 0.5, seconds, 0.1, 0.97)


def measured(program: str, number: int, *seconds: float, network: str = "net") -> Measurement:
    return Measurement(CPU, network, program, number, steps=10, warm_up=1, figures=figures(*seconds))


class Statistics(unittest.TestCase):
    def test_the_median_leaves_the_warm_up_out(self) -> None:
        self.assertEqual(measured("wgrad", 0, 100, 3, 1, 2).seconds, 2)
        self.assertIsNone(measured("wgrad", 0, 100).seconds)

    def test_spread(self) -> None:
        self.assertEqual(Spread.of([3, 1, 2, 10]), Spread(1, 2.5, 10))
        self.assertEqual(Spread(1, 2, 3).scaled(10).text(1), "10.0 / 20.0 / 30.0")

    def test_ratios_pair_the_same_round(self) -> None:
        ours = [measured("wgrad", number, 9, seconds) for number, seconds in enumerate((1, 4, 2))]
        theirs = [measured("peer", number, 9, seconds) for number, seconds in ((0, 2), (1, 4), (3, 1))]
        rows = {row.program: row for row in tables([*ours, *theirs])[0].rows}
        self.assertEqual(rows["peer"].ratio, Spread(0.5, 0.75, 1))
        self.assertEqual(rows["peer"].rounds, 3)
        self.assertIsNone(rows["wgrad"].ratio)

    def test_a_peer_without_wgrad_has_no_ratio(self) -> None:
        self.assertIsNone(tables([measured("peer", 0, 9, 1)])[0].rows[0].ratio)

    def test_tables_are_apart_by_network_and_the_fastest_comes_first(self) -> None:
        some = [measured("slow", 0, 9, 3), measured("fast", 0, 9, 1), measured("slow", 0, 9, 3, network="other")]
        found = [(table.network, [row.program for row in table.rows]) for table in tables(some)]
        self.assertEqual(found, [("net", ["fast", "slow"]), ("other", ["slow"])])


class Texts(unittest.TestCase):
    def test_markdown_and_plain_hold_the_same_figures(self) -> None:
        table = tables([measured("wgrad", 0, 9, 1), measured("peer", 0, 9, 4)])[0]
        for text in (markdown(table), plain(table)):
            for part in ("net, cpu, 10 steps", "4.000 / 4.000 / 4.000", "0.25 / 0.25 / 0.25", "97.00 %"):
                self.assertIn(part, text)
        widths = {line.count("|") for line in markdown(table).splitlines() if line.startswith("|")}
        self.assertEqual(widths, {8})

    def test_other_devices_are_told_in_milliseconds_a_step(self) -> None:
        step = Measurement(SOFTWARE, "net", "wgrad", 0, steps=10, warm_up=0, figures=figures(0.5))
        self.assertIn("50.000 / 50.000 / 50.000", plain(tables([step])[0]))

    def test_the_report_names_what_was_left_out(self) -> None:
        failed = Measurement(CPU, "net", "peer", 2, 10, 1, None, "out of memory")
        text = report(RUN, [measured("wgrad", 0, 9, 1), failed])
        for part in ("a machine", "2026-01-02", "JAX is not installed", "peer, net, cpu, round 2: out of memory"):
            self.assertIn(part, text)


class Reading(unittest.TestCase):
    LINE: dict[str, object] = {
        "version": "2",
        "device": "cpu",
        "time_to_first_step": 1,
        "train_loss": 0.1,
        "test_accuracy": 0.9,
    }

    def test_a_peer_prints_one_line_after_others(self) -> None:
        output = "a warning\n" + json.dumps({**self.LINE, "epoch_seconds": [1, 2], "more": None})
        self.assertEqual(PEERS[0].figures(output).epoch_seconds, (1.0, 2.0))

    def test_what_is_no_result_fails(self) -> None:
        bad: list[dict[str, object]] = [{}, {"epoch_seconds": []}, {"epoch_seconds": [1, 0]}, {"epoch_seconds": None}]
        outputs = ["", "text", "[1]", *(json.dumps({**self.LINE, **fields}) for fields in bad)]
        for output in outputs:
            with self.subTest(output), self.assertRaises(Failed):
                PEERS[0].figures(output)

    def test_wgrad_prints_events(self) -> None:
        summary: dict[str, object] = {
            "event": "summary",
            "adapter": "llvmpipe",
            "driver": "Mesa",
            "time_to_first_step": 0.1,
        }
        scores = {"train_loss": 0.2, "test_accuracy": 0.95}
        events = [{"event": "epoch", "seconds": 2.0}, {"event": "epoch", "seconds": 1.0}, {**summary, **scores}]
        found = WGRAD.figures("\n".join(json.dumps(event) for event in events))
        self.assertEqual(found, Figures("", "llvmpipe Mesa", 0.1, (2.0, 1.0), 0.2, 0.95))
        with self.assertRaises(Failed):
            WGRAD.figures(json.dumps(events[0]))


class Commands(unittest.TestCase):
    def test_each_program_is_told_the_same_work(self) -> None:
        for program in (WGRAD, *PEERS):
            for device in program.devices:
                command = program.command(PLACES, device, WORK)
                options = dict(zip(command, command[1:]))
                self.assertEqual((options["--batch"], options["--epochs"]), ("128", "3"), program.name)
                self.assertIn("640", (options.get("--limit"), options.get("--samples")), program.name)
                widths = options.get("--widths") or f"784,{options['--hidden']},10"
                self.assertEqual(widths, "784,512,512,10", program.name)

    def test_software_adapters_are_asked_for(self) -> None:
        self.assertIn("--adapter", WGRAD.command(PLACES, SOFTWARE, WORK))
        self.assertIn("--device", WGRAD.command(PLACES, GPU, WORK))
        self.assertEqual(PEERS[-2].command(PLACES, SOFTWARE, WORK)[:3], ["/b", "--backend", "wgpu-software"])
        self.assertEqual(PEERS[-1].command(PLACES, GPU, WORK)[:3], ["/s", "--backend", "wgpu"])

    def test_failures_say_why(self) -> None:
        self.assertIn("is not there", missing(WGRAD, PLACES) or "")
        script = "import sys; sys.exit('first\\nthe reason')"
        with self.assertRaisesRegex(Failed, "^the reason$"):
            execute([sys.executable, "-c", script], 60)
        with self.assertRaisesRegex(Failed, "stopped after"):
            execute([sys.executable, "-c", "import time; time.sleep(60)"], 0.2)


class Plan(unittest.TestCase):
    def test_another_program_begins_each_round(self) -> None:
        programs = [WGRAD, *PEERS[:2]]
        plan = [task.program for task in tasks([CPU], programs, rows=[1], rounds=3, quick=False)]
        self.assertEqual([plan[start] for start in (0, 3, 6)], programs)
        self.assertEqual(len(plan), 9)

    def test_all_networks_are_there(self) -> None:
        plan = list(tasks([CPU], [WGRAD], rows=[1, 2, 3, 4], rounds=1, quick=True))
        self.assertEqual([task.network for task in plan], list(NETWORKS))
        self.assertTrue(all(size.warm_up < size.epochs for size in CPU_SIZES))

    def test_a_record_goes_on_where_it_stopped(self) -> None:
        size = Size(640, 2, 1)
        done, failed, new = (Task(CPU, NETWORKS[0], WGRAD, number, size) for number in range(3))
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "new" / "record.jsonl"
            record = Record(path)
            record.begin(RUN)
            record.add(done, measured("wgrad", 0, 9, 1))
            record.add(failed, Measurement(CPU, "net", "wgrad", 1, 10, 1, None, "stopped"))
            again = Record(path)
        self.assertEqual([again.has(task) for task in (done, failed, new)], [True, False, False])
        self.assertEqual(again.done, record.done)
        self.assertEqual(again.run, RUN)


class Machine(unittest.TestCase):
    def test_a_line_of_a_system_file(self) -> None:
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write('NAME=x\nPRETTY_NAME="A System 1"\nmodel name\t: A CPU\n')
            file.flush()
            self.assertEqual(first_line(file.name, "PRETTY_NAME"), "A System 1")
            self.assertEqual(first_line(file.name, "model name"), "A CPU")
            self.assertEqual(first_line(file.name, "absent"), "")
        self.assertEqual(first_line("/nowhere", "x"), "")


if __name__ == "__main__":
    unittest.main()
