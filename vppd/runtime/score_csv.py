"""A CSV file as a series to be scored: columns by name, MW, s, Hz; `.gz` too, `#` comments."""

import csv
import gzip
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vppd.market.record import Form, Series

F8 = NDArray[np.float64]


class CsvError(ValueError):
    """A file that is no CSV of numbers with the columns that the market wants."""


def columns_of(form: Form) -> tuple[str, str, str]:
    """Columns that a market of this form is scored from."""
    asked = "frequency_hz" if form is Form.FREQUENCY else "signal_mw"
    return "t_s", asked, "response_mw"


def lines_of(path: Path) -> list[str]:
    """Lines of a text file, packed (`.gz`) or not, without the byte order mark of spreadsheets.

    Raises
    ------
    CsvError
        It is no text.
    OSError
        It cannot be read.
    """
    how = gzip.open if path.suffix == ".gz" else open
    try:
        with how(path, "rt", encoding="utf-8-sig") as file:
            return list(file)
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        raise CsvError(f"{path}: no text: {error}") from error


def read_csv(path: Path, form: Form) -> Series:
    """Read the columns that the form wants; others are passed over.

    Raises
    ------
    CsvError
        No such column, or a cell that is no number.
    OSError
        The file cannot be read.
    """
    lines = [line for line in lines_of(path) if not line.startswith("#")]
    names = [name.strip() for name in next(csv.reader(lines[:1]), [])]
    wanted = columns_of(form)
    missing = [name for name in wanted if name not in names]
    if missing:
        raise CsvError(
            f"{path}: no column {' or '.join(missing)}: this market wants {', '.join(wanted)}"
        )
    if len(lines) < 2:
        raise CsvError(f"{path}: no row")
    t_s, asked, response_mw = _numbers(path, lines, [names.index(name) for name in wanted])
    if form is Form.FREQUENCY:
        return Series(t_s, response_mw, frequency_hz=asked)
    return Series(t_s, response_mw, signal_mw=asked)


def _numbers(path: Path, lines: list[str], columns: list[int]) -> F8:
    text = io.StringIO("".join(lines[1:]))
    try:
        table = np.loadtxt(text, delimiter=",", usecols=columns, ndmin=2, comments=None)
    except (ValueError, IndexError) as error:
        raise CsvError(f"{path}: rows counted from 0 after the header: {error}") from error
    return np.ascontiguousarray(table.T)


def between(series: Series, since: str | None, until: str | None) -> Series:
    """Rows from `since` up to, not including, `until`: values of t_s, or +SECONDS from its first.

    Raises ValueError for an instant that is no number, and where no row is left.
    """
    if since is None and until is None:
        return series  # a NaN in t_s is for the market to refuse, not to be left out
    since_s, until_s = _instant_s(series, since, -math.inf), _instant_s(series, until, math.inf)
    inside = (series.t_s >= since_s) & (series.t_s < until_s)
    if not inside.any():
        raise ValueError("no row between --since and --until")
    named: dict[str, Any] = {name: col[inside] for name, col in series.columns().items()}
    return Series(**named)


def _instant_s(series: Series, text: str | None, default_s: float) -> float:
    if text is None:
        return default_s
    try:
        at_s = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no instant of a CSV: a t_s, or +SECONDS") from None
    return float(series.t_s[0]) + at_s if text.strip().startswith("+") else at_s
