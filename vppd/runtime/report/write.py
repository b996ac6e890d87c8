"""The page of a day: what was asked and delivered, what it scored, who lost what, and proof."""

import math
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from vppd.journal.instant import utc_text
from vppd.market.blame import Blame
from vppd.market.causes import WORDS, Cause
from vppd.market.record import Interval
from vppd.ops.counted import counted
from vppd.runtime.report.day import ALARMS, Happening
from vppd.runtime.report.energy import KindEnergy
from vppd.runtime.report.gather import Report, Scoring
from vppd.runtime.report.html import (
    Column,
    Tile,
    card,
    number,
    page,
    pairs,
    style,
    table,
    tiles,
)
from vppd.runtime.report.svg import Line, chart, strip, time_axis
from vppd.runtime.verify_text import render

INK, BLUE, ORANGE, GREEN, VERMILION = "#1f2933", "#0072B2", "#E69F00", "#009E73", "#D55E00"
TOP: Final = 10
ROWS_MAX: Final = 40  # of a table
HASH_SHOWN: Final = 12  # digits; the whole of it stands under Proof


def as_html(report: Report) -> str:
    """The whole page."""
    day, (since_s, until_s) = report.day, report.span
    title = f"{day.site}, {utc_text(since_s)[:10]}"
    facts = [
        ("from", utc_text(since_s)), ("to", utc_text(until_s)),
        ("units", str(len(day.units))), ("ticks", f"{day.series['utc_s'].size:,}"),
        ("configuration", ", ".join(each[:HASH_SHOWN] for each in day.config_hashes)),
        ("vppd", day.software.get("vppd", "–")),
    ]  # fmt: skip
    items = "".join(f"<li><span>{escape(k)}</span> <b>{escape(v)}</b></li>" for k, v in facts)
    body = (
        f'<h1>{escape(title)}</h1><ul class="facts">{items}</ul>',
        tiles(_tiles(report)), _power(report), _scores(report), _blamed(report.blame),
        _headroom(report), _energy(report), _events(report), _quality(report), _proof(report),
        "<footer>Power in MW, generation positive: a load is negative. Times are UTC.</footer>",
    )  # fmt: skip
    return page(title, "".join(body), style("chart.css"))


def _tiles(report: Report) -> list[Tile]:
    blame, verified = report.blame, report.verified
    alarms = sum(each.event in ALARMS and not each.end for each in report.day.happenings)
    made = [
        Tile("Accuracy", number(blame.accuracy_pct, 2), "%",
             f"of {number(blame.capacity_mw)} MW sold"),
        Tile("Lost", number(blame.loss_mws / 3600.0, 3), "MWh",
             f"{number(100 * blame.short_mws / blame.loss_mws if blame.loss_mws else 0.0)} % of it"
             " too little"),
    ]  # fmt: skip
    for each in report.scorings:
        named = _figure(each)
        if named is not None:
            made.append(Tile(each.market, number(named[1], 4), "", named[0].replace("_", " ")))
    net_mwh, who = _net(report.energy)
    return [
        *made,
        Tile("Energy", number(net_mwh, 3), "MWh", f"of {who}, generation positive"),
        Tile("Alarms", f"{alarms:,}", "", "units lost, fallbacks, refusals, signal"),
        Tile("Time known", number(report.day.known_s / (report.span[1] - report.span[0]) * 100, 2),
             "%", f"{counted(report.day.missed_ticks, 'tick')} missed"),
        Tile("Journal", "holds" if verified.ok else "does not hold", "",
             f"{verified.records:,} records checked", good=verified.ok),
    ]  # fmt: skip


FIGURES: Final = ("score", "accuracy_pct", "kp", "k", "compliant_pct", "passed_pct", "pay_factor",
                  "inside_pct")  # fmt: skip


def _figure(each: Scoring) -> tuple[str, float] | None:
    """The figure of a market that says how well it was done."""
    score = {} if each.scored is None else each.scored.score
    name = next((name for name in FIGURES if name in score), next(iter(score), None))
    return None if name is None else (name, score[name])


def _power(report: Report) -> str:
    series, known = report.day.series, report.day
    lines = [
        Line("asked", series["request_mw"], INK, width=1.4),
        Line("delivered, as measured", series["measured_mw"], BLUE),
    ]
    modes = ", ".join(f"{mode} {number(s, 0)} s" for mode, s in sorted(known.mode_s.items()))
    drawn = chart(series["utc_s"], lines, report.span, "MW")
    error = Line("delivered − asked", series["measured_mw"] - series["request_mw"], VERMILION)
    return card("Signal and delivered power", f"Modes: {modes}.", drawn) + card(
        "Difference", "", chart(series["utc_s"], [error], report.span, "MW")
    )


def _scores(report: Report) -> str:
    if not report.scorings:
        return card(
            "Scores", "No product was scored while it ran (plan.products), and none was named:"
            " --market NAME scores one.", "",
        )  # fmt: skip
    return "".join(map(_score_card, report.scorings))


def _score_card(each: Scoring) -> str:
    if each.scored is None:
        return card(each.market, f"Not scored: {each.refused}", "")
    whole = pairs((name.replace("_", " "), _value(v)) for name, v in each.scored.score.items())
    notes = [f"{note[0].upper()}{note[1:]}." for note in each.scored.notes]
    rows = each.scored.intervals
    if not rows:
        return card(each.market, " ".join(notes), whole)
    shown = _worst_first(rows, _names(rows))
    if len(shown) < len(rows):
        notes.append(f"{len(shown)} of {len(rows)} intervals, the lowest first.")
    return card(each.market, " ".join(notes), whole + _intervals(shown))


def _names(rows: Sequence[Interval]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.values))


def _intervals(rows: Sequence[Interval]) -> str:
    """A table of intervals, with what became of each where the market says so."""
    names, told = _names(rows), any(row.outcome for row in rows)
    columns = [Column("from", text=True), *(Column(name.replace("_", " ")) for name in names)]
    columns += [Column("outcome", text=True)] if told else []
    return table(columns, (
        [utc_text(row.since_s)[11:19], *(_value(row.values.get(n)) for n in names),
         *([row.outcome.replace("_", " ")] if told else [])]
        for row in rows
    ))  # fmt: skip


def _value(value: float | None) -> str:
    """A figure of a market: a count without decimals."""
    return number(value, 0 if value is not None and value.is_integer() else 4)


def _worst_first(rows: Sequence[Interval], names: Sequence[str]) -> list[Interval]:
    """All intervals in their order; of very many those that were rated lowest."""
    name = next((name for name in FIGURES if name in names), None)
    if len(rows) <= ROWS_MAX or name is None:
        return list(rows)[:ROWS_MAX]
    rated = [row for row in rows if math.isfinite(row.values.get(name, math.nan))]
    return sorted(rated, key=lambda row: row.values[name])[:ROWS_MAX]


def _blamed(blame: Blame) -> str:
    whole = blame.loss_mws or 1.0
    causes = sorted(blame.by_cause().items(), key=lambda item: -abs(item[1]))
    told = [
        [cause.name.lower(), number(mws, 2), number(100 * mws / whole),
         number(blame.points(mws), 3), WORDS[cause]]
        for cause, mws in causes if mws
    ]  # fmt: skip
    columns = [Column("cause", text=True), Column("MW·s"), Column("of it, %"), Column("points"),
               Column("what", text=True)]  # fmt: skip
    units = sorted(blame.by_unit().items(), key=lambda item: -abs(item[1]))[:TOP]
    rows = [
        [unit, number(mws, 2), number(100 * mws / whole),
         number(blame.points(mws), 3), _most(blame, unit)]
        for unit, mws in units
    ]  # fmt: skip
    lost = (
        f"{number(blame.loss_mws, 1)} MW·s in {number(blame.known_s, 0)} s that are known;"
        f" {number(blame.unknown_s, 0)} s are not. Points are of accuracy. The parts sum to the"
        f" whole{'' if blame.holds else ' NOT'} (they miss it by {blame.missed_mws:.1e} MW·s)."
    )
    named = [Column("unit", text=True), *columns[1:4], Column("most of it", text=True)]
    return card("What was lost, by cause", lost, table(columns, told)) + card(
        f"The {len(rows)} units that lost most", "", table(named, rows)
    )


def _most(blame: Blame, unit: str) -> str:
    row = blame.part_mws[blame.ids.index(unit)]
    cause = Cause(int(np.argmax(np.abs(row))))
    return f"{cause.name.lower()} {number(float(row[cause]), 2)}"


def _headroom(report: Report) -> str:
    series = report.day.series
    lines = [
        Line("sold, up", series["sold_up_mw"], INK, dashed=True),
        Line("held 15 min, up", series["held_up_mw"], GREEN),
        Line("sold, down", -series["sold_down_mw"], INK, dashed=True),
        Line("held 15 min, down", -series["held_down_mw"], ORANGE),
    ]
    short = (series["held_up_mw"] < series["sold_up_mw"]) | (
        series["held_down_mw"] < series["sold_down_mw"]
    )
    told = f"In {counted(int(np.count_nonzero(short)), 'tick')} less was held than sold."
    return card("Headroom sold and held", told, chart(series["utc_s"], lines, report.span, "MW"))


def _net(energy: Sequence[KindEnergy]) -> tuple[float, str]:
    """Energy of all units that are known, and who they are; NaN: nobody is."""
    known = [each for each in energy if each.unknown < each.units]
    units, unknown = (sum(getattr(each, n) for each in energy) for n in ("units", "unknown"))
    who = "all units" if not unknown else f"{units - unknown} of {units} units"
    return sum((e.given_mwh - e.taken_mwh for e in known), 0.0 if known else math.nan), who


def _energy(report: Report) -> str:
    columns = [Column("kind", text=True), Column("units"), Column("given, MWh"),
               Column("taken, MWh"), Column("net, MWh"), Column("by counters, % of time"),
               Column("units not known")]  # fmt: skip
    rows = [
        [each.kind, str(each.units), number(each.given_mwh, 3), number(each.taken_mwh, 3),
         number(each.given_mwh - each.taken_mwh, 3), number(each.counted_pct),
         str(each.unknown) if each.unknown else "–"]
        for each in report.energy
    ]  # fmt: skip
    caption = (
        "Differences of the units' energy counters; where there are none, readings."
        " From the first reading of a unit on."
    )
    return card("Energy by kind", caption, table(columns, rows))


def _events(report: Report) -> str:
    by_name: dict[str, list[Happening]] = {}
    for each in report.day.happenings:
        by_name.setdefault(each.event, []).append(each)
    order = sorted(by_name, key=lambda name: (name not in ALARMS, name))
    strips = "".join(
        f'<div class="name"><b>{escape(name)}</b> <small>{len(by_name[name]):,}</small></div>'
        + strip([e.utc_s for e in by_name[name]], report.span,
                VERMILION if name in ALARMS else BLUE)
        for name in order
    )  # fmt: skip
    drawn = f'<div class="strips">{strips}<div></div>{time_axis(report.span)}</div>'
    alarms = [e for e in report.day.happenings if e.event in ALARMS and not e.end]
    shown = alarms[:ROWS_MAX]
    columns = [Column("at", text=True), Column("event", text=True), Column("unit", text=True),
               Column("what", text=True)]  # fmt: skip
    rows = [[utc_text(e.utc_s)[11:23], e.event, e.unit or "–", e.word] for e in shown]
    rest = f"The first {len(shown)} of {len(alarms):,} alarms." if len(shown) < len(alarms) else ""
    listed = table(columns, rows) if rows else '<p class="caption">No alarm.</p>'
    return card("Events and alarms", "Alarms in red.", drawn) + card("Alarms", rest, listed)


def _quality(report: Report) -> str:
    day = report.day
    whole_s = day.known_s or 1.0
    bad = [u for u in day.units if u.unread_s or u.stale_s or u.lost_s or u.refused or u.unknown]
    bad.sort(key=lambda u: -(u.unread_s + u.stale_s))
    columns = [Column("unit", text=True), Column("kind", text=True), Column("never read, s"),
               Column("old or bad reading, s"), Column("link down, s"), Column("writes refused"),
               Column("writes unanswered")]  # fmt: skip
    rows = [
        [u.id, u.kind, number(u.unread_s, 0), number(u.stale_s, 0), number(u.lost_s, 0),
         f"{u.refused:,}", f"{u.unknown:,}"]
        for u in bad[:TOP]
    ]  # fmt: skip
    n = max(1, len(day.units))
    stale_pct = 100.0 * sum(u.stale_s + u.unread_s for u in day.units) / (whole_s * n)
    caption = (
        f"{number(100.0 - stale_pct, 3)} % of the units' time have a good, young reading;"
        f" {day.writes['refused']:,} writes were refused,"
        f" {day.writes['unknown']:,} went unanswered. The {len(rows)} units with the"
        " most of it:"
    )
    return card("Data quality", caption, table(columns, rows) if rows else "")


def _proof(report: Report) -> str:
    day = report.day
    told = [
        ("configuration", ", ".join(day.config_hashes)),
        *((name, version) for name, version in sorted(day.software.items())),
    ]
    said = f"<pre>{escape(render(report.verified))}</pre>"
    caption = "Of the whole journal, as `vppd verify` has it. Without a key of yours, signatures"
    caption += " are held against the one that the journal itself names."
    return card("Proof", caption, said + pairs(told))
