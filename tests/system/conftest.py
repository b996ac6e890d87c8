"""Runs of the bench that several files look at: side by side, for each takes its own minute."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_S = 200.0


@dataclass
class Run:
    """One run of `vppd-hil`, in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path
    out: Path

    def result(self) -> Path:
        """Wait for its end; the folder that it left."""
        status = self.process.wait(PATIENCE_S)
        assert status == 0, f"exit {status}\n{self.log.read_text()}"
        return self.out


def started(folder: Path, name: str, *arguments: str) -> Run:
    """Start `vppd-hil run`, into a folder named after it."""
    run_out, log = folder / name, folder / f"{name}.log"
    argv = [sys.executable, "-m", "hil.cli", "run", *arguments, "--out", str(run_out)]
    with log.open("wb") as told:
        return Run(subprocess.Popen(argv, cwd=ROOT, stdout=told, stderr=told), log, run_out)


@pytest.fixture(scope="session")
def bench_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Run]]:
    """The runs that the collected files ask for (`runs_of_this_file`), all started at once."""
    folder = tmp_path_factory.mktemp("runs")
    runs: dict[str, Run] = {}
    try:
        for name, arguments in _asked_for(request.session.items, folder).items():
            runs[name] = started(folder, name, *arguments)
        yield runs
    finally:
        for run in runs.values():
            run.process.kill()
            run.process.wait()


def _asked_for(items: list[Any], folder: Path) -> dict[str, list[str]]:
    """Arguments of each run, by its name."""
    modules = {item.module for item in items if hasattr(item, "module")}
    wanted: dict[str, list[str]] = {}
    for module in sorted(modules, key=lambda each: str(each.__name__)):
        make = getattr(module, "runs_of_this_file", None)
        wanted.update(make(folder) if make is not None else {})
    return wanted
