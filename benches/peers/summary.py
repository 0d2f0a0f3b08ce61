"""From measurements to tables: medians, ratios, Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from programs import CPU, Figures

WGRAD_NAME = "wgrad"


@dataclass(frozen=True)
class Measurement:
    """One program's run in one round; `failure` says why there are no figures."""

    device: str
    network: str
    program: str
    round: int
    steps: int  # of an epoch
    warm_up: int  # epochs that do not count
    figures: Figures | None
    failure: str | None = None

    @property
    def seconds(self) -> float | None:
        """Of an epoch: the median of those after the warm-up."""
        if self.figures is None:
            return None
        counted = self.figures.epoch_seconds[self.warm_up :]
        return median(counted) if counted else None


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of some numbers."""

    least: float
    middle: float
    greatest: float

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Spread:
        return cls(min(numbers), median(numbers), max(numbers))

    def scaled(self, factor: float) -> Spread:
        return Spread(self.least * factor, self.middle * factor, self.greatest * factor)

    def text(self, digits: int) -> str:
        return " / ".join(f"{number:.{digits}f}" for number in (self.least, self.middle, self.greatest))


@dataclass(frozen=True)
class Row:
    """What one program came to on one network and device."""

    program: str
    rounds: int
    seconds: Spread  # of an epoch
    ratio: Spread | None  # wgrad's seconds over the program's in the same round; none for wgrad itself
    first_step: float  # median of the rounds' seconds to the first step
    train_loss: float
    test_accuracy: float


@dataclass(frozen=True)
class Table:
    """All programs on one network and device, the fastest first."""

    device: str
    network: str
    steps: int
    rows: tuple[Row, ...]


def tables(measurements: Iterable[Measurement]) -> list[Table]:
    """One table per device, network and length of an epoch, in the order of their first measurement."""
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for m in measurements:
        if m.seconds is not None:
            groups.setdefault((m.device, m.network, m.steps), []).append(m)
    return [Table(*key, _rows(group)) for key, group in groups.items()]


def _rows(group: Sequence[Measurement]) -> tuple[Row, ...]:
    programs = dict.fromkeys(measurement.program for measurement in group)
    return tuple(sorted((_row(program, group) for program in programs), key=lambda row: row.seconds.middle))


def _row(program: str, group: Sequence[Measurement]) -> Row:
    own = [measurement for measurement in group if measurement.program == program]
    ratios = _ratios(own, [m for m in group if m.program == WGRAD_NAME]) if program != WGRAD_NAME else []
    figures = [m.figures for m in own if m.figures is not None]
    return Row(
        program=program,
        rounds=len(own),
        seconds=Spread.of([m.seconds for m in own if m.seconds is not None]),
        ratio=Spread.of(ratios) if ratios else None,
        first_step=median(f.time_to_first_step for f in figures),
        train_loss=median(f.train_loss for f in figures),
        test_accuracy=median(f.test_accuracy for f in figures),
    )


def _ratios(peer: Sequence[Measurement], wgrad: Sequence[Measurement]) -> list[float]:
    """wgrad's seconds over the peer's, of each round that has both."""
    by_round = {m.round: m.seconds for m in wgrad}
    return [ours / m.seconds for m in peer if (ours := by_round.get(m.round)) is not None and m.seconds is not None]


def failures(measurements: Iterable[Measurement]) -> list[str]:
    """One line for each run that came to nothing."""
    return [f"{m.program}, {m.network}, {m.device}, round {m.round}: {m.failure}" for m in measurements if m.failure]


def heading(table: Table) -> str:
    return f"{table.network}, {table.device}, {table.steps} steps an epoch"


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text. On the CPU epochs are told in seconds, elsewhere steps in milliseconds."""
    is_cpu = table.device == CPU
    unit, factor = ("s an epoch", 1.0) if is_cpu else ("ms a step", 1e3 / table.steps)
    first = ["program", f"{unit}: min / median / max", "wgrad ÷ program"]
    header = [*first, "first step, s", "loss", "accuracy", "rounds"]
    rows = [
        [
            row.program,
            row.seconds.scaled(factor).text(3),
            row.ratio.text(2) if row.ratio else "",
            f"{row.first_step:.2f}",
            f"{row.train_loss:.4f}",
            f"{100 * row.test_accuracy:.2f} %",
            str(row.rounds),
        ]
        for row in table.rows
    ]
    return header, rows


def plain(table: Table) -> str:
    """For a terminal."""
    header, rows = cells(table)
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([heading(table), *text])


def markdown(table: Table) -> str:
    """To paste into a page."""
    header, rows = cells(table)
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join([f"**{heading(table)}**", "", *("| " + " | ".join(line) + " |" for line in lines)])
