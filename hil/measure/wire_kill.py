"""A simulator process killed in mid-run: the others' delays, its units' count, and their return.

The killed units are judged by the daemon's own numbers (journal) against what the bench knows:
the watchdog and the fallback of each unit, and when its socket was there again.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.inputs import Recording, spans
from hil.measure.journal import Ticks
from hil.measure.pairing import value_slack_mw
from hil.measure.stats import spread
from hil.measure.timing import UNDER_WAY_S, first_of_each
from hil.recording import LinkChange, SetpointFlag

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
Mask = NDArray[np.bool_]
Window = tuple[float, float]  # since, until, s
Notes = dict[str, str]
COUNTED_SLACK_MW = 1e-6
NO_JOURNAL = "the journal could not be read"


@dataclass(frozen=True, slots=True)
class Kill:
    """One killed process. Instants in s of the run's clock."""

    process: int
    at_s: float
    back_s: float  # started again; the end of the run if it was not
    end_s: float  # of the run
    units: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """How one unit came back. NaN: it did not."""

    unit: int
    open_s: float  # its socket listens; over MQTT, where the device calls: as connected_s
    connected_s: float  # the first connection
    setpoint_s: float  # the first setpoint that reached it
    lost: bool  # the scenario swallowed that one
    away: bool  # an outage of its own kept it away meanwhile


def kills(run: Recording) -> list[Kill]:
    """Killed processes, by time."""
    found = []
    for span in spans(run):
        if span.kind == "wire_kill":
            number = run.units.processes[span.units[0]] if span.units else -1
            end_s = run.t0_s + run.duration_s
            found.append(Kill(number, span.since_s, span.until_s, end_s, span.units))
    return found


def figures(
    run: Recording, ticks: Ticks | None, paired: I8, notes: Notes, prefix: str
) -> list[dict[str, Any]]:
    """Give the figures of each killed process; `notes` get the reasons for what is null."""
    found = kills(run)
    returns = [_returns(run, kill) for kill in found]
    windows = [(k.at_s, _recovered_s(k, r)) for k, r in zip(found, returns, strict=True)]
    made = []
    for number, (kill, back) in enumerate(zip(found, returns, strict=True)):
        where = f"{prefix}.{number}"
        others = _others(run, ticks, paired, kill, windows, number)
        restarted = kill.back_s < kill.end_s
        made.append(
            {
                "process": kill.process,
                "at_s": kill.at_s - run.t0_s,
                "started_again_s": kill.back_s - run.t0_s if restarted else None,
                "recovered_s": windows[number][1] - run.t0_s,
                "units": len(kill.units),
                "by_protocol": dict(Counter(run.units.protocols[u] for u in kill.units)),
                "others": others,
                "reported": _reported(ticks, kill, back),
                "counted": _counted(run, ticks, kill, back),
                "back": _back(run, ticks, back, where, notes),
            }
        )
        if not restarted:
            notes[f"{where}.started_again_s"] = "not within the run"
        if ticks is None:
            keys = ("others", "reported", "counted", "back.reassert_ticks_max")
            notes.update({f"{where}.{key}": NO_JOURNAL for key in keys})
        elif others is None or others["p99_rise_ms"] is None:
            notes[f"{where}.others"] = "no setpoint to compare before the kill, or after it"
    return made


# ------------------------------------------------------------------------------ the other units


def _others(
    run: Recording,
    ticks: Ticks | None,
    paired: I8,
    kill: Kill,
    windows: list[Window],
    number: int,
) -> dict[str, Any] | None:
    """Delay of setpoints of all other units, before the kill and from it to the recovery.

    From the start of the tick to the reception at the device; lost ones and those of units in an
    outage of their own are left out.
    """
    if ticks is None or ticks.now_s.size == 0:
        return None
    rows = run.setpoints
    mine = np.isin(rows["unit"], kill.units)
    first = first_of_each(paired, rows["unit"]) & ~mine
    tick_s = np.where(paired >= 0, ticks.now_s[paired], np.nan)
    lost = (rows["flags"] & SetpointFlag.LOST) != 0
    away = (rows["flags"] & SetpointFlag.OFFLINE) != 0
    away |= _in_outage(run, rows["unit"], tick_s)
    delay_ms = 1e3 * (rows["t_s"] - tick_s)
    since_s, until_s = windows[number]
    before = (tick_s >= run.t0_s) & (tick_s < since_s)
    for earlier_s, over_s in windows[:number]:
        before &= ~((tick_s >= earlier_s) & (tick_s < over_s))
    after = (tick_s >= since_s) & (tick_s < until_s)
    counts = first & ~lost & ~away
    before_ms, after_ms = spread(delay_ms[counts & before]), spread(delay_ms[counts & after])
    rise_ms, rise_pct = None, None
    if before_ms["p99"] is not None and after_ms["p99"] is not None:
        rise_ms = after_ms["p99"] - before_ms["p99"]
        rise_pct = 100.0 * rise_ms / before_ms["p99"]
    return {
        "units": len(run.units.ids) - len(kill.units),
        "setpoints_before": int((counts & before).sum()),
        "setpoints_after": int((counts & after).sum()),
        "delay_before_ms": before_ms,
        "delay_after_ms": after_ms,
        "p99_rise_ms": rise_ms,
        "p99_rise_pct": rise_pct,
        "left_out": {
            "lost": int((first & lost & (before | after)).sum()),
            "offline": int((first & away & ~lost & (before | after)).sum()),
        },
    }


def _in_outage(run: Recording, unit: NDArray[np.int32], tick_s: F8) -> Mask:
    """Mark setpoints that a tick decided while an outage of their unit's own link lasted."""
    found = np.zeros(unit.size, dtype=bool)
    for span in spans(run):
        if span.kind.startswith("link_"):
            inside = (tick_s >= span.since_s - UNDER_WAY_S) & (tick_s < span.until_s)
            found |= np.isin(unit, span.units) & inside
    return found


# ------------------------------------------------------- what the daemon made of the killed units


def _dead_rows(ticks: Ticks, kill: Kill, back: Return) -> I8:
    """Ticks from the kill until the unit's socket was there again."""
    until_s = back.open_s if np.isfinite(back.open_s) else kill.end_s
    return np.flatnonzero((ticks.now_s >= kill.at_s) & (ticks.now_s < until_s))


def _reasons(ticks: Ticks) -> dict[tuple[int, int], str]:
    return {(row, unit): reason for row, unit, reason in ticks.out}


def _reported(ticks: Ticks | None, kill: Kill, returns: list[Return]) -> dict[str, Any] | None:
    """Were the units out of the split, with a reason, from the first tick that could know on?"""
    if ticks is None:
        return None
    reasons = _reasons(ticks)
    delays_s, by_reason, silent = [], Counter[str](), 0
    for back in returns:
        told = [reasons.get((r, back.unit), "") for r in _dead_rows(ticks, kill, back).tolist()]
        first = next((k for k, reason in enumerate(told) if reason), None)
        if first is None:
            continue
        row = int(_dead_rows(ticks, kill, back)[first])
        delays_s.append(float(ticks.now_s[row]) - kill.at_s)
        by_reason.update(reason for reason in told[first:] if reason)
        silent += told[first:].count("")
    return {
        "units": len(delays_s),
        "after_s": max(delays_s, default=None),
        "unit_ticks_by_reason": dict(sorted(by_reason.items())),
        "unit_ticks_without_reason": silent,
    }


def _counted(
    run: Recording, ticks: Ticks | None, kill: Kill, returns: list[Return]
) -> dict[str, Any] | None:
    """Check the number of each dead unit in each tick: last accepted setpoint, then fallback."""
    if ticks is None:
        return None
    reasons = _reasons(ticks)
    counts: Counter[str] = Counter()
    fell_back: set[int] = set()
    off_mw = 0.0
    for back in returns:
        u = back.unit
        for row in _dead_rows(ticks, kill, back).tolist():
            if (row, u) not in reasons:
                continue
            held_s = ticks.now_s[row] - ticks.accepted_at_s[row, u]
            holds = bool(held_s <= run.units.watchdog_s[u])  # False for a unit never told
            wanted_mw = ticks.accepted_mw[row, u] if holds else run.units.fallback_mw[u]
            wrong_mw = abs(ticks.p_setpoint_mw[row, u] - wanted_mw)
            counts["by_prediction" if holds else "by_fallback"] += 1
            said_fallback = reasons[row, u] == "FALLBACK"
            counts["wrong"] += not (wrong_mw <= COUNTED_SLACK_MW and said_fallback != holds)
            off_mw = max(off_mw, float(wrong_mw))
            if not holds:
                fell_back.add(u)
    return {
        "unit_ticks_by_prediction": counts["by_prediction"],
        "unit_ticks_by_fallback": counts["by_fallback"],
        "units_by_fallback": len(fell_back),
        "wrong": counts["wrong"],
        "off_w": 1e6 * off_mw,
        "units_as_the_device_had_it": _agreeing(run, ticks, kill),
    }


def _agreeing(run: Recording, ticks: Ticks, kill: Kill) -> int:
    """Units whose prediction is the last setpoint that the device itself got before the kill.

    Not so for one whose last answer died with the process: it was obeyed, but that is not known.
    """
    after = np.flatnonzero(ticks.now_s >= kill.at_s)
    if after.size == 0:
        return 0
    slack_mw = value_slack_mw(run.units)
    rows = run.setpoints[(run.setpoints["flags"] == 0) & (run.setpoints["t_s"] < kill.at_s)]
    agreeing = 0
    for u in kill.units:
        got_mw = rows["p_mw"][rows["unit"] == u]
        if got_mw.size:
            agreeing += abs(got_mw[-1] - ticks.accepted_mw[after[0], u]) <= slack_mw[u]
    return int(agreeing)


# ------------------------------------------------------------------------------ their return


def _returns(run: Recording, kill: Kill) -> list[Return]:
    """When each unit could be reached again, was, and got its first setpoint."""
    outages = [span for span in spans(run) if span.kind.startswith("link_")]
    links = run.links[run.links["t_s"] >= kill.back_s]
    carries = (run.setpoints["flags"] & SetpointFlag.KEEP_ALIVE) == 0
    arrived = run.setpoints[carries & (run.setpoints["t_s"] >= kill.back_s)]
    found = []
    for u in kill.units:
        mine = links[links["unit"] == u]
        connected_s = _first_s(mine["t_s"][mine["change"] == LinkChange.CONNECTED])
        open_s = np.fmin(_first_s(mine["t_s"][mine["change"] == LinkChange.LISTENING]), connected_s)
        setpoints = arrived[(arrived["unit"] == u) & (arrived["t_s"] >= open_s)]
        setpoint_s = _first_s(setpoints["t_s"])
        until_s = setpoint_s if np.isfinite(setpoint_s) else kill.end_s
        away = any(
            u in span.units and span.since_s < until_s and span.until_s > kill.back_s
            for span in outages
        )
        lost = bool(setpoints.size and setpoints["flags"][0] & SetpointFlag.LOST)
        found.append(Return(u, float(open_s), connected_s, setpoint_s, lost, away))
    return found


def _first_s(t_s: F8) -> float:
    return float(t_s[0]) if t_s.size else float("nan")


def _recovered_s(kill: Kill, returns: list[Return]) -> float:
    """Instant at which the last unit has its setpoint again; the end of the run if one has not."""
    instants_s = [back.setpoint_s for back in returns if not back.away]
    whole = instants_s and np.isfinite(instants_s).all()
    return max(instants_s) if whole else kill.end_s


def _back(
    run: Recording, ticks: Ticks | None, returns: list[Return], where: str, notes: Notes
) -> dict[str, Any]:
    """Times of the return, over the units that no outage of their own kept away."""
    free = [back for back in returns if not back.away]
    ids = run.units.ids
    tcp = [back for back in free if run.units.protocols[back.unit] != "mqtt"]
    reconnect_s = np.array([back.connected_s - back.open_s for back in tcp])
    reassert_s = np.array([back.setpoint_s - back.connected_s for back in free])
    needed: list[int] = []
    if ticks is not None:
        needed = [
            int(np.searchsorted(ticks.now_s, back.setpoint_s, side="right"))
            - int(np.searchsorted(ticks.now_s, back.connected_s, side="left"))
            for back in free
            if np.isfinite(back.setpoint_s)
        ]
    if not np.isfinite(reconnect_s).any():
        notes[f"{where}.back.reconnect_s"] = "no unit of a listening socket was connected again"
    if not np.isfinite(reassert_s).any():
        for key in ("reassert_s", "reassert_ticks_max"):
            notes[f"{where}.back.{key}"] = "no unit got a setpoint after the kill"
    missing = [ids[back.unit] for back in free if not np.isfinite(back.setpoint_s)]
    return {
        "units": int(np.isfinite(reassert_s).sum()),
        "units_missing": len(missing),
        "missing": missing,
        "left_out_in_own_outage": [ids[back.unit] for back in returns if back.away],
        "reconnect_s": spread(reconnect_s),
        "reassert_s": spread(reassert_s),
        "reassert_ticks": dict(sorted(Counter(needed).items())),
        "reassert_ticks_max": max(needed, default=None),
        "first_lost_by_scenario": sum(back.lost for back in free),
    }
