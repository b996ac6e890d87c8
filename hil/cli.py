"""The command `vppd-hil`.

Exit codes: 0 good, 1 a limit of the scenario is not met, 2 bad usage or a bad scenario, 3 could not
run (a port in use, a program or a file missing).
"""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn, cast

import click
from rich.console import Console

from hil import accept as acceptance
from hil import daemon_config, devices_csv, report, result, running
from hil import fleet as fleets
from hil import scenario as scenarios
from hil.records import RecordError
from hil.rig import Rig
from hil.running import BAD, COULD_NOT, MISSED
from hil.scenario import Scenario
from hil.screen import Frame, Screen, scorecard
from hil.tso.signal import SignalError, parse_option

SET_HELP = "A key of the scenario, for example faults=none or fleet.scale.battery=0.5."
Overrides = list[tuple[str, str]]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vppd")
def main() -> None:
    """Qualify a virtual power plant: simulated DERs, a TSO, faults, and a score."""


def _fail(code: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


def _load(name: str, overrides: Overrides) -> Scenario:
    """Scenario with overrides; ends the program with every problem."""
    try:
        return scenarios.load(name, overrides)
    except (RecordError, FileNotFoundError) as error:
        _fail(BAD, str(error))
    except OSError as error:
        _fail(COULD_NOT, f"{name}: {error.strerror}")


def _overrides(settings: tuple[str, ...], seed: int | None, duration: float | None) -> Overrides:
    found: Overrides = []
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not (key and equals):
            raise click.BadParameter(f"{setting!r}: must be KEY=VALUE", param_hint="--set")
        found.append((key.strip(), value))
    if seed is not None:
        found.append(("seed", str(seed)))
    if duration is not None:
        found.append(("duration_s", str(duration)))
    return found


def _signal_overrides(option: str | None) -> Overrides:
    if option is None:
        return []
    try:
        file, column = parse_option(option)
    except SignalError as error:
        raise click.BadParameter(str(error), param_hint="--signal") from error
    return [
        ("signal.kind", "file"),
        ("signal.file", json.dumps(str(Path(file).absolute()))),
        ("signal.column", json.dumps(column)),
    ]


@main.command("list")
def list_() -> None:
    """Name the scenarios."""
    for name in scenarios.names():
        click.echo(f"{name:16} {scenarios.load(name).title}")


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--clock", type=click.Choice(["real", "virtual"]), default="real", show_default=True)
@click.option("--duration", type=float, metavar="S", help="Length of the scored run.")
@click.option("--seed", type=int, metavar="N", help="Seed of fleet, signal and faults.")
@click.option("--signal", "signal_", metavar="FILE:COLUMN", help="AGC from a CSV with t_s, in pu.")
@click.option("--frequency", metavar="FILE:COLUMN", help="Frequency from a CSV with t_s, in Hz.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--base-port", type=int, metavar="N", help="First of the TCP ports (default: free).")
@click.option("--trace-devices", is_flag=True, help="Write devices.csv.gz, each unit each second.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def run(
    name: str,
    clock: str,
    duration: float | None,
    seed: int | None,
    signal_: str | None,
    frequency: str | None,
    settings: tuple[str, ...],
    base_port: int | None,
    trace_devices: bool,
    out: Path,
) -> None:
    """Run a scenario and score it; files go to the folder OUT."""
    overrides = _overrides(settings, seed, duration) + _signal_overrides(signal_)
    scenario = _load(name, overrides)
    if clock == "virtual":
        _fail(COULD_NOT, "--clock virtual: virtual time is not built yet; use --clock real")
    if frequency is not None:
        _fail(COULD_NOT, f"--frequency: scenario {scenario.name} sends no frequency to the plant")
    click.echo(f"{scenario.name}: seed {scenario.seed}, fleet seed {scenario.fleet_seed}")
    _run(scenario, out, base_port)
    _judge(scenario, out, trace_devices=trace_devices)


def _run(scenario: Scenario, out: Path, base_port: int | None) -> None:
    """Make the run; ends the program when it could not be made."""
    with Screen(scenario, scenario.duration_s) as screen:

        def view(frame: dict[str, Any]) -> None:
            screen.update(cast("Frame", frame))

        try:
            running.make(Rig(scenario, out, view, base_port=base_port))
        except running.RunError as error:
            failure = error
        else:
            return
    _fail(failure.code, str(failure))


def _judge(scenario: Scenario, out: Path, *, trace_devices: bool) -> None:
    """Work out the figures, write the report, and hold them against the limits."""
    measured = result.measure(out)
    page = report.write(measured, acceptance=scenario.acceptance)
    if trace_devices:
        run_ = measured.run
        ids = list(run_.units.ids)
        devices_csv.write(out / "raw", out / "devices.csv.gz", ids, run_.t0_s, run_.seconds)
    Console().print(scorecard(measured.result, scenario.acceptance))
    click.echo(f"report: {page}")
    missed = scenarios.missed(scenario, measured.result)
    for line in missed:
        click.echo(f"not met: {line}", err=True)
    if missed:
        sys.exit(MISSED)


@main.command()
@click.argument("names", metavar="[SCENARIO]…", nargs=-1)
@click.option("--seed", type=int, default=1, show_default=True, metavar="N")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def accept(names: tuple[str, ...], seed: int, out: Path) -> None:
    """Run the scenarios of acceptance one after the other; one JSON each, and a table."""
    chosen = [_load(name, [("seed", str(seed))]) for name in names or acceptance.SCENARIOS]
    try:
        code = acceptance.accept(chosen, out)
    except running.StoppedError as error:
        _fail(error.code, str(error))
    if code:
        sys.exit(code)


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seed", type=int, metavar="N", help="Seed of the fleet.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help=SET_HELP)
@click.option("--base-port", type=int, default=20000, show_default=True, metavar="N")
@click.option("--state-dir", default="../build/state", show_default=True, help="Of the daemon.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
def config(
    name: str,
    seed: int | None,
    settings: tuple[str, ...],
    base_port: int,
    state_dir: str,
    out: Path,
) -> None:
    """Write the daemon's configuration for the fleet of a scenario."""
    scenario = _load(name, _overrides(settings, seed, None))
    command = f"vppd-hil config {name} --seed {scenario.seed}"
    command += "".join(f" --set {setting}" for setting in settings)
    command += f" --base-port {base_port} --out {out}"
    text = daemon_config.text(
        fleets.draw(scenario, base_port), scenario, state_dir=state_dir, command=command
    )
    try:
        out.write_text(text)
    except OSError as error:
        _fail(COULD_NOT, f"{out}: {error.strerror}")


if __name__ == "__main__":
    main()
