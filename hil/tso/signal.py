"""What the TSO sends, by time: the synthesised signal, steps, or a column of a file."""

import csv
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from hil.scenario import SignalSource
from hil.tso import regd


class SignalError(Exception):
    """A signal file that cannot be used; the text says why."""


class NoSignalError(SignalError):
    """A signal file that cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Series:
    """Values in pu that hold from their instant to the next; `t_s` from the start of the run."""

    t_s: NDArray[np.float64]
    pu: NDArray[np.float64]

    def at(self, t_s: float) -> float:
        """Value in force at an instant."""
        index = int(np.searchsorted(self.t_s, t_s + 1e-9, side="right")) - 1
        return float(self.pu[max(index, 0)])

    def repeated(self, every_s: float, duration_s: float) -> "Series":
        """Give its beginning over and over, to the end of a run and one time more."""
        first = self.t_s < every_s
        times = np.arange(ceil(duration_s / every_s) + 1.0)
        t_s = (every_s * times[:, np.newaxis] + self.t_s[first]).ravel()
        return Series(t_s, np.tile(self.pu[first], times.size))

    def check_length(self, file: object, duration_s: float) -> None:
        """Raise SignalError if a file ends before a run does."""
        span_s = float(self.t_s[-1])
        if span_s < duration_s - 1.0 - float(np.diff(self.t_s).max(initial=0.0)):
            raise SignalError(f"{file}: is {span_s:g} s long, the run {duration_s:g} s")


def series(source: SignalSource, seed: int, duration_s: float) -> Series:
    """Series of a run. Raises SignalError."""
    if source.repeat_s is None:
        return _series(source, seed, duration_s)
    return _series(source, seed, source.repeat_s).repeated(source.repeat_s, duration_s)


def _series(source: SignalSource, seed: int, duration_s: float) -> Series:
    if source.kind == "steps":
        return Series(
            np.array([t_s for t_s, _ in source.steps]), np.array([pu for _, pu in source.steps])
        )
    if source.kind == "file":
        found = read_column(Path(source.file or ""), source.column or "")
        found.check_length(source.file, duration_s)
        return found
    values = regd.synthesise(seed, duration_s)
    return Series(np.arange(len(values), dtype=np.float64) * regd.STEP_S, values)


def parse_option(text: str) -> tuple[str, str]:
    """`FILE:COLUMN` of the command line. Raises SignalError."""
    file, colon, column = text.rpartition(":")
    if not (colon and file and column):
        raise SignalError(f"{text}: must be FILE:COLUMN, for example agc.csv:signal_pu")
    return file, column


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield file
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield file


def read_column(path: Path, column: str, instants: tuple[str, ...] = ()) -> Series:
    """Column of a CSV with a column `t_s`; lines that begin with # are comments.

    `instants`: columns of ISO 8601 instants, one of which may stand for `t_s`.

    Raises SignalError: no file, no column, no number, time that does not grow.
    """
    t_s: list[float] = []
    values: list[float] = []
    try:
        with _open(path) as file:
            rows = csv.DictReader(line for line in file if not line.startswith("#"))
            names = rows.fieldnames or []
            if not names:
                raise SignalError(f"{path}: is empty; needs a line of names: t_s,{column}")
            clock = next((name for name in ("t_s", *instants) if name in names), "t_s")
            for name in (clock, column):
                if name not in names:
                    raise SignalError(f"{path}: no column {name}; has {', '.join(names)}")
            for row in rows:
                t_s.append(_seconds(row[clock], clock))
                values.append(float(row[column]))
    except (OSError, UnicodeDecodeError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise NoSignalError(f"{path}: {reason}") from error
    except (ValueError, TypeError) as error:
        raise SignalError(f"{path}: row {len(values) + 1}: {error}") from error
    if not values:
        raise SignalError(f"{path}: has names of columns, but no row of values")
    if not np.all(np.isfinite(values)) or np.any(np.diff(t_s) <= 0.0):
        raise SignalError(f"{path}: needs finite values, and t_s that grows from row to row")
    return Series(np.array(t_s) - t_s[0], np.array(values))


def _seconds(text: str, column: str) -> float:
    """Time of a row, s. Raises ValueError."""
    return float(text) if column == "t_s" else datetime.fromisoformat(text).timestamp()
