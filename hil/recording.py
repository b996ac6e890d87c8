"""Files of one run, in `OUT/raw/`: the layout, its writers, and its readers.

Everything is appended and never rewritten, so that a `kill -9` loses at most one second.
Instants (`t_s`) are seconds of CLOCK_MONOTONIC, one clock for all processes of a run. Power is
in MW, generation positive. `K` is the number of the wire process.

================================  ============================================================
`fleet.json`                      `hil.fleet.Fleet` as JSON: units, true and configured parameters
`run.json`                        what the rig measured, see `hil.rig`
`wire-K.setpoints.bin`            rows of `SETPOINT`, one for each setpoint that reached a device
`wire-K.power.bin`, `….json`      rows of `power_dtype`, each 0.1 s; the JSON names the units
`wire-K.totals.bin`               where those are thinned: rows of `Thin.totals`, each 0.1 s
`wire-K.events.jsonl`             injected faults `{t_s, unit, kind, detail}`; unit -1: no unit
`wire-K.links.bin`                rows of `LINK`: when a device could be reached, and was
`tso.csv`                         `TSO_COLUMNS`, one row for each AGC value
`tso.frequency.csv`               `FREQUENCY_COLUMNS`, one row for each frequency, if it is sent
`grid.csv`                        `GRID_COLUMNS`, each 0.1 s, where the loop over a grid is closed
`frequency.json`                  source of the frequency and droop of the plant, as configured
`tso.inputs.csv`                  `INPUT_COLUMNS`, one row for each poll of the plant by the TSO
================================  ============================================================
"""

import json
import os
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from hil import thinning
from hil.thinning import EXTREMES, Thin, Thinner

# rows of the power trace are at multiples of it on the monotonic clock
PHYSICS_STEP_S = thinning.PHYSICS_STEP_S

TSO_COLUMNS = ("t_sent_s", "t_socket_s", "seq", "pu", "status")
"""`t_sent_s`: by the TSO's own clock; `t_socket_s`: handed to the socket, after the link's
latency (nan: never); `status`: accepted, refused, unknown (no answer), cut (the link was cut: not
sent), stale (a fault of the signal: not sent), down (no connection); `seq` is negative for what
was sent before t0."""

FREQUENCY_COLUMNS = ("t_sent_s", "t_socket_s", "freq_hz", "status")
"""As `TSO_COLUMNS`."""

GRID_COLUMNS = ("t_s", "freq_hz", "plant_mw")
"""At the end of each step: the grid's frequency, and what the plant gave in it."""

INPUT_COLUMNS = (
    "t_s", "p_kw", "p_flags", "agc_pu", "agc_flags", "mode", "units_online",
    "capacity_up_kw", "capacity_down_kw",
    "promise_up_kw", "promise_down_kw", "firm_up_kw", "firm_down_kw",
)  # fmt: skip


class SetpointFlag(IntFlag):
    """What became of a write. 0: the device acted on it."""

    LOST = 1  # swallowed by the scenario: no reply, never acted on
    OFFLINE = 2  # the unit's link was in an outage
    KEEP_ALIVE = 4  # a write of mode or watchdog that carries no setpoint
    VOID = 8  # refused, or taken without effect: the device did not act on it


class UnitState(IntEnum):
    """Whom a unit obeys, as recorded with its power."""

    AUTONOMOUS = 0  # no master has taken it yet: it keeps its basepoint
    FOLLOW = 1
    FALLBACK = 2  # its watchdog has run out


class LinkChange(IntEnum):
    """What became of the link of a device."""

    LISTENING = 0  # its socket is open: the daemon could connect
    CONNECTED = 1  # the daemon has connected; over MQTT: the device has, and says online
    LOST = 2


SETPOINT = np.dtype(
    [("t_s", "<f8"), ("unit", "<i4"), ("p_mw", "<f8"), ("flags", "u1"), ("link_s", "<f4")]
)
"""`t_s`: the device got it, after `link_s` seconds in the link. `unit`: index in the fleet."""


LINK = np.dtype([("t_s", "<f8"), ("unit", "<i4"), ("change", "u1")])


LIMIT_COLUMNS = ("p_avail_min_mw", "p_avail_max_mw")
STATE_COLUMNS = ("room_k", "temperature_c", "departure_missed_mwh", "switches")


def power_dtype(
    n_units: int, *, limits: bool = False, states: bool = False, thinned: bool = False
) -> np.dtype[np.void]:
    """Row of the power trace: instant, then one array over the units of the process each.

    With `limits`: the lowest and the highest power that each unit could give, too, MW. With
    `states`: room above its set point, temperature of the cells, energy that cars left without, and
    starts and stops since the start; nan: has no such state.
    `thinned`: with the extremes since the row before, see `hil.thinning`.
    """
    number = "<f4" if thinned else "<f8"
    columns: list[tuple[str, str] | tuple[str, str, tuple[int]]] = [
        ("t_s", "<f8"),
        ("p_mw", number, (n_units,)),
        ("soc", number, (n_units,)),  # nan: no store
        ("state", "u1", (n_units,)),  # UnitState
    ]
    if thinned:
        columns += [(name, "<f4", (n_units,)) for name in EXTREMES]
    if limits:
        columns += [(name, "<f4", (n_units,)) for name in LIMIT_COLUMNS]
    if states:
        columns += [(name, "<f4", (n_units,)) for name in STATE_COLUMNS]
    return np.dtype(columns)


def append_file(path: Path, row_bytes: int = 1) -> BinaryIO:
    """Open a file for unbuffered appending: a written row survives a `kill -9`.

    A row that a killed predecessor left torn is cut off, so that later ones stay aligned.
    """
    if path.exists() and path.stat().st_size % row_bytes:
        os.truncate(path, path.stat().st_size // row_bytes * row_bytes)
    return path.open("ab", buffering=0)


class _Pen:
    """Writes to files in their order; by a thread, so that nobody waits for a busy disk."""

    def __init__(self, *, threaded: bool) -> None:
        self._queue: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="recording") if threaded else None
        if self._thread is not None:
            self._thread.start()

    def write(self, file: BinaryIO, data: bytes) -> None:
        """Write, now or soon."""
        if self._thread is None:
            os.write(file.fileno(), data)
        else:
            self._queue.put((file.fileno(), data))

    def close(self) -> None:
        """Return when everything is written."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            os.write(*item)


class Writer:
    """What one wire process records. Rows go to the page cache at once, or each step.

    `limits`, `states`: the power trace has limits and inner states of the units, too. `threaded`:
    by a thread of its own (real clock; in virtual time there are no threads). `thin`: how the power
    trace is thinned, if it is.
    """

    def __init__(
        self,
        raw_dir: Path,
        process: int,
        units: list[int],
        *,
        limits: bool = False,
        states: bool = False,
        threaded: bool = False,
        thin: Thin | None = None,
    ) -> None:
        about = {"limits": limits, "states": states, "thinned": thin is not None}
        self._dtype = power_dtype(len(units), **about)
        self._row = np.zeros(1, dtype=self._dtype)
        self._column = {name: self._row[name] for name in self._dtype.names or ()}  # views of it
        self._setpoints: list[tuple[float, int, float, int, float]] = []
        self._powers: list[bytes] = []  # rows, until `flush`: each call of the kernel takes long
        self._totals: list[bytes] = []
        step_s, kinds = (PHYSICS_STEP_S, ()) if thin is None else (thin.step_s, thin.kinds)
        (raw_dir / f"wire-{process}.power.json").write_text(
            json.dumps({"units": units, "step_s": step_s, "kinds": kinds, **about})
        )
        self._thinner = None if thin is None else Thinner(thin, self._row)
        totals = raw_dir / f"wire-{process}.totals.bin"
        self._total_file = None if thin is None else append_file(totals, thin.totals.itemsize)
        self._power_file = append_file(raw_dir / f"wire-{process}.power.bin", self._dtype.itemsize)
        self._setpoint_file = append_file(
            raw_dir / f"wire-{process}.setpoints.bin", SETPOINT.itemsize
        )
        self._event_file = append_file(raw_dir / f"wire-{process}.events.jsonl")
        self._link_file = append_file(raw_dir / f"wire-{process}.links.bin", LINK.itemsize)
        self._closed = False
        self._pen = _Pen(threaded=threaded)

    def setpoint(self, t_s: float, unit: int, p_mw: float, flags: int, link_s: float) -> None:
        """Note one setpoint; `flush` writes it."""
        self._setpoints.append((t_s, unit, p_mw, flags, link_s))

    def power(
        self,
        t_s: float,
        p_mw: NDArray[np.float64],
        soc_pu: NDArray[np.float64],
        state: NDArray[np.uint8],
        limits_mw: tuple[NDArray[np.float64], ...] = (),
        states: tuple[NDArray[np.float64], ...] = (),
    ) -> None:
        """Note one row of the power trace; arrays of shape (units of this process,)."""
        column = self._column
        column["t_s"][0], column["p_mw"][0] = t_s, p_mw
        column["soc"][0], column["state"][0] = soc_pu, state
        for name, limit_mw in zip(LIMIT_COLUMNS, limits_mw, strict=False):
            column[name][0] = limit_mw
        for name, value in zip(STATE_COLUMNS, states, strict=False):
            column[name][0] = value
        if self._thinner is None or self._total_file is None:
            self._powers.append(self._row.tobytes())
            return
        self._totals.append(self._thinner.total(t_s, p_mw))
        self._powers += self._thinner.rows(t_s, p_mw, state)

    def event(self, t_s: float, unit: int, kind: str, detail: str = "") -> None:
        """Write one injected fault."""
        line = json.dumps({"t_s": t_s, "unit": unit, "kind": kind, "detail": detail}) + "\n"
        self._pen.write(self._event_file, line.encode())

    def link(self, t_s: float, unit: int, change: LinkChange) -> None:
        """Write what became of a device's link; nothing after `close`, when all links end."""
        if not self._closed:
            row = np.array([(t_s, unit, int(change))], dtype=LINK)
            self._pen.write(self._link_file, row.tobytes())

    def flush(self) -> None:
        """Write what was noted so far."""
        for file, rows in ((self._power_file, self._powers), (self._total_file, self._totals)):
            if file is not None and rows:
                self._pen.write(file, b"".join(rows))
                rows.clear()
        if self._setpoints:
            setpoints = np.array(self._setpoints, dtype=SETPOINT)
            self._setpoints.clear()
            self._pen.write(self._setpoint_file, setpoints.tobytes())

    def close(self) -> None:
        """Flush and close."""
        self._powers += self._thinner.last() if self._thinner else ()
        self.flush()
        self._closed = True
        self._pen.close()
        for file in (self._power_file, self._setpoint_file, self._event_file, self._link_file):
            file.close()
        if self._total_file is not None:
            self._total_file.close()


def processes(raw_dir: Path) -> list[int]:
    """Numbers of the wire processes that recorded something, in order."""
    return sorted(int(p.name.split(".")[0][5:]) for p in raw_dir.glob("wire-*.power.json"))


def _rows(path: Path, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Whole rows of a file, by time, as they lie on the disk; a torn last row is left out."""
    count = path.stat().st_size // dtype.itemsize if path.exists() else 0
    if not count:
        return np.zeros(0, dtype=dtype)
    # mapped: of a long run more than the memory need hold
    return _by_time(np.asarray(np.memmap(path, dtype=dtype, mode="r", shape=(count,))))


def _by_time(rows: NDArray[np.void]) -> NDArray[np.void]:
    """Rows by time; a copy only where they are not yet."""
    t_s = rows["t_s"]
    if np.all(t_s[1:] >= t_s[:-1]):
        return rows
    return rows[np.argsort(t_s, kind="stable")]


@dataclass(frozen=True, slots=True)
class PowerTrace:
    """What one process recorded of its units' power, by time."""

    units: list[int]  # indices in the fleet
    rows: NDArray[np.void]  # of `power_dtype`
    step_s: float = PHYSICS_STEP_S  # from row to row, at most
    kinds: tuple[str, ...] = ()  # of `totals`
    totals: NDArray[np.void] | None = None  # rows of `Thin.totals`; None: not thinned


def read_trace(raw_dir: Path, process: int) -> PowerTrace:
    """Power trace of one process."""
    about = json.loads((raw_dir / f"wire-{process}.power.json").read_text())
    units: list[int] = about["units"]
    what = {key: bool(about.get(key, False)) for key in ("limits", "states", "thinned")}
    rows = _rows(raw_dir / f"wire-{process}.power.bin", power_dtype(len(units), **what))
    if not what["thinned"]:
        return PowerTrace(units, rows)
    how = Thin(float(about["step_s"]), tuple(about["kinds"]))
    totals = _rows(raw_dir / f"wire-{process}.totals.bin", how.totals)
    return PowerTrace(units, rows, how.step_s, how.names, totals)


def read_power(raw_dir: Path, process: int) -> tuple[list[int], NDArray[np.void]]:
    """Units (indices in the fleet) and rows of `power_dtype` of one process, by time."""
    trace = read_trace(raw_dir, process)
    return trace.units, trace.rows


def read_setpoints(raw_dir: Path) -> NDArray[np.void]:
    """All rows of `SETPOINT` of all processes, by time."""
    return _all_rows(raw_dir, "setpoints", SETPOINT)


def read_links(raw_dir: Path) -> NDArray[np.void]:
    """All rows of `LINK` of all processes, by time."""
    return _all_rows(raw_dir, "links", LINK)


def _all_rows(raw_dir: Path, what: str, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    parts = [_rows(raw_dir / f"wire-{k}.{what}.bin", dtype) for k in processes(raw_dir)]
    if len(parts) == 1:
        return parts[0]
    return _by_time(np.concatenate(parts) if parts else np.zeros(0, dtype=dtype))


def read_events(raw_dir: Path) -> list[dict[str, Any]]:
    """All injected faults, by time; a torn last line is left out."""
    events = [
        json.loads(line)
        for path in sorted(raw_dir.glob("*.events.jsonl"))
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n")
    ]
    return sorted(events, key=lambda event: float(event["t_s"]))
