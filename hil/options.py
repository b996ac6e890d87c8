"""Options of the command line: what they mean for a scenario, and what is wrong with them."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from hil import fleet
from hil.faults import check
from hil.records import RecordError
from hil.scenario import Scenario
from hil.tso import signal as tso_signal
from hil.tso.signal import SignalError

FIRST_BASE_PORT, LAST_PORT = 1024, 65535  # below are those of the system
TYPED = {  # option that sets a key of the scenario
    "duration_s": "--duration",
    "seed": "--seed",
    "signal.file": "--signal",
    "signal.column": "--signal",
    "frequency.file": "--frequency",
    "frequency.column": "--frequency",
}
Overrides = list[tuple[str, str]]


def overrides(settings: Sequence[str]) -> Overrides:
    """Keys and values of --set. Raises BadParameter."""
    found: Overrides = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{setting!r}: must be KEY=VALUE", param_hint="--set")
        found.append((key.strip(), value))
    return found


def typed(
    seed: int | None = None,
    duration: float | None = None,
    signal: str | None = None,
    frequency: str | None = None,
) -> Overrides:
    """Keys and values of the options that have a name of their own. Raises BadParameter."""
    found: Overrides = []
    if seed is not None:
        found.append(("seed", str(seed)))
    if duration is not None:
        found.append(("duration_s", str(duration)))
    for section, text in (("signal", signal), ("frequency", frequency)):
        if text is not None:
            found += _of_file(section, text)
    return found


def _of_file(section: str, text: str) -> Overrides:
    """Keys and values of `FILE:COLUMN`. Raises BadParameter."""
    try:
        file, column = tso_signal.parse_option(text)
    except SignalError as error:
        raise click.BadParameter(str(error), param_hint=f"--{section}") from error
    return [
        (f"{section}.kind", "file"),
        (f"{section}.file", json.dumps(str(Path(file).resolve()))),
        (f"{section}.column", json.dumps(column)),
    ]


def load(name: str, set_: Overrides, typed_: Overrides, clock: str = "real") -> Scenario:
    """Scenario with overrides. Raises OSError, or RecordError that names the options typed."""
    names = {f"--set {key}": TYPED[key] for key, _ in typed_ if key in TYPED}
    try:
        return check.load(name, [*set_, *typed_], clock)
    except RecordError as error:
        raise _renamed(error, names) from error


def _renamed(error: RecordError, names: Mapping[str, str]) -> RecordError:
    return RecordError([replace(p, file=names.get(p.file, p.file)) for p in error.problems])


def check_base_port(base_port: int, scenario: Scenario) -> None:
    """Raise BadParameter if a run has not all its ports from there on."""
    count = fleet.ports(scenario)
    last = LAST_PORT - count + 1
    if not FIRST_BASE_PORT <= base_port <= last:
        raise click.BadParameter(
            f"must be within {FIRST_BASE_PORT} to {last} ({count} ports in a row are needed),"
            f" is {base_port}",
            param_hint="--base-port",
        )


def command(*words: object) -> str:
    """Command line as it could be typed again."""
    return shlex.join(["vppd-hil", *map(str, words)])
