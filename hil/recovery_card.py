"""The report's section on recovery: what each fault by time did, and what became of it."""

from typing import Any

from hil.page import Column, card, table
from hil.tiles import counted, number

COLUMNS = (Column("figure", text=True), Column("value", text=True, wrap=True))
OUTAGE_CAPTION = (
    "Tracking accuracy over the seconds before the outage, and once the others took over."
)
Rows = list[tuple[str, str]]


def recovery_card(recovery: dict[str, Any]) -> str:
    """Give one table for each killed process and each cut; nothing if there was none."""
    cards = []
    for kill in recovery["wire_kill"]:
        title = f"Simulator process {kill['process']} killed at {number(kill['at_s'])} s"
        cards.append(card(title, _kill_caption(kill), table(COLUMNS, _kill_rows(kill))))
    for cut in recovery["agc_cut"]:
        title = f"AGC link cut at {number(cut['at_s'])} s for {number(cut['duration_s'])} s"
        caption = "Modes from the journal, held tick by tick against the daemon's own guards."
        cards.append(card(title, caption, table(COLUMNS, _cut_rows(cut))))
    for outage in recovery.get("outage", ()):
        units, at = counted(outage["units"], "unit"), number(outage["at_s"])
        title = f"{units} of {number(outage['rated_mw'])} MW tripped at {at} s"
        cards.append(card(title, OUTAGE_CAPTION, table(COLUMNS, _outage_rows(outage))))
    return "".join(cards)


def _outage_rows(outage: dict[str, Any]) -> Rows:
    return [
        ("part of the units", f"{number(outage['share_pct'])} %"),
        ("accuracy before", f"{number(outage['accuracy_before_pct'], 2)} %"),
        (
            f"accuracy from {outage['settled_s']:g} s after it on",
            f"{number(outage['accuracy_after_pct'], 2)} %",
        ),
        ("cost", f"{number(outage['cost_pct'], 2)} points"),
    ]


def _kill_caption(kill: dict[str, Any]) -> str:
    protocols = ", ".join(f"{n} {name}" for name, n in kill["by_protocol"].items())
    return (
        f"{kill['units']} units ({protocols}). Delays are from the start of the tick to the"
        " reception at the device, without what the scenario lost or kept offline."
    )


def _kill_rows(kill: dict[str, Any]) -> Rows:
    return [*_others_rows(kill["others"]), *_dead_rows(kill), *_back_rows(kill)]


def _others_rows(others: dict[str, Any] | None) -> Rows:
    if others is None:
        return []
    return [
        (
            f"setpoint delay of the other {others['units']} units, {when}",
            f"p50 {number(delay['p50'])}, p99 {number(delay['p99'])},"
            f" max {number(delay['max'])} ms ({count:,} setpoints)",
        )
        for when, delay, count in (
            ("before", others["delay_before_ms"], others["setpoints_before"]),
            ("from the kill to the recovery", others["delay_after_ms"], others["setpoints_after"]),
        )
    ] + [
        (
            "rise of the p99",
            f"{number(others['p99_rise_ms'])} ms, {number(others['p99_rise_pct'])} %",
        )
    ]


def _dead_rows(kill: dict[str, Any]) -> Rows:
    reported, counted = kill["reported"], kill["counted"]
    if reported is None or counted is None:
        return []
    reasons = ", ".join(
        f"{n} {name.lower().replace('_', ' ')}"
        for name, n in reported["unit_ticks_by_reason"].items()
    )
    return [
        (
            "reported as out, with a reason",
            f"{reported['units']} units, the last after {number(reported['after_s'])} s;"
            f" unit ticks: {reasons}, {reported['unit_ticks_without_reason']} without a reason",
        ),
        (
            "counted by",
            f"their prediction in {counted['unit_ticks_by_prediction']} unit ticks, their fallback"
            f" in {counted['unit_ticks_by_fallback']} ({counted['units_by_fallback']} units);"
            f" {counted['wrong']} wrong, at most {counted['off_w']:g} W off",
        ),
    ]


def _back_rows(kill: dict[str, Any]) -> Rows:
    back = kill["back"]
    ticks = ", ".join(f"{n} units after {k}" for k, n in back["reassert_ticks"].items())
    away = ", ".join(back["left_out_in_own_outage"]) or "none"
    return [
        (
            "connected again",
            f"p50 {number(back['reconnect_s']['p50'], 2)}, max"
            f" {number(back['reconnect_s']['max'], 2)} s after the socket listens",
        ),
        (
            "setpoint again",
            f"p50 {number(back['reassert_s']['p50'], 2)}, max"
            f" {number(back['reassert_s']['max'], 2)} s after the connection; ticks: {ticks}",
        ),
        ("not back", ", ".join(back["missing"]) or "none"),
        ("left out: in an outage of their own", away),
    ]


def _cut_rows(cut: dict[str, Any]) -> Rows:
    rows: Rows = []
    if cut["modes"] is not None:
        told = ", ".join(f"{m['mode']} from {number(m['at_s'])} s" for m in cut["modes"])
        rows.append(("modes", told))
    if cut["hold"] is not None:
        hold = cut["hold"]
        told = (
            f"{number(hold['lasted_s'])} s (configured: {number(hold['configured_s'])} s), from"
            f" {number(hold['after_last_value_s'])} s after the last value (configured:"
            f" {number(hold['configured_stale_after_s'])} s)"
        )
        rows.append(("HOLD", f"{told}; {_as_configured(hold)}"))
    if cut["return"] is not None:
        back = cut["return"]
        told = (
            f"{number(back['lasted_s'])} s at {number(back['rate_pu_per_s'], 3)} pu/s (configured:"
            f" {number(back['configured_pu_per_s'], 3)} pu/s), ended by {back['ended_by']}"
        )
        rows.append(("RETURN", f"{told}; {_as_configured(back)}"))
    tso = cut["tso"]
    seen = "COMM_LOST" if tso["comm_lost"] else "no COMM_LOST"
    modes = ", ".join(tso["modes"]) or "nothing"
    rows.append(("the TSO read", f"{modes}; {seen} on the AGC in force in {tso['polls']} polls"))
    resumed = f"{number(cut['resumed_after_s'], 4)} s after the first value"
    return [*rows, ("regulation again", resumed)]


def _as_configured(phase: dict[str, Any]) -> str:
    words = {None: "not judged", True: "as configured", False: "NOT as configured"}
    return words[phase["as_configured"]]
