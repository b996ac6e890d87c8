"""The AGC link cut in mid-run: the modes that follow, what the TSO saw, and how it resumed.

Modes are held against the guards that the daemon was configured with, tick by tick: HOLD begins
with the first tick at which the last value is stale, RETURN with the first one at which HOLD has
lasted long enough, and moves by its configured rate.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from hil.measure.inputs import Recording, Span, spans
from hil.measure.journal import Ticks

Notes = dict[str, str]
NO_JOURNAL = "the journal could not be read"
# Modes by their number, flags of a point: docs/points.md, "The plant as the TSO sees it".
MODES = ("STARTING", "BASEPOINT", "REGULATING", "HOLD", "RETURN", "SAFE", "LOCAL")
ONLINE, COMM_LOST = 0x01, 0x04
DT_MAX_TICKS = 2.0  # a ramp never makes up for more lost time than that (docs/config.md, tick_s)
SLACK_MW = 1e-6


@dataclass(frozen=True, slots=True)
class Guards:
    """What the daemon was told of a signal that stays away; defaults: docs/config.md."""

    agc_stale_after_s: float = 6.0
    hold_s: float = 10.0
    return_rate_pu_per_s: float = 0.02
    tick_s: float = 1.0


def read_guards(path: Path) -> Guards:
    """Read them from the daemon's configuration. Raises OSError, yaml.YAMLError, AttributeError."""
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    values = {**(told.get("guards") or {}), **(told.get("site") or {})}
    keys = Guards.__dataclass_fields__
    return Guards(**{key: float(values[key]) for key in keys if key in values})


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of ticks in one mode: rows `first` to `last`, both in it."""

    mode: str
    first: int
    last: int


def figures(
    run: Recording, ticks: Ticks | None, config: Path, notes: Notes, prefix: str
) -> list[dict[str, Any]]:
    """Give the figures of each cut; `notes` get the reasons for what is null."""
    cuts = [span for span in spans(run) if span.kind == "agc_cut"]
    if not cuts:
        return []
    guards, why = None, ""
    try:
        guards = read_guards(config)
    except (OSError, yaml.YAMLError, AttributeError, ValueError, TypeError) as error:
        why = f"the daemon's configuration: {type(error).__name__}: {error}"
    return [
        _figures(run, ticks, guards, why, cut, notes, f"{prefix}.{number}")
        for number, cut in enumerate(cuts)
    ]


def _figures(
    run: Recording,
    ticks: Ticks | None,
    guards: Guards | None,
    why: str,
    cut: Span,
    notes: Notes,
    where: str,
) -> dict[str, Any]:
    value_s = _first_value_s(run, cut)
    found: dict[str, Any] = {
        "at_s": cut.since_s - run.t0_s,
        "duration_s": cut.until_s - cut.since_s,
        "modes": None,
        "hold": None,
        "return": None,
        "tso": _tso(run, cut, value_s),
        "first_value_s": value_s - run.t0_s,
        "resumed_after_s": None,
    }
    if found["tso"]["polls"] == 0:
        notes[f"{where}.tso"] = "the TSO could not poll the plant during the cut"
    if ticks is None or ticks.now_s.size == 0:
        keys = ("modes", "hold", "return", "resumed_after_s")
        notes.update({f"{where}.{key}": NO_JOURNAL for key in keys})
        return found
    phases = _phases(ticks, *_rows(run, ticks, cut, value_s))
    found["modes"] = [_told(run, ticks, phase) for phase in phases]
    for key, judge in (("hold", _hold), ("return", _return)):
        phase = next((p for p in phases if p.mode == key.upper()), None)
        if phase is None:
            notes[f"{where}.{key}"] = f"the mode never was {key.upper()}"
        else:
            found[key] = judge(run, ticks, phase, guards)
            if guards is None:
                notes[f"{where}.{key}.as_configured"] = why
    resumed = _resumed_row(run, ticks, value_s)
    if resumed is None:
        notes[f"{where}.resumed_after_s"] = "the plant did not regulate again within the run"
    else:
        found["resumed_after_s"] = ticks.now_s[resumed] - value_s
    return found


def _first_value_s(run: Recording, cut: Span) -> float:
    """Instant at which the first AGC value after the cut reached the socket; NaN: none did."""
    later = run.agc.t_socket_s[run.agc.t_socket_s >= cut.until_s]
    return float(later[0]) if later.size else float("nan")


def _resumed_row(run: Recording, ticks: Ticks, value_s: float) -> int | None:
    """First tick in REGULATING from the first value on; None: there is none, or no value."""
    regulating = np.array([mode == "REGULATING" for mode in ticks.mode])
    end_s = run.t0_s + run.duration_s
    rows = np.flatnonzero(regulating & (ticks.now_s >= value_s) & (ticks.now_s < end_s))
    return int(rows[0]) if rows.size else None


def _rows(run: Recording, ticks: Ticks, cut: Span, value_s: float) -> tuple[int, int]:
    """Rows from the last tick before the cut to the one that regulates again, or the last one."""
    first = max(0, int(np.searchsorted(ticks.now_s, cut.since_s, side="left")) - 1)
    end = int(np.searchsorted(ticks.now_s, run.t0_s + run.duration_s, side="left")) - 1
    resumed = _resumed_row(run, ticks, value_s)
    return first, max(first, end if resumed is None else resumed)


def _phases(ticks: Ticks, first: int, last: int) -> list[Phase]:
    """Stretches of one mode each; the first one from where it began."""
    while first > 0 and ticks.mode[first - 1] == ticks.mode[first]:
        first -= 1
    phases, begin = [], first
    for row in range(first, last + 1):
        if row == last or ticks.mode[row + 1] != ticks.mode[row]:
            phases.append(Phase(ticks.mode[row], begin, row))
            begin = row + 1
    return phases


def _lasted_s(ticks: Ticks, phase: Phase) -> float:
    """Time until the next mode, or until the last tick if there is none."""
    after = min(phase.last + 1, ticks.now_s.size - 1)
    return float(ticks.now_s[after] - ticks.now_s[phase.first])


def _told(run: Recording, ticks: Ticks, phase: Phase) -> dict[str, Any]:
    return {
        "mode": phase.mode,
        "at_s": ticks.now_s[phase.first] - run.t0_s,
        "ticks": phase.last - phase.first + 1,
    }


def _hold(run: Recording, ticks: Ticks, phase: Phase, guards: Guards | None) -> dict[str, Any]:
    """Judge HOLD: its begin, its length, and that it held."""
    del run
    age_s = ticks.now_s - ticks.agc_received_s
    before = max(phase.first - 1, 0)
    held = ticks.regulation_mw[before : phase.last + 1]
    constant = bool((np.abs(held - held[0]) <= SLACK_MW).all())
    found = {
        "after_last_value_s": age_s[phase.first],
        "lasted_s": _lasted_s(ticks, phase),
        "regulation_mw": held[-1],
        "constant": constant,
        "configured_stale_after_s": guards and guards.agc_stale_after_s,
        "configured_s": guards and guards.hold_s,
        "as_configured": None,
    }
    if guards is not None:
        in_mode_s = ticks.now_s - ticks.now_s[phase.first]
        begins = age_s[before] <= guards.agc_stale_after_s < age_s[phase.first]
        stays = in_mode_s[phase.last] < guards.hold_s
        left = _next_mode(ticks, phase)
        ends = left != "RETURN" or in_mode_s[phase.last + 1] >= guards.hold_s
        found["as_configured"] = bool(
            constant and begins and stays and ends and left in ("RETURN", "REGULATING")
        )
    return found


def _return(run: Recording, ticks: Ticks, phase: Phase, guards: Guards | None) -> dict[str, Any]:
    """Judge RETURN: its rate in each tick, and that it ended at zero or by a good value."""
    before = max(phase.first - 1, 0)
    rows = slice(before, phase.last + 1)
    regulation_mw = np.abs(ticks.regulation_mw[rows])
    step_s = np.diff(ticks.now_s[rows])
    moving = regulation_mw[1:] > SLACK_MW
    moved_mw, time_s = -np.diff(regulation_mw)[moving].sum(), step_s[moving].sum()
    basis_mw = run.units.regulation_mw
    left = _next_mode(ticks, phase)
    found = {
        "lasted_s": _lasted_s(ticks, phase),
        "rate_pu_per_s": moved_mw / time_s / basis_mw if time_s > 0.0 else None,
        "ended_by": {"BASEPOINT": "zero", "REGULATING": "signal"}.get(left, left),
        "configured_pu_per_s": guards and guards.return_rate_pu_per_s,
        "as_configured": None,
    }
    if guards is not None:
        step_s = np.minimum(step_s, DT_MAX_TICKS * guards.tick_s)
        wanted_mw = regulation_mw[:-1] - guards.return_rate_pu_per_s * basis_mw * step_s
        moves = np.abs(regulation_mw[1:] - np.maximum(wanted_mw, 0.0)) <= SLACK_MW
        # zero ends it one tick later, and nothing but zero or a value does
        at_zero = regulation_mw[1:] == 0.0
        ends = left == "REGULATING" or (left == "BASEPOINT" and bool(at_zero[-1]))
        found["as_configured"] = bool(moves.all() and not at_zero[:-1].any() and ends)
    return found


def _next_mode(ticks: Ticks, phase: Phase) -> str:
    """Mode after a phase; empty at the end of the journal."""
    return ticks.mode[phase.last + 1] if phase.last + 1 < len(ticks.mode) else ""


def _tso(run: Recording, cut: Span, value_s: float) -> dict[str, Any]:
    """What the TSO itself read: modes, and the quality of the AGC in force (AI 7)."""
    told = run.told
    until_s = value_s if np.isfinite(value_s) else run.t0_s + run.duration_s
    during = (told.t_s >= cut.since_s) & (told.t_s < until_s)
    stale = during & ((told.mode == MODES.index("HOLD")) | (told.mode == MODES.index("RETURN")))
    lost = (told.agc_flags & COMM_LOST) != 0
    good = ((told.agc_flags & ONLINE) != 0) & ~lost
    after = np.flatnonzero(told.t_s >= until_s)
    modes: list[str] = []
    for number in told.mode[during].tolist():
        name = MODES[number] if 0 <= number < len(MODES) else str(number)
        if not modes or modes[-1] != name:
            modes.append(name)
    return {
        "polls": int(during.sum()),
        "modes": modes,
        "saw_hold": "HOLD" in modes,
        "saw_return": "RETURN" in modes,
        "stale_polls": int(stale.sum()),
        "comm_lost": bool(stale.any() and lost[stale].all() and not good[stale].any()),
        "good_again": bool(after.size and good[after[-1]]),
    }
