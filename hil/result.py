"""`result.json` and `trace.csv`: the figures of one run, each measured or null with a reason."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil import checkers, fleet, trace
from hil.measure import (
    frequency_event,
    inputs,
    journal,
    limits,
    movement,
    pairing,
    plant,
    recovery,
    timing,
    tracking,
)
from hil.measure.inputs import Recording
from hil.measure.journal import JournalError, Replay, Ticks
from hil.measure.stats import clean, spread
from hil.recording import SetpointFlag

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
SCHEMA = 1
LISTED_VIOLATIONS = 50
Notes = dict[str, str]
Replayer = Callable[[Path], Replay]


@dataclass(frozen=True, slots=True)
class Measured:
    """One run, measured: the result, and the series that the report draws."""

    out_dir: Path
    run: Recording
    processes: list[plant.Process]
    plant: plant.Traces
    rows: tracking.Seconds
    ticks: Ticks | None
    paired: I8  # row of `ticks` for each row of `run.setpoints`; -1: none
    latencies: timing.Latencies | None
    limits: limits.Checked
    broken: list[checkers.Violation]  # all that the checkers found, by time
    result: dict[str, Any]
    event: frequency_event.Event | None = None


def compute(
    out_dir: Path, vppd: Sequence[str] | None = None, ticks: Ticks | None = None
) -> dict[str, Any]:
    """Work out the figures of a run and write `OUT/trace.csv` and `OUT/result.json`.

    Parameters
    ----------
    out_dir : Path
        With `raw/` (the recording) and `journal/` (the daemon's).
    vppd : sequence of str, optional
        Command of the daemon that reads its journal; the installed one by default.
    ticks : Ticks, optional
        The daemon's ticks where they are known already; else they are exported from the journal.

    Raises
    ------
    OSError, ValueError, KeyError
        `OUT/raw` is not a recording. A missing or unreadable journal is not an error: its figures
        are null, with the reason under `notes`.
    """
    return measure(out_dir, vppd, ticks).result


def measure(
    out_dir: Path,
    vppd: Sequence[str] | None = None,
    ticks: Ticks | None = None,
    *,
    replay: Replayer | None = None,
) -> Measured:
    """As `compute`, and keep the series. `replay`: replays the journal in place of the command."""
    measured = figures(out_dir, vppd, ticks, replay=replay)
    write(measured)
    return measured


def write(measured: Measured) -> None:
    """Write `OUT/trace.csv` and `OUT/result.json`."""
    trace.write(measured.out_dir / "trace.csv", measured.rows)
    text = json.dumps(measured.result, indent=1, ensure_ascii=False) + "\n"
    (measured.out_dir / "result.json").write_text(text)


def figures(
    out_dir: Path,
    vppd: Sequence[str] | None = None,
    ticks: Ticks | None = None,
    *,
    replay: Replayer | None = None,
) -> Measured:
    """As `measure`, but write nothing. `replay`: replays the journal in place of the command."""
    run = inputs.read(out_dir / "raw")
    processes = plant.read_processes(run)
    traces = plant.traces(run, processes)
    notes: Notes = {}
    ticks = ticks or _exported(out_dir, vppd, run.units.ids, notes)
    rows = tracking.seconds(run, traces, ticks)
    tracked, why = tracking.figures(run, traces, rows)
    notes.update(why)
    paired = np.full(run.setpoints.size, -1, dtype=np.int64)
    if ticks is not None:
        paired = pairing.writes_to_ticks(ticks, run.setpoints, run.units)
    checked = limits.check(run, processes, run.setpoints, limits.tick_instants(ticks, paired))
    latencies = _latencies(run, processes, ticks, paired, notes)
    evidence = checkers.gather(out_dir, run, processes, rows, ticks, paired, checked)
    event = frequency_event.compute(run, traces)
    report = checkers.run(evidence)
    journal_figures = _journal(out_dir / "journal", vppd, notes, replay)  # late: it may be at work
    checks = checkers.figures(evidence, report, notes)
    result = {
        **_head(run),
        "fleet": _fleet(run, notes),
        "tracking": tracked,
        "limits": _limits(run, checked, checks["by_check"]["limits"], notes),
        "checks": checks,
        "movement": movement.figures(run, processes, ticks, notes),
        "timing": _timing(run, ticks, latencies, journal_figures, notes),
        "faults": _faults(run),
        "recovery": recovery.figures(run, ticks, paired, out_dir / "daemon.yaml", rows, notes),
        "io": _io(run, notes),
        "process": _process(run, notes),
        "journal": {k: v for k, v in journal_figures.items() if k != "missed_ticks"},
        "bench": run.run.get("bench", {}),
        "notes": notes,
    }
    if traces.holes:
        lost = ", ".join(f"process {k}: {n / 10:.1f} s" for k, n in sorted(traces.holes.items()))
        notes["tracking"] = f"no record of the simulated plant from {lost}"
    if event is not None:
        result["frequency_event"] = clean(frequency_event.figures(event))
        notes.update(frequency_event.notes(result["frequency_event"]))
    result = clean(result)
    return Measured(
        out_dir, run, processes, traces, rows, ticks, paired, latencies, checked,
        report.violations, result, event,
    )  # fmt: skip


def _head(run: Recording) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "scenario": run.run["scenario"],
        "clock": run.run.get("clock", "real"),
        "seed": run.run["seed"],
        "duration_s": run.duration_s,
        "vppd_version": version("vppd"),
    }


def _fleet(run: Recording, notes: Notes) -> dict[str, Any]:
    units = run.units
    rise_mw = float(np.sum(units.p_max_mw - units.basepoint_mw))
    fall_mw = float(np.sum(units.basepoint_mw - units.p_min_mw))
    if oversold := fleet.oversold(units.regulation_mw, rise_mw, fall_mw):
        notes["fleet.regulation_mw"] = oversold
    return {
        "resources": len(run.units.ids),
        "capacity_mw": run.units.capacity_mw,
        "regulation_mw": run.units.regulation_mw,
        "basepoint_mw": run.units.basepoint_mw.sum(),
        "by_protocol": run.units.by("protocols"),
        "by_kind": run.units.by("kinds"),
        "seed": run.units.fleet_seed,
    }


def _exported(
    out_dir: Path, vppd: Sequence[str] | None, ids: Sequence[str], notes: Notes
) -> Ticks | None:
    """Ticks out of the journal; None if it could not be read."""
    command = tuple(vppd) if vppd is not None else journal.find_vppd()
    ticks = out_dir / "raw" / "ticks.jsonl"
    try:
        return journal.export_ticks(command, out_dir / "journal", ticks, ids)
    except JournalError as error:
        notes["journal.export"] = str(error)
        return None


def _journal(
    folder: Path, vppd: Sequence[str] | None, notes: Notes, replay: Replayer | None
) -> dict[str, Any]:
    """Figures of the journal; None where it could not be read."""
    figures: dict[str, Any] = dict.fromkeys(
        ("ticks", "bytes", "replay_bit_exact", "chain_ok", "missed_ticks")
    )
    command = tuple(vppd) if vppd is not None else journal.find_vppd()
    try:
        replayed = replay(folder) if replay is not None else journal.replay(command, folder)
    except JournalError as error:
        notes.update({f"journal.{k}": str(error) for k in figures if k != "missed_ticks"})
        return figures
    figures.update(
        ticks=replayed.ticks,
        bytes=replayed.bytes,
        replay_bit_exact=replayed.bit_exact,
        chain_ok=replayed.chain_ok,
        missed_ticks=replayed.missed_ticks,
    )
    return figures


def _limits(
    run: Recording, checked: limits.Checked, unexplained: int, notes: Notes
) -> dict[str, Any]:
    """Setpoints held against limits alone; `unexplained`: those that no fault explains."""
    if not checked.checked:
        notes["limits.checked"] = "no device received a setpoint"
    if not checked.available:
        notes["limits.available_checked"] = "the recording has no available power"
    listed = [
        {
            "t_s": v.t_s - run.t0_s,
            "unit": run.units.ids[v.unit],
            "kind": v.kind,
            "p_mw": v.p_mw,
            "limit_mw": v.limit_mw,
        }
        for v in checked.violations[:LISTED_VIOLATIONS]
    ]
    return {
        "checked": checked.checked,
        "violations": len(checked.violations),
        "unexplained": unexplained,
        "by_kind": checked.by_kind,
        "first": listed,
        "ramps_checked": checked.ramps,
        "ramps_allowed_by_tick_clock_only": checked.bunched,
        "soc_checked": checked.soc,
        "available_checked": checked.available or None,
        "slack": {
            "value": "100 W + 0.01 % of rated power",
            "ramp_s": limits.RAMP_SLACK_S,
            "soc_pu": limits.SOC_SLACK_PU,
            "available_pct": 100.0 * limits.AVAILABLE_SLACK,
        },
    }


def _latencies(
    run: Recording,
    processes: list[plant.Process],
    ticks: Ticks | None,
    paired: I8,
    notes: Notes,
) -> timing.Latencies | None:
    if ticks is None or ticks.now_s.size == 0:
        reason = notes.get("journal.export", "the journal has no ticks")
        notes["timing.signal_to_last_setpoint_ms"] = reason
        return None
    end_s = run.t0_s + run.duration_s
    caused = pairing.agc_to_ticks(ticks, run.agc, run.t0_s, end_s)
    if caused.unpaired:
        notes["timing.signal_to_last_setpoint_ms.unpaired"] = (
            f"{caused.unpaired} fresh values of the journal match no AGC value of the TSO"
        )
    away = inputs.outages(run)
    for process in processes:
        for since_s, until_s in process.gaps():
            for unit in process.units.tolist():
                away.setdefault(unit, []).append((since_s, until_s))
    return timing.latencies(ticks, run.setpoints, paired, caused, away)


def _timing(
    run: Recording,
    ticks: Ticks | None,
    latencies: timing.Latencies | None,
    journal_figures: dict[str, Any],
    notes: Notes,
) -> dict[str, Any]:
    nothing = np.zeros(0)
    found: dict[str, Any] = {
        "signal_to_last_setpoint_ms": spread(nothing),
        "signal_to_last_setpoint_without_links_ms": spread(nothing),
        "signal_to_tick_ms": spread(nothing),
        "tick_us": spread(nothing),
        "lateness_ms": spread(nothing),
        "missed_ticks": journal_figures["missed_ticks"],
        "speedup": run.run.get("speedup", 1.0),
    }
    if journal_figures["missed_ticks"] is None:
        notes["timing.missed_ticks"] = notes.get("journal.ticks", "the journal does not tell")
    if latencies is not None:
        found["signal_to_last_setpoint_ms"] = spread(1e3 * latencies.signal_to_last_s)
        found["signal_to_last_setpoint_without_links_ms"] = spread(1e3 * latencies.without_links_s)
        found["signal_to_tick_ms"] = spread(1e3 * latencies.signal_to_tick_s)
        found["agc_ticks"] = int(np.isfinite(latencies.signal_to_last_s).sum())
        found["left_out"] = {
            "lost": latencies.lost,
            "offline": latencies.offline,
            "not_received": latencies.not_received,
        }
        if latencies.not_received:
            notes["timing.left_out.not_received"] = (
                f"{latencies.not_received} setpoints reached no device, though the scenario had"
                " neither lost them nor taken their units offline"
            )
        if not found["agc_ticks"]:
            notes["timing.signal_to_last_setpoint_ms"] = "no tick that an AGC value caused"
    if ticks is None:
        reason = notes["journal.export"]
        notes["timing.tick_us"] = notes["timing.lateness_ms"] = reason
        return found
    inside = (ticks.now_s >= run.t0_s) & (ticks.now_s < run.t0_s + run.duration_s)
    found["lateness_ms"] = spread(1e3 * ticks.late_s[inside])
    if run.run.get("clock") == "virtual":
        notes["timing.tick_us"] = "virtual time: a tick takes none"
        return found
    found["tick_us"] = spread(ticks.tick_us[inside])
    return found


def _faults(run: Recording) -> dict[str, Any]:
    """Injected faults by kind."""
    inside = (run.t0_s, run.t0_s + run.duration_s)
    kinds = Counter(
        str(event["kind"])
        for event in run.events
        if inputs.is_fault(event) and inside[0] <= float(event["t_s"]) < inside[1]
    )
    return {"injected": sum(kinds.values()), "kinds": dict(sorted(kinds.items()))}


def _io(run: Recording, notes: Notes) -> dict[str, Any]:
    """What the daemon counted; what the devices saw, beside it."""
    flags = run.setpoints["flags"]
    keys = ("writes", "failed_writes", "reconnects")
    told = run.run.get("io") or {}
    for key in keys:
        if told.get(key) is None:
            notes[f"io.{key}"] = "the daemon's status was not recorded"
    lost, offline = (flags & SetpointFlag.LOST) != 0, (flags & SetpointFlag.OFFLINE) != 0
    carries = (flags & SetpointFlag.KEEP_ALIVE) == 0
    return {
        **{key: told.get(key) for key in keys},
        "seen_by_devices": int(carries.sum()),
        "lost_by_scenario": int((carries & lost).sum()),
        "to_offline_units": int((carries & offline & ~lost).sum()),
        "agc_values": int(run.agc.pu.size),
        "agc_values_not_sent": run.not_sent,
    }


def _process(run: Recording, notes: Notes) -> dict[str, Any]:
    """Memory (largest), load (mean) and start-up of the daemon, as the rig measured them."""
    told = run.run.get("process") or {}
    keys = ("rss_mb", "cpu_pct", "startup_s")
    virtual = run.run.get("clock") == "virtual"
    why = "virtual time: the daemon is no process" if virtual else "not measured by the rig"
    for key in keys:
        if told.get(key) is None:
            notes[f"process.{key}"] = why
    realtime = _realtime(told.get("realtime"))
    if realtime is None:
        notes["process.realtime"] = why if virtual else "the daemon's status was not recorded"
    return {**told, **{key: told.get(key) for key in keys}, "realtime": realtime}


def _realtime(told: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the kernel granted the daemon, in its words, and whether that is all it can use."""
    if told is None:
        return None
    scheduler = str(told.get("scheduler", "")).startswith("SCHED_FIFO")
    memory = str(told.get("memory", "")).startswith("locked")
    granted = {"granted": scheduler and memory}
    return {**granted, "scheduler_granted": scheduler, "memory_granted": memory, **told}
