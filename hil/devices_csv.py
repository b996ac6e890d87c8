"""`devices.csv.gz`: each unit, each second: last setpoint received, mean power, state.

Where the recording is thinned (`hil.thinning`), the power is that of the second's end.
"""

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hil import recording
from hil.recording import UnitState

COLUMNS = ("t_s", "unit", "setpoint_mw", "p_mw", "state")
STATES = {int(state): state.name.lower() for state in UnitState}


def write(raw_dir: Path, path: Path, ids: list[str], t0_s: float, seconds: int) -> None:
    """Write the file. `ids`: names of the units by index; empty setpoint: none received yet."""
    asked = _setpoints(raw_dir, len(ids), t0_s, seconds)
    with gzip.open(path, "wb") as packed, io.TextIOWrapper(packed, newline="") as file:
        rows = csv.writer(file)
        rows.writerow(COLUMNS)
        for process in recording.processes(raw_dir):
            rows.writerows(_rows(raw_dir, process, ids, asked, t0_s))


def _setpoints(raw_dir: Path, n: int, t0_s: float, seconds: int) -> NDArray[np.float64]:
    """Last setpoint that each unit acted on, at the end of each second; shape (seconds, n)."""
    received = recording.read_setpoints(raw_dir)
    received = received[received["flags"] == 0]
    second = np.floor(received["t_s"] - t0_s).astype(int)
    asked = np.full((seconds, n), np.nan)
    latest = np.full(n, np.nan)
    starts = np.searchsorted(second, np.arange(seconds + 1))
    before = received[: starts[0]]
    latest[before["unit"]] = before["p_mw"]
    for k in range(seconds):
        rows = received[starts[k] : starts[k + 1]]
        latest[rows["unit"]] = rows["p_mw"]
        asked[k] = latest
    return asked


def _rows(
    raw_dir: Path, process: int, ids: list[str], asked: NDArray[np.float64], t0_s: float
) -> Iterator[tuple[object, ...]]:
    trace = recording.read_trace(raw_dir, process)
    units, power = trace.units, trace.rows
    second = np.floor(power["t_s"] - t0_s - 1e-6).astype(int)  # a row ends its step
    starts = np.searchsorted(second, np.arange(len(asked) + 1))
    for k in range(len(asked)):
        rows = power[starts[k] : starts[k + 1]]
        if not len(rows):
            continue
        thinned, state = trace.totals is not None, rows["state"][-1]
        p_mw = rows["p_mw"][-1] if thinned else rows["p_mw"].mean(axis=0)
        for slot, unit in enumerate(units):
            setpoint = asked[k, unit]
            shown = "" if np.isnan(setpoint) else f"{setpoint:.6f}"
            yield k, ids[unit], shown, f"{p_mw[slot]:.6f}", STATES[int(state[slot])]
