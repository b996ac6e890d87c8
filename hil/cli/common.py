"""What the commands share: the group, how they end, a scenario with its overrides, its fleet."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from hil import fleet as fleets
from hil import options
from hil.options import Overrides
from hil.records import RecordError
from hil.rig import check_events
from hil.running import BAD, COULD_NOT, INTERRUPTED
from hil.scenario import Scenario
from hil.tso import frequency as tso_frequency
from hil.tso import signal as tso_signal
from hil.tso.signal import NoSignalError, SignalError

SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the scenario, for example faults=none or fleet.scale.battery=0.5.",
)
JOBS = click.option("--jobs", type=click.IntRange(1, 1024), metavar="N", help="Default: all cores.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vppd")
def main() -> None:
    """Qualify a virtual power plant: simulated DERs, a TSO, faults, and a score."""


def fail(code: int, message: str) -> NoReturn:
    """Say why on stderr, and end the program."""
    click.echo(message, err=True)
    sys.exit(code)


@contextmanager
def stoppable() -> Iterator[None]:
    """Ctrl-C at any time ends the program with the exit code that shells know."""
    try:
        yield
    except KeyboardInterrupt:
        fail(INTERRUPTED, "interrupted")


def load(name: str, settings: tuple[str, ...], typed: Overrides, clock: str = "real") -> Scenario:
    """Scenario with overrides; ends the program with every problem."""
    try:
        return options.load(name, options.overrides(settings), typed, clock)
    except (RecordError, FileNotFoundError) as error:
        fail(BAD, str(error))
    except OSError as error:
        fail(COULD_NOT, f"{name}: {error.strerror}")


def draw(scenario: Scenario, base_port: int | None) -> fleets.Fleet:
    """Draw the fleet and check what can be checked before a run; ends the program if that fails."""
    if base_port is not None:
        options.check_base_port(base_port, scenario)
    drawn = fleets.draw(scenario, base_port or 0)
    try:
        check_events(scenario, drawn)
        tso_signal.series(scenario.signal, scenario.seed, scenario.duration_s)
        tso_frequency.source(scenario.frequency, scenario.duration_s)
    except NoSignalError as error:
        fail(COULD_NOT, str(error))
    except (RecordError, SignalError) as error:
        fail(BAD, str(error))
    if drawn.oversold:
        click.echo(drawn.oversold, err=True)
    return drawn
