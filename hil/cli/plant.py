"""Commands around a run: what there is, the daemon's configuration, a field to run it against."""

from pathlib import Path

import click
from rich.console import Console

from hil import daemon_config, fault_list, options, running
from hil import scenario as scenarios
from hil.cli.common import SET, draw, fail, load, main
from hil.running import COULD_NOT

FAULTS_WIDTH = 160  # of the list of faults in a file or a pipe


@main.command("list")
def list_() -> None:
    """Name the scenarios."""
    for name in scenarios.names():
        click.echo(f"{name:16} {scenarios.load(name).title}")


@main.command("faults")
def faults_() -> None:
    """Name the kinds of faults that a scenario can have."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=FAULTS_WIDTH)
    console.print(fault_list.table())


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--seed", type=int, metavar="N", help="Seed of the fleet.")
@SET
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
    scenario = load(name, settings, options.typed(seed))
    drawn = draw(scenario, base_port)
    words: list[object] = ["config", name, "--seed", scenario.seed]
    for setting in settings:
        words += ["--set", setting]
    command = options.command(*words, "--base-port", base_port, "--out", out)
    text = daemon_config.text(drawn, scenario, state_dir=state_dir, command=command)
    try:
        out.write_text(text)
    except OSError as error:
        fail(COULD_NOT, f"{out}: {error.strerror}")


@main.command()
@click.argument("name", metavar="SCENARIO")
@click.option("--duration", type=float, default=3600.0, show_default=True, metavar="S")
@click.option("--seed", type=int, metavar="N", help="Seed of the fleet and of the signal.")
@SET
@click.option("--base-port", type=int, default=20000, show_default=True, metavar="N")
@click.option("--out", required=True, type=click.Path(path_type=Path))
def field(
    name: str,
    duration: float,
    seed: int | None,
    settings: tuple[str, ...],
    base_port: int,
    out: Path,
) -> None:
    """Serve a scenario's devices and TSO, for a `vppd run` that you start yourself."""
    from hil.field import Field, describe

    scenario = load(name, settings, options.typed(seed, duration))
    draw(scenario, base_port)
    words: list[object] = ["field", name, "--seed", scenario.seed]
    command = options.command(*words, "--base-port", base_port, "--out", out)
    made = Field(
        scenario, out, lambda fleet: click.echo(describe(fleet, out)),
        base_port=base_port, command=command,
    )  # fmt: skip
    try:
        running.make(made)
    except running.RunError as error:
        fail(error.code, str(error))
