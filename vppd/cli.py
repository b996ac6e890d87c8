"""The command `vppd`."""

import contextlib
import dataclasses
import errno
import gc
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from vppd import __version__

if TYPE_CHECKING:
    from vppd.config.schema import Config
    from vppd.market.record import AnyMarket
    from vppd.runtime.score import Input
    from vppd.runtime.site import Site

EXIT_FALSE = 1  # the thing checked does not hold
EXIT_BAD = 2  # bad usage or bad configuration
EXIT_COULD_NOT = 3  # could not run, or not go on: a port in use, a file missing, a bug

RELOAD_TIME_S = 90.0  # above `stop_timeout_s`: units that go are led out first

PATH = click.Path(path_type=Path)
DATE = click.DateTime(formats=["%Y-%m-%d"])
SINCE = click.option(
    "--since", metavar="TIME", help="Leave out what is before: as --at of `explain`."
)
UNTIL = click.option("--until", metavar="TIME", help="Leave out this instant and all after it.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Commands(click.Group):
    """The commands; output that cannot be written ends each of them alike."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run one command, and end the process with its exit code."""
        try:
            try:
                return super().main(*args, **kwargs)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()  # the reader has seen enough
            sys.exit(EXIT_FALSE)
        except OSError as error:
            _drop_output()
            _fail(_why(error), EXIT_COULD_NOT)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="vppd")
def main() -> None:
    """Run a virtual power plant: AGC in, setpoints for every unit out, every second.

    Exit codes: 0 good, 1 the thing checked does not hold, 2 bad usage or bad configuration,
    3 could not run, or failed.
    """


@main.command()
@click.argument("config", type=PATH)
@click.option("--shadow", is_flag=True, help="Do everything but write to devices.")
def run(config: Path, shadow: bool) -> None:
    """Run the daemon in the foreground, until SIGTERM or Ctrl-C.

    Exits with 0 only after a stop that was asked for; with 3 if it could not start, or failed.
    """
    gc.disable()  # until start-up is over: see `freeze_heap`
    site = _load(config)
    from vppd.runtime.lock import StateLockedError
    from vppd.runtime.start import start_daemon

    try:
        start_daemon(site, shadow=shadow)
    except (StateLockedError, ValueError) as error:
        _fail(str(error), EXIT_COULD_NOT)
    except OSError as error:
        _fail(_why(error), EXIT_COULD_NOT)
    except ExceptionGroup as group:  # the log has the traceback
        _fail(f"failed: {_causes(group)}", EXIT_COULD_NOT)


@main.command()
@click.argument("name")
@click.argument("role", type=click.Choice(["viewer", "operator", "engineer"]))
def user(name: str, role: str) -> None:
    """Print the line of a user for api.users_file; asks for a password, or reads it."""
    from vppd.ops.api.users import Role, UsersError, user_line

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\n")
    try:
        click.echo(user_line(name, Role[role.upper()], password))
    except UsersError as error:
        _fail(str(error), EXIT_BAD)


@main.command()
@click.argument("config", type=PATH)
def check(config: Path) -> None:
    """Validate a configuration: every problem at once, as file:line: key: message."""
    click.echo("\n".join(_summary(config, _load(config).config)))


@main.command()
@click.argument("config", type=PATH)
@AS_JSON
def plan(config: Path, as_json: bool) -> None:
    """Print the plan in force: capacity sold, and a basepoint for every unit."""
    settings = _load(config).config
    if as_json:
        click.echo(json.dumps(_plan(settings), indent=2))
        return
    sold = settings.plan
    click.echo(f"regulation capacity  +{sold.regulation_capacity_up_mw:g} MW up,"
               f" -{sold.regulation_capacity_down_mw:g} MW down")  # fmt: skip
    click.echo(f"{'unit':24} {'kind':12} {'basepoint, MW':>14}")
    for unit in settings.fleet:
        click.echo(f"{unit.id:24} {unit.kind:12} {unit.basepoint_mw:14.4f}")
    total_mw = sum(unit.basepoint_mw for unit in settings.fleet)
    click.echo(f"{'sum':24} {'':12} {total_mw:14.4f}")


@main.command()
@click.argument("config", type=PATH)
@click.option("--der", "unit_id", required=True, metavar="ID", help="The unit to test.")
@click.option(
    "--step", "step_pct", type=click.FloatRange(1.0, 50.0), default=25.0, show_default=True,
    metavar="PCT", help="Height of the steps, % of its range.",
)  # fmt: skip
@click.option(
    "--out", type=PATH,
    help="File to write (default: commissioning/ID.yaml, or in site.commissioning_dir).",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="Do not look for a dead band.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def commission(
    config: Path,
    unit_id: str,
    step_pct: float,
    out: Path | None,
    quick: bool,
    yes: bool,
) -> None:
    """Test one unit's response by steps, and write what was found for the configuration.

    The unit moves! Refuses while a daemon runs on the same state folder.
    """
    site = _load(config)
    from vppd.runtime.commission_run import CommissionError, Request, run_commission
    from vppd.runtime.lock import StateLockedError
    from vppd.runtime.step_fit import FitError

    request = Request(config, unit_id, step_pct, out, small=not quick)
    try:
        agreed = run_commission(site, request, lambda text: yes or click.confirm(text))
    except StateLockedError as error:
        _fail(f"not while the daemon regulates: {error}", EXIT_COULD_NOT)
    except KeyError:
        _fail(f"--der: {config} has no unit {unit_id}", EXIT_BAD)
    except FitError as error:
        _fail(f"{unit_id}: {error}", EXIT_FALSE)
    except (CommissionError, ValueError) as error:
        _fail(str(error), EXIT_COULD_NOT)
    except KeyboardInterrupt:
        _fail(f"ended; {unit_id} was sent back to its basepoint", EXIT_FALSE)
    if not agreed:
        _fail("nothing was done", EXIT_FALSE)


@main.command()
@click.option("--socket", "socket_path", type=PATH, help="Status socket of the daemon.")
@click.option("--config", type=PATH, help="Its configuration, to find the socket by.")
@AS_JSON
def status(socket_path: Path | None, config: Path | None, as_json: bool) -> None:
    """Show the running daemon: mode, signal age, headroom, benched units and why."""
    from vppd.ops.status import StatusError, from_json
    from vppd.ops.status_socket import read_document
    from vppd.ops.status_text import render

    try:
        document = read_document(_socket(socket_path, config))
        click.echo(document if as_json else render(from_json(document)))
    except StatusError as error:
        _fail(str(error), EXIT_COULD_NOT)


@main.command()
@click.option("--socket", "socket_path", type=PATH, help="Status socket of the daemon.")
@click.option("--config", type=PATH, help="A configuration, to find the socket by.")
def reload(socket_path: Path | None, config: Path | None) -> None:
    """Have the running daemon read its configuration again, and wait until it is in force.

    Exits with 2 where it is bad, with every problem as file:line: key: message; the old one stays.
    """
    from vppd.ops.control_socket import give_order
    from vppd.ops.status import StatusError
    from vppd.runtime.site import CONTROL_NAME

    try:
        path = _socket(socket_path, config).with_name(CONTROL_NAME)
        outcome = give_order(path, "reload", RELOAD_TIME_S)
    except StatusError as error:
        _fail(str(error), EXIT_COULD_NOT)
    good = outcome["last_reload_successful"]
    for message in outcome["last_reload_messages"]:
        click.echo(message, err=not good)
    if not good:
        _fail("not reloaded; the old configuration stands", EXIT_BAD)


@main.command()
@click.argument("journal", type=PATH)
@AS_JSON
@click.option("--skip-damaged", is_flag=True, help="Go on at the segment after a damaged one.")
def replay(journal: Path, as_json: bool, skip_damaged: bool) -> None:
    """Run every tick through the core again and compare bit for bit."""
    from vppd.core.tick import tick
    from vppd.journal.replay import replay as replay_journal
    from vppd.journal.verify import Verification

    with _journal_errors():
        proof = Verification(journal)
        with _progress("replaying") as progress:
            report = replay_journal(
                journal, tick, skip_damaged=skip_damaged, progress=progress,
                processes=len(os.sched_getaffinity(0)), proof=proof,
            )  # fmt: skip
        fault = proof.report().fault
    first = report.first_difference
    if as_json:
        fields = {**dataclasses.asdict(report), "first_difference": first and str(first)}
        click.echo(json.dumps({"bit_exact": report.bit_exact, "chain_ok": fault is None, **fields}))
    else:
        from vppd.runtime.replay_text import render

        click.echo(render(report, fault))
    if not report.bit_exact or report.unread_ticks or fault is not None:
        sys.exit(EXIT_FALSE)


@main.command()
@click.argument("journal", type=PATH)
@click.option("--key", "keys", multiple=True, metavar="PUBKEY",
    help="It must be signed with this: 64 hex digits, or a file with them or PEM.",
)  # fmt: skip
@click.option("--head", "heads", multiple=True, metavar="HEX", help="A head that it once had.")
@click.option("--heads", "heads_path", type=PATH, metavar="FILE",
    help="Heads that it once had, as journal.heads_file has them.",
)  # fmt: skip
@AS_JSON
def verify(
    journal: Path,
    keys: tuple[str, ...],
    heads: tuple[str, ...],
    heads_path: Path | None,
    as_json: bool,
) -> None:
    """Check checksums, hash chains and signatures; name the first record that does not hold.

    Says up to where it is signed. Without --key, signatures are held against the key that the
    journal itself names.
    """
    from vppd.journal.keys import BadKeyError, public_key_of
    from vppd.journal.verify import verify as verify_journal
    from vppd.runtime.heads import HeadsError, head_of, read_heads
    from vppd.runtime.verify_text import render

    try:
        expected = [head_of(head) for head in heads]
        expected += [] if heads_path is None else read_heads(heads_path)
        known = [public_key_of(key) for key in keys]
        with _journal_errors(), _progress("checking") as progress:
            report = verify_journal(journal, keys=known, heads=expected, progress=progress)
    except (BadKeyError, HeadsError) as error:
        _fail(str(error), EXIT_BAD)
    if as_json:
        document = {"chain_ok": report.ok, **dataclasses.asdict(report)}
        click.echo(json.dumps(document, allow_nan=False))
    else:
        click.echo(render(report))
    if not report.ok:
        sys.exit(EXIT_FALSE)


@main.group()
def key() -> None:
    """Make the key that signs a journal, or print its public half."""


@key.command("new")
@click.argument("file", type=PATH)
def key_new(file: Path) -> None:
    """Write a new private key to FILE, mode 0400, and print its public key."""
    from vppd.journal.keys import write_new_key

    try:
        signer = write_new_key(file)
    except FileExistsError:
        _fail(f"{file}: is there already; a key that signs a journal is not replaced", EXIT_BAD)
    except OSError as error:
        _fail(_why(error), EXIT_COULD_NOT)
    _print_public(signer.public_key)


@key.command("public")
@click.argument("file", type=PATH)
def key_public(file: Path) -> None:
    """Print the public key that belongs to the private one in FILE, for `vppd verify --key`."""
    from vppd.journal.keys import BadKeyError, load_signer

    try:
        signer = load_signer(file)
    except BadKeyError as error:
        _fail(str(error), EXIT_COULD_NOT)
    _print_public(signer.public_key)


def _print_public(public_key: bytes) -> None:
    from vppd.journal.heads import key_id

    click.echo(public_key.hex())
    click.echo(f"vppd: key id {key_id(public_key).hex()}", err=True)


@main.command()
@click.argument("journal", type=PATH)
@click.option("--arrays", is_flag=True, help="With setpoint, reading and reason of each unit.")
@click.option("--skip-damaged", is_flag=True, help="Go on at the segment after a damaged one.")
@click.option("--parquet", "out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="Write closed segments as tables instead, those that are not in DIR yet.",
)  # fmt: skip
def export(journal: Path, arrays: bool, skip_damaged: bool, out: Path | None) -> None:
    """Print the ticks of a journal as JSON lines, or write it as Parquet (docs/reading.md)."""
    if out is not None:
        _roll(journal, out)
        return
    from vppd.core.tick import tick
    from vppd.journal.errors import DamageError
    from vppd.journal.export import export as export_journal
    from vppd.runtime.replay_text import NO_TICK

    damages: list[DamageError] = []
    try:
        with _journal_errors():
            ticks = export_journal(
                journal, sys.stdout, tick, arrays=arrays, skip_damaged=skip_damaged,
                tell_damage=damages.append,
            )  # fmt: skip
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()  # the reader has seen enough
        return
    if damages:
        _fail("not read: " + "; ".join(map(str, damages)), EXIT_FALSE)
    if not ticks:
        _fail(NO_TICK, EXIT_FALSE)


@main.command()
@click.argument("journal", type=PATH)
@click.option(
    "--at", required=True, metavar="TIME",
    help="An ISO instant, HH:MM:SS, #TICK, or +SECONDS from the start; local time where no zone"
    " is given.",
)  # fmt: skip
@click.option("--der", metavar="ID", help="Tell of this unit alone.")
@AS_JSON
def explain(journal: Path, at: str, der: str | None, as_json: bool) -> None:
    """Say why each unit got its setpoint in the tick that was in force at TIME.

    What was asked, what each limit held back, what was not served, and whether the core gives
    the same bits today.
    """
    from vppd.journal.instant import InstantError
    from vppd.runtime.explain import UnknownUnitError, explained

    try:
        with _journal_errors(hint=""), _progress("reading") as progress:
            text, damage = explained(journal, at, der, as_json=as_json, progress=progress)
    except (InstantError, UnknownUnitError) as error:
        _fail(str(error), EXIT_BAD)
    click.echo(text)
    if damage is not None:
        _fail(f"damaged behind this tick: {damage}", EXIT_FALSE)


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
        _fail("give a JOURNAL or --csv FILE", EXIT_BAD)
    from vppd.journal.instant import InstantError, utc_text
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
        at = "" if journal is None or error.at_s is None else f" ({utc_text(error.at_s)})"
        _fail(f"{csv_path or journal} cannot be scored: {error}{at}", EXIT_FALSE)
    except (InstantError, ValueError) as error:
        _fail(str(error), EXIT_BAD)
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
        with _journal_errors(hint=""), _progress("attributing") as progress:
            found = attributed(journal, since, until, progress)
    except InstantError as error:
        _fail(str(error), EXIT_BAD)
    click.echo(to_json(found) if as_json else render(found))
    blame = found.blame
    if not blame.holds:
        _fail(f"the parts miss the whole by {blame.missed_mws:g} MW.s, those of a tick by up to"
              f" {blame.rounding_mw:g} MW", EXIT_FALSE)  # fmt: skip


def _csv_input(path: Path, market: "AnyMarket", since: str | None, until: str | None) -> "Input":
    from vppd.runtime.score import Input
    from vppd.runtime.score_csv import between, read_csv

    return Input(between(read_csv(path, market.form), since, until), wall_clock=False)


def _journal_input(
    path: Path, market: "AnyMarket", since: str | None, until: str | None
) -> "Input":
    from vppd.runtime.score_journal import read_journal  # needs kernels, which a CSV does not

    with _journal_errors(hint=""), _progress("reading") as progress:
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
    from vppd.journal.instant import InstantError, utc_text
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
        with _journal_errors(hint=""), _progress("reading") as progress:
            given, plant = settling.read_both(journal, rules, since, until, progress)
        found = settling.settled(rules, given, plant, prices, words)
    except SeriesError as error:
        at = "" if error.at_s is None else f" ({utc_text(error.at_s)})"
        _fail(f"{journal} cannot be settled: {error}{at}", EXIT_FALSE)
    except SettlementError as error:
        _fail(f"{journal} cannot be settled: {error}", EXIT_FALSE)
    except (InstantError, ValueError) as error:
        _fail(str(error), EXIT_BAD)
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
    from vppd.runtime.report import write

    try:
        with _journal_errors(hint=""), _progress("reading") as progress:
            span = write.span_of(journal, f"{day:%Y-%m-%d}" if day else None, since, until)
            found = write.made(journal, span, markets, words, progress)
    except (InstantError, ValueError) as error:
        _fail(str(error), EXIT_BAD)
    try:
        out.write_text(write.as_html(found), encoding="utf-8")
    except OSError as error:
        _fail(f"{out}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)
    click.echo(str(out))
    if not found.verified.ok:
        _fail(f"DOES NOT HOLD: {found.verified.fault}", EXIT_FALSE)


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
        _fail("give --csv FILE", EXIT_BAD)
    try:
        calendar = Calendar(_days(holidays), _days(events), _days(excluded))
        history = read_history(csv_path, zone)
        at = None if day is None else day.date()
        found = reports.report(method_of(name), history, calendar, hours, at, words)
    except BaselineError as error:
        _fail(f"{csv_path}: no baseline: {error}", EXIT_FALSE)
    except ValueError as error:
        _fail(str(error), EXIT_BAD)
    document = json.dumps(reports.as_json(found), allow_nan=False)
    click.echo(document if as_json else reports.render(found))


def _days(instants: Iterable[datetime]) -> frozenset[date]:
    return frozenset(at.date() for at in instants)


@contextlib.contextmanager
def _journal_errors(
    hint: str = " (--skip-damaged reads on at the next segment)",
) -> Iterator[None]:
    """End with 1 where a journal was read and does not hold, with 3 where it could not be read."""
    from vppd.journal.errors import DamageError, JournalError, NoTickError

    try:
        yield
    except DamageError as error:
        _fail(f"damaged: {error}{hint}", EXIT_FALSE)
    except NoTickError as error:
        _fail(str(error), EXIT_FALSE)
    except JournalError as error:
        _fail(str(error), EXIT_COULD_NOT)


def _roll(journal: Path, out: Path) -> None:
    """Write the segments of a journal as Parquet, and say what became of them."""
    from vppd.core.tick import tick
    from vppd.journal.parquet import ParquetError, roll
    from vppd.ops.counted import counted

    try:
        with _journal_errors(hint=""), _progress("writing") as progress:
            rolled = roll(journal, out, tick, progress)
    except ParquetError as error:
        _fail(str(error), EXIT_BAD)
    except OSError as error:
        _fail(f"{out}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)
    more = [f"{len(rolled.there)} there already"] if rolled.there else []
    more += [f"{name} is still open" for name in rolled.open]
    click.echo("; ".join([f"{out}: {counted(len(rolled.written), 'segment')} written", *more]))
    if rolled.damaged:
        _fail("written up to the damage: " + "; ".join(map(str, rolled.damaged)), EXIT_FALSE)


@contextlib.contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, nothing elsewhere. Gives `progress(done, total)`, bytes."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    with click.progressbar(length=1, label=what, file=sys.stderr) as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(1, total)
            bar.update(done - bar.pos)

        yield progress


def _load(path: Path) -> "Site":
    """Load and check a configuration, or end with its problems, exit code 2 (3: no such file)."""
    from vppd.config.errors import ConfigError
    from vppd.runtime.site import load_site

    try:
        return load_site(path)
    except ConfigError as error:
        click.echo(str(error), err=True)
        count = len(error.problems)
        _fail(f"{count} problem{'s' if count != 1 else ''}", EXIT_BAD)
    except OSError as error:
        _fail(f"{path}: {(error.strerror or str(error)).lower()}", EXIT_COULD_NOT)


def _summary(path: Path, config: "Config") -> list[str]:
    from vppd.ops.counted import counted

    up_mw = sum(unit.p_max_mw - unit.basepoint_mw for unit in config.fleet)
    down_mw = sum(unit.basepoint_mw - unit.p_min_mw for unit in config.fleet)
    sold, units = config.plan, counted(len(config.fleet), "unit")
    is_oversold = max(sold.regulation_capacity_up_mw - up_mw,
                      sold.regulation_capacity_down_mw - down_mw) > 1e-6  # fmt: skip
    oversold = ", more than the range: plan.allow_oversold" if is_oversold else ""
    return [
        f"{path}: valid",
        f"fleet    {units}: {_counts(unit.kind for unit in config.fleet)}",
        f"range    +{up_mw:.2f} / -{down_mw:.2f} MW around the basepoints",
        f"sold     +{sold.regulation_capacity_up_mw:g} / -{sold.regulation_capacity_down_mw:g} MW"
        f" of regulation{oversold}",
        f"links    {_counts(link.TYPE for link in config.links)}",
        f"signals  {_counts(signal.TYPE for signal in config.signals)}",
        f"policy   {config.policy.allocation}, tick {config.site.tick_s:g} s",
    ]


def _counts(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(f"{listed.count(name)} {name}" for name in dict.fromkeys(listed)) or "none"


def _plan(config: "Config") -> dict[str, object]:
    units = {unit.id: unit.basepoint_mw for unit in config.fleet}
    return {**dataclasses.asdict(config.plan), "basepoint_mw": units}


def _socket(socket_path: Path | None, config: Path | None) -> Path:
    from vppd.runtime.site import INSTALLED_STATE_DIR, SOCKET_NAME

    if socket_path is not None:
        return socket_path
    if config is not None:
        return _load(config).state_dir / SOCKET_NAME
    return INSTALLED_STATE_DIR / SOCKET_NAME


def _causes(group: ExceptionGroup[Exception]) -> str:
    """Say in one line what failed."""
    return "; ".join(
        _causes(error) if isinstance(error, ExceptionGroup) else f"{type(error).__name__}: {error}"
        for error in group.exceptions
    )


def _why(error: OSError) -> str:
    """Say in plain words what the system refused."""
    words = error.strerror or str(error)
    if error.filename:
        return f"{error.filename}: {words.lower()}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"the output cannot be written: {words.lower()}"
    return words


def _drop_output() -> None:
    """Have what is still buffered go nowhere, or Python would complain of it at exit."""
    with contextlib.suppress(OSError, ValueError):  # no descriptor: a test's own stream
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"vppd: {message}", err=True)
    sys.exit(code)
