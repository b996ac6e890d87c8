"""What a run left in `OUT/raw/`, read back: fleet, run, AGC values, writes."""

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil import fleet, frequency, recording
from hil.faults.fault import BACK
from hil.faults.unit import AWAY
from hil.frequency import Frequency

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
PROCESS_NUMBER = re.compile(r"^process (\d+)")  # detail of an event that meets a whole process
SENT = ("accepted", "refused", "unknown")  # status of AGC values that left the TSO


@dataclass(frozen=True, slots=True)
class Units:
    """The fleet as it was configured; arrays of shape (n,), by index. NaN: does not apply."""

    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    protocols: tuple[str, ...]
    processes: tuple[int, ...]  # wire process that simulates it
    p_rated_mw: F8
    p_min_mw: F8
    p_max_mw: F8
    basepoint_mw: F8
    ramp_mw_per_s: F8
    energy_mwh: F8
    soc_min_pu: F8
    soc_max_pu: F8
    watchdog_s: F8
    fallback_mw: F8
    regulation_mw: float
    latency_min_s: float  # of the links, one way
    seed: int
    fleet_seed: int

    @property
    def capacity_mw(self) -> float:
        """Rated power of all units, MW."""
        return float(self.p_rated_mw.sum())

    def by(self, key: str) -> dict[str, int]:
        """Count units by `kinds` or `protocols`, in order of appearance."""
        return dict(Counter(getattr(self, key)))


@dataclass(frozen=True, slots=True)
class AgcSent:
    """AGC values that left the TSO, by time; shape (k,)."""

    t_sent_s: F8
    t_socket_s: F8  # handed to the daemon's socket; NaN: never
    pu: F8


@dataclass(frozen=True, slots=True)
class FrequencySent:
    """Frequencies that left the TSO, by time; shape (k,)."""

    t_sent_s: F8
    freq_hz: F8


@dataclass(frozen=True, slots=True)
class TsoInputs:
    """What the plant told the TSO at each poll, by time; shape (k,)."""

    t_s: F8
    p_kw: F8  # AI 0
    p_flags: NDArray[np.int64]
    agc_flags: NDArray[np.int64]  # of AI 7, the AGC in force
    mode: NDArray[np.int64]  # AI 5


@dataclass(frozen=True, slots=True)
class Recording:
    """One run, but for the journal and the power traces."""

    raw_dir: Path
    units: Units
    run: dict[str, Any]
    t0_s: float
    duration_s: float
    agc: AgcSent
    frequency: FrequencySent
    grid: Frequency  # where the frequency came from, and the plant's droop
    told: TsoInputs
    not_sent: int  # AGC values that the TSO had but could not send
    setpoints: NDArray[np.void]  # rows of recording.SETPOINT within the run
    links: NDArray[np.void]  # rows of recording.LINK, also of before and after the run
    events: list[dict[str, Any]]

    @property
    def seconds(self) -> int:
        """Whole seconds of the run."""
        return int(self.duration_s + 1e-6)

    @property
    def edges_s(self) -> F8:
        """Edges of the whole seconds, on the run's clock; shape (seconds + 1,)."""
        return self.t0_s + np.arange(self.seconds + 1.0)


def read(raw_dir: Path) -> Recording:
    """Read a recording. Raises OSError, ValueError or KeyError where it is not one."""
    run: dict[str, Any] = json.loads((raw_dir / "run.json").read_text())
    t0_s, duration_s = float(run["t0_s"]), float(run["duration_s"])
    agc, not_sent = read_agc(raw_dir / "tso.csv")
    setpoints = recording.read_setpoints(raw_dir)
    inside = slice(*np.searchsorted(setpoints["t_s"], [t0_s, t0_s + duration_s]).tolist())
    return Recording(
        raw_dir=raw_dir,
        units=read_units(raw_dir / "fleet.json"),
        run=run,
        t0_s=t0_s,
        duration_s=duration_s,
        agc=agc,
        frequency=read_frequency(raw_dir / "tso.frequency.csv"),
        grid=frequency.read(raw_dir),
        told=read_told(raw_dir / "tso.inputs.csv"),
        not_sent=not_sent,
        setpoints=setpoints[inside],
        links=recording.read_links(raw_dir),
        events=recording.read_events(raw_dir),
    )


def read_units(path: Path) -> Units:
    """Read `fleet.json`."""
    drawn = fleet.read(path)

    def column(key: str) -> F8:
        values = [getattr(unit, key) for unit in drawn.units]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    return Units(
        ids=tuple(u.id for u in drawn.units),
        kinds=tuple(u.kind for u in drawn.units),
        protocols=tuple(u.protocol for u in drawn.units),
        processes=tuple(u.process for u in drawn.units),
        p_rated_mw=column("rated_mw"),
        p_min_mw=column("p_min_mw"),
        p_max_mw=column("p_max_mw"),
        basepoint_mw=column("basepoint_mw"),
        ramp_mw_per_s=column("ramp_mw_per_s"),
        energy_mwh=column("energy_mwh"),
        soc_min_pu=column("soc_min_pu"),
        soc_max_pu=column("soc_max_pu"),
        watchdog_s=column("watchdog_s"),
        fallback_mw=column("fallback_mw"),
        regulation_mw=drawn.regulation_mw,
        latency_min_s=drawn.latency_s[0],
        seed=drawn.seed,
        fleet_seed=drawn.fleet_seed,
    )


def read_agc(path: Path) -> tuple[AgcSent, int]:
    """AGC values that were sent, by time, and the number of those that were not."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    sent = [row for row in rows if row["status"] in SENT]
    columns = [
        np.array([float(row[key] or "nan") for row in sent])
        for key in ("t_sent_s", "t_socket_s", "pu")
    ]
    order = np.argsort(columns[0], kind="stable")
    return AgcSent(*(c[order] for c in columns)), len(rows) - len(sent)


def read_frequency(path: Path) -> FrequencySent:
    """Frequencies that were sent, by time; none where there is no record."""
    rows: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["status"] in SENT]
    t_sent_s, freq_hz = (
        np.array([float(row[key]) for row in rows]) for key in ("t_sent_s", "freq_hz")
    )
    order = np.argsort(t_sent_s, kind="stable")
    return FrequencySent(t_sent_s[order], freq_hz[order])


def read_told(path: Path) -> TsoInputs:
    """Polls of the TSO; none where it recorded none."""
    rows: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    return TsoInputs(
        t_s=np.array([float(row["t_s"]) for row in rows]),
        p_kw=np.array([float(row["p_kw"]) for row in rows]),
        p_flags=np.array([int(row["p_flags"]) for row in rows], dtype=np.int64),
        agc_flags=np.array([int(row["agc_flags"]) for row in rows], dtype=np.int64),
        mode=np.array([int(row["mode"]) for row in rows], dtype=np.int64),
    )


def rows_by_unit(unit: NDArray[np.int32], chosen: NDArray[np.bool_], n: int) -> list[I8]:
    """Chosen rows of each of `n` units, in their order. `unit`: whose each row is."""
    rows = np.flatnonzero(chosen)
    short = unit[rows].astype(np.min_scalar_type(n))  # of few bytes: then it is a radix sort
    order = np.argsort(short, kind="stable")
    return np.split(rows[order], np.searchsorted(short[order], np.arange(1, n)))


def is_fault(event: dict[str, Any]) -> bool:
    """Say whether an event is a fault, and not the end of one."""
    return not str(event["kind"]).endswith("_back")


@dataclass(frozen=True, slots=True)
class Span:
    """A fault that lasted, or still does at the end of the run."""

    kind: str
    since_s: float
    until_s: float
    units: tuple[int, ...]  # whom it met; none: the plant as a whole


@dataclass(slots=True)
class _Open:
    """A fault that has begun, maybe more than once: it lasts until the last one is over."""

    kind: str
    since_s: float
    count: int = 1


Key = tuple[int, str, str]  # unit, what a `…_back` ends, process


def spans(run: Recording) -> list[Span]:
    """Faults that last, by time. Those of one kind and unit that overlap are one.

    A `K_back` ends the `K` of the same unit before it; a `link_back` the `link_outage`, an
    `agc_back` the `agc_cut`. A simulator that comes back (`wire_back`) knows nothing of the faults
    before: it begins those that go on anew.
    """
    found: list[Span] = []
    open_ones: dict[Key, _Open] = {}
    end_s = run.t0_s + run.duration_s

    def close(key: Key, at_s: float) -> None:
        over = open_ones.pop(key)
        found.append(Span(over.kind, over.since_s, at_s, _met(run.units, key)))

    for event in run.events:
        kind, at_s = str(event["kind"]), float(event["t_s"])
        if at_s >= end_s or kind == "write_lost":
            continue
        key = _key(event)
        if is_fault(event):
            if key in open_ones:
                open_ones[key].count += 1
            else:
                open_ones[key] = _Open(kind, at_s)
            continue
        if key in open_ones:
            open_ones[key].count -= 1
            if not open_ones[key].count:
                close(key, at_s)
        if kind == "wire_back":
            killed = _met(run.units, key)
            for each in [each for each in open_ones if each[0] in killed]:
                close(each, at_s)
    for key in list(open_ones):
        close(key, end_s)
    return sorted(found, key=lambda span: span.since_s)


def _key(event: dict[str, Any]) -> Key:
    """What pairs the begin and the end of a fault."""
    kind = str(event["kind"])
    back = BACK.get(kind, f"{kind}_back") if is_fault(event) else kind
    process = PROCESS_NUMBER.search(str(event.get("detail", "")))
    return int(event["unit"]), back, process[1] if process else ""


def _met(units: Units, key: Key) -> tuple[int, ...]:
    """Units that an event met: the one it names, or all of the process it names."""
    unit, _, process = key
    if unit >= 0:
        return (unit,)
    if not process:
        return ()
    return tuple(u for u, k in enumerate(units.processes) if k == int(process))


def outages(run: Recording) -> dict[int, list[tuple[float, float]]]:
    """Times in which each unit could not be reached, or not as usual, s."""
    found: dict[int, list[tuple[float, float]]] = {}
    for span in spans(run):
        if span.kind.startswith(("link_", "wire_")) or span.kind in AWAY:
            for unit in span.units:
                found.setdefault(unit, []).append((span.since_s, span.until_s))
    return found
