"""`report.html`: one page with everything in it that opens without a network."""

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import plotly.io
from plotly.offline import get_plotlyjs

from hil.decimate import COLUMNS, DOT_COLUMNS
from hil.frequency_plot import frequency_event
from hil.frequency_table import frequency_card
from hil.limits_card import checks_card, limits_card, verdict
from hil.measure.units import UnitRecord, unit_records
from hil.movement_card import movement_card
from hil.page import Column, card, page, pairs, table, tile_html
from hil.plots import Plot, all_plots
from hil.recovery_card import recovery_card
from hil.result import Measured
from hil.scenario import Limit
from hil.tiles import tiles

PLOT_OPTIONS = {"responsive": True, "displaylogo": False, "displayModeBar": False}
UNIT_ROWS = 40  # more are folded away
UNIT_COLUMNS = (
    Column("unit", text=True),
    Column("kind", text=True),
    Column("protocol", text=True),
    Column("rated, MW"),
    Column("setpoints received"),
    Column("lost"),
    Column("while offline"),
    Column("longest silence, s"),
    Column("not following, s"),
    Column("violations"),
    Column("reason", text=True, wrap=True),
)


def write(
    run: Measured, path: Path | None = None, acceptance: Mapping[str, Limit] | None = None
) -> Path:
    """Write the report of a run, `OUT/report.html` unless said otherwise; return its path.

    Parameters
    ----------
    run : Measured
        As `hil.result.measure` gives it.
    acceptance : mapping, optional
        Limits of the scenario by dotted key of the result; tiles then say whether they are met.
    """
    path = path or run.out_dir / "report.html"
    acceptance = acceptance or {}
    title = f"{run.result['scenario']}, seed {run.result['seed']}"
    body = "".join(
        (
            _header(run, verdict(run.result, acceptance)),
            '<div class="tiles">',
            *(tile_html(tile) for tile in tiles(run.result, acceptance)),
            "</div>",
            '<div class="plots">',
            *(_plot(i, plot) for i, plot in enumerate(_plots(run))),
            "</div>",
            frequency_card(run.result),
            recovery_card(run.result["recovery"]),
            movement_card(run.result["movement"]),
            limits_card(run.result, acceptance),
            checks_card(run.result),
            _units(run),
            _notes(run.result),
            _configuration(run),
            f"<footer>Power in MW, generation positive: a load is negative.{_shown(run)}</footer>",
        )
    )
    path.write_text(page(title, get_plotlyjs(), body), encoding="utf-8")
    return path


def _shown(run: Measured) -> str:
    """Say how long series are drawn."""
    if run.run.seconds <= 2 * DOT_COLUMNS:
        return ""
    return (
        f" Lines of more than {2 * COLUMNS:,} values, and marks of more than {2 * DOT_COLUMNS:,},"
        " are drawn as the least and the greatest value of each column of the plot."
    )


def _header(run: Measured, verdict_: str) -> str:
    result, fleet = run.result, run.result["fleet"]
    title = run.run.run.get("title") or f"Run of {result['scenario']}"
    protocols = ", ".join(f"{n} {name}" for name, n in fleet["by_protocol"].items())
    facts = [
        ("scenario", result["scenario"]),
        ("seed", str(result["seed"])),
        ("duration", f"{result['duration_s']:g} s, {result['clock']} clock"),
        ("fleet", f"{fleet['resources']} units, {fleet['capacity_mw']:g} MW ({protocols})"),
        ("regulation", f"±{fleet['regulation_mw']:g} MW"),
        ("allocation", str(run.run.run.get("policy", "–"))),
        ("vppd", result["vppd_version"]),
    ]
    if "started_utc" in run.run.run:
        facts.insert(0, ("started", str(run.run.run["started_utc"])))
    if verdict_:
        facts.insert(0, ("verdict", verdict_))
    items = "".join(f"<li><span>{escape(k)}</span> <b>{escape(v)}</b></li>" for k, v in facts)
    return f'<h1>{escape(title)}</h1><ul class="facts">{items}</ul>'


def _plots(run: Measured) -> list[Plot]:
    """All plots; that of the event first, where there is one."""
    event = frequency_event(run)
    return all_plots(run) if event is None else [event, *all_plots(run)]


def _plot(i: int, plot: Plot) -> str:
    body = plotly.io.to_html(
        plot.figure,
        full_html=False,
        include_plotlyjs=False,
        config=PLOT_OPTIONS,
        div_id=f"plot-{i}",
        default_height=f"{plot.figure.layout.height}px",
    )
    return card(plot.title, plot.caption, body, "wide" if plot.wide else "")


def _units(run: Measured) -> str:
    blamed = [each.unit for each in run.broken]
    records = unit_records(run.run, run.processes, run.ticks, blamed)
    rows = [_unit_row(run, record) for record in records]
    body = table(UNIT_COLUMNS, rows[:UNIT_ROWS])
    if len(rows) > UNIT_ROWS:
        rest = table(UNIT_COLUMNS, rows[UNIT_ROWS:])
        count = len(rows) - UNIT_ROWS
        body += f"<details><summary>the other {count} units</summary>{rest}</details>"
    caption = (
        "The worst first: violations, then time not following, then the longest time without a"
        " setpoint. As the bench saw it; the last words of a reason are the daemon's own."
    )
    return card("Units", caption, body, "table")


def _unit_row(run: Measured, record: UnitRecord) -> list[str]:
    units, u = run.run.units, record.index
    return [
        units.ids[u],
        units.kinds[u].replace("_", " "),
        units.protocols[u],
        f"{units.p_rated_mw[u]:.3f}",
        str(record.received),
        str(record.lost),
        str(record.offline),
        f"{record.longest_silence_s:.1f}",
        f"{record.away_s:.1f}",
        str(record.violations),
        record.reason(),
    ]


def _notes(result: dict[str, Any]) -> str:
    if not result["notes"]:
        return ""
    caption = "Figures that are null, and why, and what else to know. Nothing here was guessed."
    return card("Notes", caption, pairs(sorted(result["notes"].items())))


def _configuration(run: Measured) -> str:
    result = run.result
    rows = [
        ("seed", f"{result['seed']} (fleet: {result['fleet']['seed']})"),
        ("again with", _command(run)),
        ("units by kind", _counts(result["fleet"]["by_kind"])),
        ("units by protocol", _counts(result["fleet"]["by_protocol"])),
        ("sum of basepoints", f"{result['fleet']['basepoint_mw']:.2f} MW"),
        *((name, str(told)) for name, told in (run.run.run.get("versions") or {}).items()),
    ]
    run_json = {k: v for k, v in run.run.run.items() if k != "samples"}
    raw = json.dumps(run_json, indent=1, ensure_ascii=False, default=str)
    whole = json.dumps(result, indent=1, ensure_ascii=False)
    body = (
        pairs(rows)
        + f"<details><summary>run.json</summary><pre>{escape(raw)}</pre></details>"
        + f"<details><summary>result.json</summary><pre>{escape(whole)}</pre></details>"
    )
    return card("Configuration and versions", "", body)


def _command(run: Measured) -> str:
    """Command that makes the run again, if no key of the scenario was set by hand."""
    result = run.result
    return (
        f"vppd-hil run {result['scenario']} --clock {result['clock']} --seed {result['seed']}"
        f" --duration {result['duration_s']:g} --out OUT"
    )


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
