"""Commands of a plant: its configuration, its daemon, its units."""

import dataclasses
import gc
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vppd.cli.common import AS_JSON, EXIT_BAD, EXIT_COULD_NOT, EXIT_FALSE, PATH, fail, load, why
from vppd.cli.group import main

if TYPE_CHECKING:
    from vppd.config.schema import Config

RELOAD_TIME_S = 90.0  # above `stop_timeout_s`: units that go are led out first


@main.command()
@click.argument("config", type=PATH)
@click.option("--shadow", is_flag=True, help="Do everything but write to devices.")
def run(config: Path, shadow: bool) -> None:
    """Run the daemon in the foreground, until SIGTERM or Ctrl-C.

    Exits with 0 only after a stop that was asked for; with 3 if it could not start, or failed.
    """
    gc.disable()  # until start-up is over: see `freeze_heap`
    site = load(config)
    from vppd.runtime.lock import StateLockedError
    from vppd.runtime.start import start_daemon

    try:
        start_daemon(site, shadow=shadow)
    except (StateLockedError, ValueError) as error:
        fail(str(error), EXIT_COULD_NOT)
    except OSError as error:
        fail(why(error), EXIT_COULD_NOT)
    except ExceptionGroup as group:  # the log has the traceback
        fail(f"failed: {_causes(group)}", EXIT_COULD_NOT)


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
        fail(str(error), EXIT_BAD)


@main.command()
@click.argument("config", type=PATH)
def check(config: Path) -> None:
    """Validate a configuration: every problem at once, as file:line: key: message."""
    click.echo("\n".join(_summary(config, load(config).config)))


@main.command()
@click.argument("config", type=PATH)
@AS_JSON
def plan(config: Path, as_json: bool) -> None:
    """Print the plan in force: capacity sold, and a basepoint for every unit."""
    settings = load(config).config
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
    site = load(config)
    from vppd.runtime.commission_run import CommissionError, Request, run_commission
    from vppd.runtime.lock import StateLockedError
    from vppd.runtime.step_fit import FitError

    request = Request(config, unit_id, step_pct, out, small=not quick)
    try:
        agreed = run_commission(site, request, lambda text: yes or click.confirm(text))
    except StateLockedError as error:
        fail(f"not while the daemon regulates: {error}", EXIT_COULD_NOT)
    except KeyError:
        fail(f"--der: {config} has no unit {unit_id}", EXIT_BAD)
    except FitError as error:
        fail(f"{unit_id}: {error}", EXIT_FALSE)
    except (CommissionError, ValueError) as error:
        fail(str(error), EXIT_COULD_NOT)
    except KeyboardInterrupt:
        fail(f"ended; {unit_id} was sent back to its basepoint", EXIT_FALSE)
    if not agreed:
        fail("nothing was done", EXIT_FALSE)


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
        fail(str(error), EXIT_COULD_NOT)


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
        fail(str(error), EXIT_COULD_NOT)
    good = outcome["last_reload_successful"]
    for message in outcome["last_reload_messages"]:
        click.echo(message, err=not good)
    if not good:
        fail("not reloaded; the old configuration stands", EXIT_BAD)


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
        return load(config).state_dir / SOCKET_NAME
    return INSTALLED_STATE_DIR / SOCKET_NAME


def _causes(group: ExceptionGroup[Exception]) -> str:
    """Say in one line what failed."""
    return "; ".join(
        _causes(error) if isinstance(error, ExceptionGroup) else f"{type(error).__name__}: {error}"
        for error in group.exceptions
    )
