"""The scorecard's figures, in words, each held against the scenario's limit if it has one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hil.scenario import Limit, in_words, shortfall

REAL_ONLY = ("process.", "timing.tick_us")
SMALL_MW = 1.0  # with less capacity, an error of 10 kW is no small one
NAMED_KINDS = 4  # of faults, on a tile; all of them stand in the plot


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure. `good`: None where there is nothing to hold it against."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    good: bool | None = None
    limit: str = ""  # what `good` was judged by


def number(value: float | None, digits: int = 1) -> str:
    """Format a figure for people; a dash where it was not measured."""
    if value is None:
        return "–"
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # adding 0.0 turns -0.0 into 0.0


def shown(value: Any) -> str:
    """Format a figure of any kind, as a limit is held against it; a dash where there is none."""
    if value is None:
        return "–"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}"


def counted(count: int, noun: str) -> str:
    """Count things: "1 unit", "2 units"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def tiles(result: dict[str, Any], acceptance: Mapping[str, Limit]) -> list[Tile]:
    """Scorecard of a result, held against the scenario's limits where it has some."""
    made = [*_market_tiles(result), *_machine_tiles(result), *_recovery_tiles(result)]
    if result.get("clock") == "virtual":  # there the daemon is no process, and a tick takes no time
        made = [(key, tile) for key, tile in made if not key.startswith(REAL_ONLY)]
    return [_judged(tile, key, result, acceptance.get(key)) for key, tile in made]


def _market_tiles(result: dict[str, Any]) -> list[tuple[str, Tile]]:
    """What the plant delivered, as (key of the result, tile)."""
    tracking = result["tracking"]
    china, pjm = tracking["china"] or {}, tracking["pjm"] or {}
    digits = 2 if tracking["basis_mw"] >= SMALL_MW else 4
    accuracy, error = number(tracking["accuracy_pct"], 2), number(tracking["mae_mw"], digits)
    basis = f"of {tracking['basis_mw']:g} MW{_skipped(tracking)}"
    rate = number(tracking["rate_mw_per_min"], 0)
    made = [
        ("tracking.accuracy_pct", Tile("Tracking accuracy", accuracy, "%", basis)),
        *_possible_tile(result),
        ("tracking.mae_mw", Tile("Mean error", error, "MW", "|delivered - request|")),
        (
            "tracking.rate_mw_per_min",
            Tile("Regulation rate", rate, "MW/min", "mean of valid commands"),
        ),
        (
            "tracking.china.kp",
            Tile("Kp, north China", number(china.get("kp"), 2), "", _k_note(china)),
        ),
    ]
    if pjm:
        note = ", ".join(f"{k} {pjm[k]:.3f}" for k in ("correlation", "delay", "precision"))
        note += f"; sampled at its worst {pjm['lowest']:.3f}, best {pjm['highest']:.3f}"
        made.append(("tracking.pjm.score", Tile("PJM score", number(pjm["score"], 3), "", note)))
    return [*made, *_movement_tile(result.get("movement"))]


def _movement_tile(movement: dict[str, Any] | None) -> list[tuple[str, Tile]]:
    """Say how far units were moved for the request, and how often any was started or stopped."""
    if movement is None:
        return []
    counts = [own.get("switches") for own in movement["by_kind"].values()]
    known = [count for count in counts if count is not None]
    note = "mileage of setpoints" + (f"; starts and stops: {sum(known):,}" if known else "")
    ratio = number(movement["mileage_ratio"], 2)
    return [("movement.mileage_ratio", Tile("Movement", ratio, "× request", note))]


def _possible_tile(result: dict[str, Any]) -> list[tuple[str, Tile]]:
    """Hold what was reached against what was possible, if somebody worked that out."""
    bound = result.get("oracle")
    if not bound or "possible_pct" not in bound:
        return []
    reached = number(result["tracking"]["accuracy_pct"], 2)
    note = f"reached {reached} %; bound known to {number(bound['gap_pct'], 2)} points"
    return [("oracle", Tile("Possible", number(bound["possible_pct"], 2), "%", note))]


def _machine_tiles(result: dict[str, Any]) -> list[tuple[str, Tile]]:
    """How daemon and bench behaved, as (key of the result, tile)."""
    timing, process, limits = result["timing"], result["process"], result["limits"]
    latency, tick, late = (
        timing[key] for key in ("signal_to_last_setpoint_ms", "tick_us", "lateness_ms")
    )
    exact = {None: "–", True: "bit-exact", False: "differs"}[result["journal"]["replay_bit_exact"]]
    latency_note = f"p50 {number(latency['p50'], 0)}, max {number(latency['max'], 0)} ms"
    tick_note = f"p99 {number(tick['p99'], 0)}, max {number(tick['max'], 0)} µs"
    cpu = f"CPU {number(process['cpu_pct'], 0)} % of a core"
    return [
        (
            "timing.signal_to_last_setpoint_ms.p99",
            Tile("Signal to last setpoint", number(latency["p99"], 0), "ms p99", latency_note),
        ),
        ("timing.tick_us.p50", Tile("Tick", number(tick["p50"], 0), "µs p50", tick_note)),
        (
            "timing.missed_ticks",
            Tile(
                "Missed ticks",
                number(timing["missed_ticks"], 0),
                "",
                f"lateness p99 {number(late['p99'], 2)} ms",
            ),
        ),
        (
            "limits.unexplained",
            Tile(
                "Limit violations",
                number(limits["unexplained"], 0),
                "",
                _limits_note(limits),
            ),
        ),
        *_checks_tile(result.get("checks")),
        ("process.rss_mb", Tile("Memory", number(process["rss_mb"], 0), "MB", cpu)),
        *_realtime_tile(process.get("realtime")),
        ("process.startup_s", Tile("Start-up", number(process["startup_s"]), "s", "of the daemon")),
        (
            "journal.replay_bit_exact",
            Tile(
                "Replay",
                exact,
                "",
                counted(result["journal"]["ticks"] or 0, "tick"),
                limit="exact",
            ),
        ),
        (
            "faults.injected",
            Tile("Faults injected", number(result["faults"]["injected"], 0), "", _kinds(result)),
        ),
    ]


def _limits_note(limits: dict[str, Any]) -> str:
    """Say out of how many, and how many of them a fault explains: a ramp that begins elsewhere."""
    note = f"of {counted(limits['checked'], 'setpoint')} received"
    explained = limits["violations"] - limits["unexplained"]
    return f"{note}; {explained} more explained by faults" if explained > 0 else note


def _recovery_tiles(result: dict[str, Any]) -> list[tuple[str, Tile]]:
    """What faults by time left behind, as (key of the result, tile)."""
    recovery = result.get("recovery") or {}
    made = []
    for i, kill in enumerate(recovery.get("wire_kill", ())):
        made += _kill_tiles(f"recovery.wire_kill.{i}", kill)
    for i, cut in enumerate(recovery.get("agc_cut", ())):
        made += _cut_tiles(f"recovery.agc_cut.{i}", cut)
    for i, outage in enumerate(recovery.get("outage", ())):
        made.append(_outage_tile(f"recovery.outage.{i}", outage))
    return made


def _outage_tile(where: str, outage: dict[str, Any]) -> tuple[str, Tile]:
    before, after = (number(outage[f"accuracy_{when}_pct"], 2) for when in ("before", "after"))
    note = f"{counted(outage['units'], 'unit')} tripped: accuracy {before}, then {after} %"
    cost = number(outage["cost_pct"], 2)
    return f"{where}.cost_pct", Tile("Cost of the outage", cost, "points", note)


def _kill_tiles(where: str, kill: dict[str, Any]) -> list[tuple[str, Tile]]:
    others, back = kill["others"] or {}, kill["back"]
    before, after = (
        (others.get(key) or {}).get("p99") for key in ("delay_before_ms", "delay_after_ms")
    )
    other_note = f"with {counted(kill['units'], 'unit')} dead; {number(before, 0)} ms before"
    within_s = number(back["reconnect_s"]["max"])
    back_note = f"{counted(back['units'], 'unit')}, connected within {within_s} s"
    ticks = number(back["reassert_ticks_max"], 0)
    return [
        (
            f"{where}.others.p99_rise_pct",
            Tile("Setpoints of the others", number(after, 0), "ms p99", other_note),
        ),
        (f"{where}.back.reassert_ticks_max", Tile("Setpoint again", ticks, "ticks", back_note)),
    ]


def _cut_tiles(where: str, cut: dict[str, Any]) -> list[tuple[str, Tile]]:
    hold = cut["hold"] or {}
    note = f"from {number(hold.get('after_last_value_s'))} s after the last value"
    lasted, resumed = number(hold.get("lasted_s")), number(cut["resumed_after_s"], 4)
    return [
        (
            f"{where}.hold.as_configured",
            Tile("HOLD without AGC", lasted, "s", note, limit="as configured"),
        ),
        (
            f"{where}.resumed_after_s",
            Tile("Regulation again", resumed, "s", "after the first value"),
        ),
    ]


def _judged(tile: Tile, key: str, result: dict[str, Any], limit: Limit | None) -> Tile:
    """Hold a tile against its limit; a figure that was not measured does not meet it."""
    if limit is None:
        return tile
    good = not shortfall(result, key, limit)
    return replace(tile, good=good, limit=tile.limit or in_words(limit))


def _k_note(china: dict[str, Any]) -> str:
    if not china:
        return "no valid command"
    parts = ", ".join(f"K{i} {china[f'k{i}']:.2f}" for i in (1, 2, 3))
    return f"{parts}; {counted(china['commands'].get('valid', 0), 'command')}"


def _skipped(tracking: dict[str, Any]) -> str:
    seconds = tracking.get("skipped_s")
    return "" if seconds is None else f", without the first {seconds:g} s"


def _checks_tile(checks: dict[str, Any] | None) -> list[tuple[str, Tile]]:
    """Say how often an invariant did not hold, and which."""
    if checks is None:
        return []
    by_check = {name: count for name, count in checks["by_check"].items() if count is not None}
    wrong = ", ".join(
        f"{count} {name.replace('_', ' ')}" for name, count in by_check.items() if count
    )
    had = sum(bool(checks["checked"][name]) for name in by_check)
    note = wrong or f"{had} of {len(checks['by_check'])} checkers had something to check"
    return [
        ("checks.violations", Tile("Invariants broken", number(checks["violations"], 0), "", note))
    ]


def _realtime_tile(told: dict[str, Any] | None) -> list[tuple[str, Tile]]:
    """Say what the kernel did not grant the daemon: its ticks then come late on a busy machine."""
    if told is None or told["granted"]:
        return []
    lacking = [] if told["scheduler_granted"] else ["no SCHED_FIFO"]
    lacking += [] if told["memory_granted"] else ["memory not locked"]
    return [("process.realtime", Tile("Real time", "not granted", "", ", ".join(lacking)))]


def _kinds(result: dict[str, Any]) -> str:
    kinds = [f"{n} {kind.replace('_', ' ')}" for kind, n in result["faults"]["kinds"].items()]
    if len(kinds) <= NAMED_KINDS:
        return ", ".join(kinds)
    return f"{len(kinds)} kinds: {', '.join(kinds[: NAMED_KINDS - 1])}, …"
