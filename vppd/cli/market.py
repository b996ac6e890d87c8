"""Commands of markets: scores, lost points, settlements, baselines, the page of a day."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vppd.cli.common import (
    AS_JSON,
    EXIT_BAD,
    EXIT_COULD_NOT,
    EXIT_FALSE,
    PATH,
    SINCE,
    UNTIL,
    fail,
    journal_errors,
    progress_bar,
)
from vppd.cli.group import main

if TYPE_CHECKING:
    from vppd.market.record import AnyMarket
    from vppd.runtime.score import Input

DATE = click.DateTime(formats=["%Y-%m-%d"])


@main.command()
@click.argument("journal", type=PATH, required=False)
@click.option("--csv", "csv_path", type=PATH, metavar="FILE",
    help="Score a CSV instead: t_s, signal_mw (or frequency_hz), response_mw.",
)  # fmt: skip
@click.option("--market", required=True, metavar="NAME", help="The market, or `list`.")
@click.option("--param", "words", multiple=True, metavar="KEY=VALUE", help="One of its parameters.")
@SINCE
@UNTIL
@AS_JSON
def score(
    journal: Path | None,
    csv_path: Path | None,
    market: str,
    words: tuple[str, ...],
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Score a day as a market does: `--market list` names them, with their sources.

    Exits with 1 where the series cannot be scored, and says what is wrong with it and where.
    """
    if market == "list":
        _list_markets(as_json)
        return
    if (journal is None) == (csv_path is None):
        fail("give a JOURNAL or --csv FILE", EXIT_BAD)
    from vppd.journal.instant import InstantError
    from vppd.market.grid import SeriesError
    from vppd.market.registry import market as market_of
    from vppd.runtime.score import as_json as document
    from vppd.runtime.score import report
    from vppd.runtime.score_text import render

    try:
        rules = market_of(market)
        if csv_path is not None:
            given = _csv_input(csv_path, rules, since, until)
        elif journal is not None:
            given = _journal_input(journal, rules, since, until)
        found = report(rules, given, words)
    except SeriesError as error:
        at = "" if journal is None else _leave_out(error.at_s)
        fail(f"{csv_path or journal} cannot be scored: {error}{at}", EXIT_FALSE)
    except (InstantError, ValueError) as error:
        fail(str(error), EXIT_BAD)
    click.echo(json.dumps(document(found), allow_nan=False) if as_json else render(found))


@main.command()
@click.argument("journal", type=PATH)
@SINCE
@UNTIL
@AS_JSON
def attribute(journal: Path, since: str | None, until: str | None, as_json: bool) -> None:
    """Give each lost MW.s of tracking to units and causes; the parts sum to the whole.

    Exits with 1 where they do not.
    """
    from vppd.journal.instant import InstantError
    from vppd.runtime.attribute import attributed, to_json
    from vppd.runtime.attribute_text import render

    try:
        with journal_errors(hint=""), progress_bar("attributing") as progress:
            found = attributed(journal, since, until, progress)
    except InstantError as error:
        fail(str(error), EXIT_BAD)
    click.echo(to_json(found) if as_json else render(found))
    blame = found.blame
    if not blame.holds:
        fail(f"the parts miss the whole by {blame.missed_mws:g} MW.s, those of a tick by up to"
              f" {blame.rounding_mw:g} MW", EXIT_FALSE)  # fmt: skip


def _leave_out(at_s: float | None) -> str:
    """Say where in a journal something is wrong, and what to do; empty: it is no instant."""
    from vppd.journal.instant import utc_text

    if at_s is None:
        return ""
    return f" ({utc_text(at_s)}; leave that out with --since or --until)"


def _csv_input(path: Path, market: "AnyMarket", since: str | None, until: str | None) -> "Input":
    from vppd.runtime.score import Input
    from vppd.runtime.score_csv import between, read_csv

    return Input(between(read_csv(path, market.form), since, until), wall_clock=False)


def _journal_input(
    path: Path, market: "AnyMarket", since: str | None, until: str | None
) -> "Input":
    from vppd.runtime.score_journal import read_journal  # needs kernels, which a CSV does not

    with journal_errors(hint=""), progress_bar("reading") as progress:
        return read_journal(path, market.form, since, until, progress)


def _list_markets(as_json: bool) -> None:
    from vppd.market.registry import MARKETS
    from vppd.runtime.score import about
    from vppd.runtime.score_text import render_list

    listed = MARKETS.values()
    click.echo(json.dumps([about(m) for m in listed], indent=1) if as_json else render_list(listed))


@main.command()
@click.argument("journal", type=PATH)
@click.option("--market", required=True, metavar="NAME", help="The market: as of `score`.")
@click.option("--out", required=True, type=PATH, metavar="FILE", help="A .csv or .parquet.")
@click.option("--prices", "prices_path", type=PATH, metavar="FILE",
    help="CSV: since_utc, prices by the names of the market's parameters, energy_EUR_per_mwh.",
)  # fmt: skip
@click.option("--param", "words", multiple=True, metavar="KEY=VALUE", help="One of its parameters.")
@SINCE
@UNTIL
@AS_JSON
def settle(
    journal: Path,
    market: str,
    out: Path,
    prices_path: Path | None,
    words: tuple[str, ...],
    since: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Settle a journal: energy by interval, product and unit, performance, amounts.

    Exits with 1 where something cannot be settled, and says what is not known and where.
    """
    from vppd.journal.instant import InstantError
    from vppd.market.grid import SeriesError
    from vppd.market.registry import market as market_of
    from vppd.market.settlement.record import Prices, SettlementError
    from vppd.runtime import settle as settling
    from vppd.runtime.settle_prices import read_prices
    from vppd.runtime.settle_write import check_path, write

    try:
        rules = market_of(market)
        check_path(out)
        prices = Prices() if prices_path is None else read_prices(prices_path, rules)
        with journal_errors(hint=""), progress_bar("reading") as progress:
            given, plant = settling.read_both(journal, rules, since, until, progress)
        found = settling.settled(rules, given, plant, prices, words)
    except SeriesError as error:
        fail(f"{journal} cannot be settled: {error}{_leave_out(error.at_s)}", EXIT_FALSE)
    except SettlementError as error:
        fail(f"{journal} cannot be settled: {error}", EXIT_FALSE)
    except (InstantError, ValueError) as error:
        fail(str(error), EXIT_BAD)
    write(out, found.rows)
    document = json.dumps(settling.as_json(found, out, given.notes), allow_nan=False)
    click.echo(document if as_json else settling.render(found, out, given.notes))


@main.command()
@click.argument("journal", type=PATH)
@click.option("--out", required=True, metavar="FILE.html", help="Where the page goes.",
    type=click.Path(dir_okay=False, path_type=Path),
)  # fmt: skip
@click.option("--day", type=DATE, help="This day alone, UTC.")
@SINCE
@UNTIL
@click.option("--market", "markets", multiple=True, metavar="NAME",
    help="Score by these rules (default: what was scored while it ran).",
)  # fmt: skip
@click.option("--param", "words", multiple=True, metavar="KEY=VALUE", help="A parameter of it.")
def report(
    journal: Path,
    out: Path,
    day: datetime | None,
    since: str | None,
    until: str | None,
    markets: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    """Write a day of a journal as one HTML page, which opens without a network.

    Exits with 1 where the journal does not hold; the page says what.
    """
    from vppd.journal.instant import InstantError
    from vppd.runtime.report import gather, write

    try:
        with journal_errors(hint=""), progress_bar("reading") as progress:
            span = gather.span_of(journal, f"{day:%Y-%m-%d}" if day else None, since, until)
            found = gather.made(journal, span, markets, words, progress)
    except (InstantError, ValueError) as error:
        fail(str(error), EXIT_BAD)
    try:
        out.write_text(write.as_html(found), encoding="utf-8")
    except OSError as error:
        fail(f"{out}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)
    click.echo(str(out))
    if not found.verified.ok:
        fail(f"DOES NOT HOLD: {found.verified.fault}", EXIT_FALSE)


@main.command()
@click.option("--csv", "csv_path", type=PATH, metavar="FILE",
    help="The meter: time, p_mw (or load_mw), by intervals.",
)  # fmt: skip
@click.option("--method", "name", required=True, metavar="NAME", help="The method, or `list`.")
@click.option("--day", type=DATE, help="The day of an event: give its baseline.")
@click.option("--hours", default="14:00-18:00", show_default=True, metavar="HH:MM-HH:MM",
    help="The hours of the event, and of the days it is tested on.",
)  # fmt: skip
@click.option("--event", "events", multiple=True, type=DATE, help="A day with another event.")
@click.option("--holiday", "holidays", multiple=True, type=DATE, help="A holiday.")
@click.option("--exclude", "excluded", multiple=True, type=DATE, help="A day to leave out.")
@click.option("--zone", metavar="NAME", help="Turn the instants to this zone (IANA).")
@click.option("--param", "words", multiple=True, metavar="KEY=VALUE", help="A parameter.")
@AS_JSON
def baseline(
    csv_path: Path | None,
    name: str,
    day: datetime | None,
    hours: str,
    events: tuple[datetime, ...],
    holidays: tuple[datetime, ...],
    excluded: tuple[datetime, ...],
    zone: str | None,
    words: tuple[str, ...],
    as_json: bool,
) -> None:
    """Compute what a customer would have used, and how wrong the method is on its own history.

    Exits with 1 where there is no baseline, and says what is missing and where.
    """
    from vppd.market.baseline.record import BaselineError, Calendar
    from vppd.market.baseline.registry import METHODS
    from vppd.market.baseline.registry import method as method_of
    from vppd.runtime import baseline as reports
    from vppd.runtime.baseline_csv import read_history

    if name == "list":
        listed = list(METHODS.values())
        document = json.dumps([reports.about(m) for m in listed], indent=1)
        click.echo(document if as_json else reports.render_list(listed))
        return
    if csv_path is None:
        fail("give --csv FILE", EXIT_BAD)
    try:
        calendar = Calendar(_days(holidays), _days(events), _days(excluded))
        history = read_history(csv_path, zone)
        at = None if day is None else day.date()
        found = reports.report(method_of(name), history, calendar, hours, at, words)
    except BaselineError as error:
        fail(f"{csv_path}: no baseline: {error}", EXIT_FALSE)
    except ValueError as error:
        fail(str(error), EXIT_BAD)
    document = json.dumps(reports.as_json(found), allow_nan=False)
    click.echo(document if as_json else reports.render(found))


def _days(instants: Iterable[datetime]) -> frozenset[date]:
    return frozenset(at.date() for at in instants)
