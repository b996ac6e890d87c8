"""Acceptance: scenarios one after the other, each held against its limits."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from hil import accept_bound, folder, report, result, running
from hil.rig import Rig
from hil.scenario import Limit, Scenario, applicable, figure, in_words, shortfall
from hil.scorecard import BAD, GOOD
from hil.tiles import shown

SCENARIOS = {  # by clock
    "real": ("zhejiang", "wire-kill", "agc-cut"),
    "virtual": (
        "step-china", "outage", "frequency-event", "evening-ev", "heat-wave", "degraded-wan",
        "fleet-2000",
    ),
}  # fmt: skip
# Limits of the machine, beside those of the scenario: two cores that are not busy otherwise.
OF_THE_MACHINE = {("fleet-2000", "virtual"): {"timing.speedup": Limit(minimum=6.0)}}
BOUND = "bound"  # beside the clocks: not run, but what was possible is worked out
LOG_WIDTH = 140  # of the table in a file or a pipe, which has no width of its own
View = Callable[[dict[str, Any]], None]
Make = Callable[[Scenario, Path, View], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Judged:
    """One limit of a scenario and what was measured."""

    key: str
    value: Any
    limit: str
    met: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one scenario. `failure`: why there is no result; empty if there is one."""

    scenario: str
    seed: int
    failure: str
    code: int  # exit code that this one asks for
    limits: tuple[Judged, ...]
    missed: tuple[str, ...]
    result: dict[str, Any] | None

    def write(self, path: Path) -> None:
        """Write as JSON."""
        record = {"schema": 1, "passed": self.code == 0, **asdict(self)}
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n")


def accept(
    scenarios: Sequence[Scenario],
    out: Path,
    clock: str = "real",
    bounds: Sequence[Scenario] = (),
) -> int:
    """Run all scenarios; write `OUT/NAME.json` and the run's files to `OUT/NAME/`.

    `bounds`: scenarios of which only what was possible is worked out.

    Returns the exit code: 0, 1 if a limit is missed, 3 if a run could not be made. Raises
    StoppedError, CouldNotRunError.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=LOG_WIDTH)
    marker = folder.claim(out)
    try:
        return _accept([(each, clock) for each in scenarios] + [(each, BOUND) for each in bounds],
                       out, console)  # fmt: skip
    finally:
        os.close(marker)


def _accept(asked: Sequence[tuple[Scenario, str]], out: Path, console: Console) -> int:
    verdicts: list[Verdict] = []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as progress:
        bar = progress.add_task("", total=sum(each.duration_s for each, _ in asked))
        for scenario, how in asked:
            done_s = sum(each.duration_s for each, _ in asked[: len(verdicts)])
            view = _viewer(progress, bar, scenario.name, done_s)
            verdict = _run_one(_limited(scenario, how), out, view, MAKE[how])
            verdict.write(out / f"{scenario.name}.json")
            verdicts.append(verdict)
            progress.update(bar, completed=done_s + scenario.duration_s)
            console.print(_line(verdict))
    console.print(_table(verdicts))
    console.print(f"files: {out}", soft_wrap=True)
    return max(verdict.code for verdict in verdicts)


def judge(scenario: Scenario, measured: dict[str, Any]) -> Verdict:
    """Hold a result against the limits of its scenario."""
    acceptance = applicable(scenario, measured)
    told = {key: shortfall(measured, key, limit) for key, limit in acceptance.items()}
    limits = tuple(
        Judged(key, figure(measured, key), in_words(limit), not told[key])
        for key, limit in acceptance.items()
    )
    missed = tuple(text for text in told.values() if text)
    code = running.MISSED if missed else 0
    return Verdict(scenario.name, scenario.seed, "", code, limits, missed, measured)


def _limited(scenario: Scenario, clock: str) -> Scenario:
    """Add the limits that this clock has here."""
    more = OF_THE_MACHINE.get((scenario.name, clock), {})
    return replace(scenario, acceptance={**scenario.acceptance, **more})


def _run_one(scenario: Scenario, out: Path, view: View, make: Make) -> Verdict:
    """Make and measure one run. Raises StoppedError; another failure is a verdict."""
    try:
        measured = make(scenario, out / scenario.name, view)
    except running.StoppedError:
        raise
    except running.RunError as error:
        text = str(error)
        return Verdict(scenario.name, scenario.seed, text, error.code, (), (text,), None)
    return judge(scenario, measured)


def _real(scenario: Scenario, out_dir: Path, view: View) -> dict[str, Any]:
    """Make, measure and report a run on sockets. Raises RunError."""
    running.make(Rig(scenario, out_dir, view))
    return _reported(scenario, result.measure(out_dir))


def _simulated(scenario: Scenario, out_dir: Path, view: View) -> dict[str, Any]:
    """Make, measure and report a run in virtual time. Raises RunError."""
    from hil.sim.replay import replay  # noqa: PLC0415  (it loads the daemon, which takes seconds)
    from hil.sim.run import Simulation  # noqa: PLC0415

    simulation = Simulation(scenario, out_dir, lambda t_s, _: view({"t_s": t_s}), processes=None)
    running.make_virtual(simulation.make)
    return _reported(scenario, result.measure(out_dir, ticks=simulation.ticks, replay=replay))


def _reported(scenario: Scenario, measured: result.Measured) -> dict[str, Any]:
    """Write the report of a run; its result."""
    report.write(measured, acceptance=applicable(scenario, measured.result))
    return measured.result


MAKE: dict[str, Make] = {"real": _real, "virtual": _simulated, BOUND: accept_bound.find}


def _viewer(progress: Progress, bar: TaskID, name: str, done_s: float) -> View:
    """Give the view of a run that moves the bar by its time."""

    def view(frame: dict[str, Any]) -> None:
        progress.update(bar, description=f"{name}: {frame.get('phase') or 'running'}")
        if "t_s" in frame:
            progress.update(bar, completed=done_s + max(float(frame["t_s"]), 0.0))

    return view


def _line(verdict: Verdict) -> Text:
    met = sum(limit.met for limit in verdict.limits)
    told = verdict.failure.splitlines()[0] if verdict.failure else ""
    told = told or f"{met} of {len(verdict.limits)} limits met"
    mark, style = ("✗", BAD) if verdict.code else ("✓", GOOD)
    return Text.assemble((f"{mark} {verdict.scenario}, seed {verdict.seed}: ", style), told)


def _table(verdicts: Sequence[Verdict]) -> Table:
    """All limits of all scenarios."""
    table = Table(box=None, padding=(0, 2))
    for name in ("scenario", "figure", "measured", "limit"):
        table.add_column(name, justify="right" if name == "measured" else "left", overflow="fold")
    for verdict in verdicts:
        for limit in verdict.limits:
            style = GOOD if limit.met else BAD
            verdict_text = Text(f"{'✓' if limit.met else '✗ must be'} {limit.limit}", style)
            table.add_row(verdict.scenario, limit.key, shown(limit.value), verdict_text)
        if verdict.failure:
            table.add_row(verdict.scenario, verdict.failure, "–", Text("✗", BAD))
    return table
