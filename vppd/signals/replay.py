"""A recorded signal, played in real time: a CSV with a column `t_s`, plain or gzip."""

import asyncio
import csv
import gzip
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import structlog

from vppd.config.fields import about, text
from vppd.config.schema import SignalConfig
from vppd.signals.base import AgcValue, FrequencyValue, PlantReport

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ReplayConfig(SignalConfig):
    """A recorded signal."""

    TYPE = "replay"

    file: str = field(metadata=text("CSV, or CSV.gz, with t_s; relative to this file"))
    column: str | None = field(
        default=None, metadata=text("column with AGC, pu of regulation capacity")
    )
    frequency_column: str | None = field(default=None, metadata=text("column with frequency, Hz"))
    loop: bool = field(default=False, metadata=about("begin again after the last row"))

    def brings(self) -> tuple[str, ...]:
        """Give what comes in by it."""
        columns = {"agc": self.column, "frequency": self.frequency_column}
        return tuple(name for name, column in columns.items() if column is not None)

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        return [] if self.brings() else [("column", "missing; or give frequency_column")]


@dataclass(frozen=True, slots=True)
class Row:
    """One row; NaN where the file has no value."""

    t_s: float
    pu: float
    freq_hz: float


def load_rows(path: Path, column: str | None, frequency_column: str | None) -> list[Row]:
    """Rows of a recording, from t_s = 0 on. Raises ValueError with file and line, OSError."""
    rows = list(_rows(path, column, frequency_column))
    if len(rows) < 2:
        raise ValueError(f"{path}: a recording has two rows at least")
    for number, (before, after) in enumerate(pairwise(rows), start=2):
        if not after.t_s > before.t_s:
            raise ValueError(f"{path}: row {number}: t_s must grow, is {after.t_s:g}")
    start_s = rows[0].t_s
    return [Row(row.t_s - start_s, row.pu, row.freq_hz) for row in rows]


def _rows(path: Path, column: str | None, frequency_column: str | None) -> Iterator[Row]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        reader = csv.DictReader(line for line in file if not line.startswith("#"))
        try:
            for name in ("t_s", column, frequency_column):
                if name is not None and name not in (reader.fieldnames or ()):
                    known = ", ".join(reader.fieldnames or ())
                    raise ValueError(f"{path}: no column {name}; columns: {known}")
            for number, row in enumerate(reader, start=1):
                where = f"{path}: row {number}"
                t_s = _value(row["t_s"], where)
                if not math.isfinite(t_s):
                    raise ValueError(f"{where}: t_s is missing")
                pu = _value(row[column], where) if column else math.nan
                hz = _value(row[frequency_column], where) if frequency_column else math.nan
                yield Row(t_s, pu, hz)
        except (csv.Error, UnicodeDecodeError, EOFError) as error:
            raise ValueError(f"{path}: {error}") from error


def _value(text_value: str | None, where: str) -> float:
    """Value of a cell; NaN for an empty one."""
    if not text_value:
        return math.nan
    try:
        return float(text_value)
    except ValueError:
        raise ValueError(f"{where}: {text_value!r} is not a number") from None


class Replay:
    """Signal that gives each row at its time after `run` began."""

    def __init__(self, config: ReplayConfig, rows: list[Row], clock: Callable[[], float]) -> None:
        self.agc: AgcValue | None = None
        self.frequency: FrequencyValue | None = None
        self._rows = rows
        self._loop = config.loop
        # One turn: the time from the last row to the first again is that between the last two.
        self._turn_s = rows[-1].t_s + (rows[-1].t_s - rows[-2].t_s)
        self._clock = clock
        self._sequence = -1
        self._listeners: list[Callable[[], None]] = []
        self._frequency_listeners: list[Callable[[], None]] = []
        self._log = log.bind(signal=config.id)

    def on_agc(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new AGC value is there."""
        self._listeners.append(listener)

    def on_frequency(self, listener: Callable[[], None]) -> None:
        """Call `listener()` in the event loop when a new frequency is there."""
        self._frequency_listeners.append(listener)

    async def bind(self) -> None:
        """Open nothing: the file has been read."""

    async def run(self) -> None:
        """Play until cancelled. Absolute times: a late row does not make the next ones late."""
        start_s = self._clock()
        while True:
            for row in self._rows:
                wait_s = start_s + row.t_s - self._clock()
                if wait_s > 0.0:
                    await asyncio.sleep(wait_s)
                self._give(row)
            if not self._loop:
                self._log.info("replay_ended")
                await asyncio.get_running_loop().create_future()
            start_s += self._turn_s

    def publish(self, report: PlantReport) -> None:
        """Tell nobody: a file does not listen."""

    def _give(self, row: Row) -> None:
        now_s = self._clock()
        if math.isfinite(row.freq_hz):
            self.frequency = FrequencyValue(row.freq_hz, now_s)
            for listener in self._frequency_listeners:
                listener()
        if not math.isfinite(row.pu):
            return
        self._sequence += 1
        self.agc = AgcValue(row.pu, now_s, self._sequence)
        for listener in self._listeners:
            listener()


def create(
    config: ReplayConfig,
    *,
    clock: Callable[[], float],
    links: dict[str, object],  # noqa: ARG001 - every signal is created by the same call
    utc: Callable[[], float] = time.time,  # noqa: ARG001 - every signal is created by the same call
    base_dir: Path,
) -> Replay:
    """Create the signal of a configuration record. Raises OSError, ValueError: a bad file."""
    rows = load_rows(base_dir / config.file, config.column, config.frequency_column)
    return Replay(config, rows, clock)
