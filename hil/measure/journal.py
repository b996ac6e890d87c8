"""The daemon's journal, as its own commands tell it: `vppd export` and `vppd replay`."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
TIMEOUT_S = 600.0
NUMBERS = (
    "now_s",
    "agc_pu",
    "agc_received_s",
    "regulation_mw",
    "request_mw",
    "served_mw",
    "unserved_mw",
    "late_s",
    "tick_us",
)
ARRAYS = ("p_setpoint_mw", "accepted_mw", "accepted_at_s", "measured_at_s", "expected_mw")
ROOM_MIN_MW = 1e-3
OUT_REASONS = (  # units that are held by one of these take no part in the split
    *("TELEMETRY_AGE", "UNREACHABLE", "FALLBACK", "OPERATOR", "GUARD", "LOCAL_CONTROL"),
    *("REFUSED", "BENCHED"),
)


class JournalError(Exception):
    """A command did not give what was asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Ticks:
    """One entry a tick, shape (k,); NaN where the journal has no number."""

    now_s: F8
    agc_pu: F8
    agc_received_s: F8
    regulation_mw: F8
    request_mw: F8
    served_mw: F8
    unserved_mw: F8
    late_s: F8
    tick_us: F8
    fresh: NDArray[np.bool_]  # a new, good AGC value is in use from this tick on
    mode: tuple[str, ...]
    p_setpoint_mw: F8  # shape (k, n), by index in the fleet
    send: NDArray[np.bool_]  # shape (k, n): the setpoint was to be sent
    accepted_mw: F8  # shape (k, n): last setpoint that the unit had accepted
    accepted_at_s: F8  # shape (k, n)
    measured_at_s: F8  # shape (k, n): the reading that the tick had
    expected_mw: F8  # shape (k, n): output that it expects at its look-ahead, else the setpoint
    rises: NDArray[np.bool_]  # shape (k, n): its limits leave the unit room above its setpoint
    falls: NDArray[np.bool_]  # and below
    out: tuple[tuple[int, int, str], ...]  # (row, unit, the daemon's reason) out of the split


@dataclass(frozen=True, slots=True)
class Replay:
    """What `vppd replay --json` says."""

    ticks: int
    bytes: int
    missed_ticks: int
    bit_exact: bool
    chain_ok: bool


def find_vppd() -> tuple[str, ...]:
    """Command of the installed daemon: beside this interpreter, else by the search path."""
    beside = Path(sys.executable).with_name("vppd")
    return (str(beside) if beside.exists() else shutil.which("vppd") or "vppd",)


def export_ticks(vppd: Sequence[str], journal: Path, to: Path, ids: Sequence[str]) -> Ticks:
    """Let the daemon export a journal into a file of JSON lines, and read it.

    `ids`: units in the order of the fleet; the daemon's configuration may have another order.

    Raises JournalError if the command fails or its lines are not what they should be.
    """
    with to.open("wb") as out:
        _call([*vppd, "export", str(journal), "--arrays"], stdout=out)
    return read_ticks(to, ids)


def read_ticks(path: Path, ids: Sequence[str]) -> Ticks:
    """Read exported JSON lines. Raises JournalError."""
    try:
        with path.open(encoding="utf-8") as lines:
            return parse_ticks(lines, ids)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JournalError(f"vppd export: {type(error).__name__}: {error}") from error


def parse_ticks(lines: Iterable[str], ids: Sequence[str]) -> Ticks:
    """Parse exported JSON lines. Raises ValueError, KeyError or TypeError on a wrong one."""
    numbers: dict[str, list[float]] = {key: [] for key in NUMBERS}
    fresh: list[bool] = []
    mode, sends = [], []
    rises, falls = [], []
    arrays: dict[str, list[F8]] = {key: [] for key in ARRAYS}
    out: list[tuple[int, int, str]] = []
    order: list[int] | None = None
    for line in lines:
        row = json.loads(line)
        if "units" in row:
            order = [row["units"].index(name) for name in ids]
        if order is None:
            raise ValueError("the first tick does not name the units")
        for key, column in numbers.items():
            column.append(_number(row[key]))
        held_by = row["held_by"]
        out += [
            (len(fresh), u, held_by[place])
            for u, place in enumerate(order)
            if held_by[place] in OUT_REASONS
        ]
        fresh.append(row["verdict"] == "FRESH")
        mode.append(str(row["mode"]))
        for key, column_of in arrays.items():
            column_of.append(np.array([_number(v) for v in row[key]])[order])
        sends.append(np.array(row["send"], dtype=bool)[order])
        p_mw, lower_mw, upper_mw = (
            np.array([_number(v) for v in row[key]])[order]
            for key in ("p_setpoint_mw", "lower_mw", "upper_mw")
        )
        rises.append(has_room(p_mw, upper_mw))
        falls.append(has_room(lower_mw, p_mw))
    shape = (len(fresh), len(ids))
    return Ticks(
        **{key: np.array(column, dtype=np.float64) for key, column in numbers.items()},
        fresh=np.array(fresh, dtype=bool),
        mode=tuple(mode),
        **{key: np.array(a, dtype=np.float64).reshape(shape) for key, a in arrays.items()},
        send=np.array(sends, dtype=bool).reshape(shape),
        rises=np.array(rises, dtype=bool).reshape(shape),
        falls=np.array(falls, dtype=bool).reshape(shape),
        out=tuple(out),
    )


def has_room(low_mw: F8, high_mw: F8) -> NDArray[np.bool_]:
    """Where there is more than nothing between two powers, shape (n,)."""
    return np.asarray(high_mw - low_mw > ROOM_MIN_MW)


def replay(vppd: Sequence[str], journal: Path) -> Replay:
    """Let the daemon replay a journal. Raises JournalError if it cannot say how that went."""
    done = _call([*vppd, "replay", str(journal), "--json"], stdout=subprocess.PIPE, ok=(0, 1))
    try:
        told = json.loads(done.stdout)
        return Replay(
            int(told["ticks"]),
            int(told["bytes"]),
            int(told["missed_ticks"]),
            bool(told["bit_exact"]),
            bool(told["chain_ok"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise JournalError(f"vppd replay: exit {done.returncode}: {_last_line(done)}") from error


def _call(
    command: list[str], stdout: Any, ok: tuple[int, ...] = (0,)
) -> subprocess.CompletedProcess[bytes]:
    name = f"vppd {command[-3]}"
    try:
        done = subprocess.run(  # arguments are paths of this run
            command, stdout=stdout, stderr=subprocess.PIPE, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JournalError(f"{name}: {error}") from error
    if done.returncode not in ok:
        raise JournalError(f"{name}: exit {done.returncode}: {_last_line(done)}")
    return done


def _last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Last line of what a command said on stderr."""
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1] if said else "no message"


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
