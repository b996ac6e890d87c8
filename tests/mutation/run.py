"""Mutation run over `vppd/core` and `vppd/kernels`: `make mutate`.

Makes the mutants of each module (`mutants.py`), runs the tests of `suites.toml` against each in a
forked process (`trial.py`), and writes `docs/mutation.md` (`report.py`). The results are kept in a
session of cosmic-ray: `cr-report` reads it, and a run that was stopped goes on where it was.
"""

import argparse
import gc
import json
import os
import sys
import time
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ |= {"NUMBA_DISABLE_JIT": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
os.environ["VPPD_TEST_PROBLEMS"] = "100"  # a tenth of what `make test` takes

import hypothesis
import kept
import numba  # noqa: F401  # loaded once, for every trial
import piqp  # noqa: F401
import report
import trial
from mutants import Mutant, mutants_of, mutated, sample
from session import Result, Session

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "mutation"


def main() -> int:
    """Run, print the figures, write the table; 0 if it is good enough."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--only", default="", help="modules with this in their path")
    asked.add_argument("--again", action="store_true", help="try the survivors again")
    asked.add_argument("--fresh", action="store_true", help="try what is known, too")
    asked.add_argument("--per-line", type=int, default=1, help="mutants of a line; 0: all of them")
    asked.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    options = asked.parse_args()
    os.nice(10)
    os.chdir(ROOT)
    sys.path.append(str(ROOT))  # the tree that is mutated, wherever vppd is installed from
    BUILD.mkdir(parents=True, exist_ok=True)
    settle_hypothesis()
    gc.freeze()  # a trial is too short to look through what was there before
    gc.disable()
    suites = tomllib.loads((HERE / "suites.toml").read_text())["tests"]
    sources = {path: (ROOT / path).read_text() for path in suites}
    made = {
        path: sample(mutants_of(path, source), source, options.per_line)
        for path, source in sources.items()
    }
    known = kept.load()
    with Session(BUILD / "session.sqlite", made, sources) as session:
        for path, source in sources.items():
            old = known.get(path)
            holds = old is not None and old.holds_for(source, options.per_line)
            if options.only not in path or (holds and not (options.fresh or options.again)):
                continue
            pending = session.pending(path, survivors=options.again)
            try_all(session, path, source, pending, suites[path], options.jobs)
            found = kept.sum_up(made[path], session.results(), source, options.per_line)
            if found is not None:
                known[path] = found
                kept.save(known)
    return report.write(ROOT, sources, known, options.per_line)


def settle_hypothesis() -> None:
    """The same few examples for each mutant; a failure is not made smaller, only noted."""
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile(
        "mutation", max_examples=30, derandomize=True, database=None, deadline=None, phases=phases,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip


def try_all(
    session: Session, path: str, source: str, pending: list[Mutant], tests: list[str], jobs: int
) -> None:
    """Try mutants of one file, `jobs` at a time."""
    if not pending:
        return
    begin, count = time.monotonic(), len(pending)
    with TemporaryDirectory() as folder:
        free = [Path(folder) / f"trial{k}.json" for k in range(jobs)]
        known_s = without_a_change(path, tests, free[0])
        print(f"{path}: {count} mutants, {sum(known_s.values()):.1f} s of tests", flush=True)
        running: dict[int, tuple[Mutant, str, Path]] = {}
        while pending or running:
            while pending and free:
                mutant, notes = pending.pop(), free.pop()
                text = mutated(source, mutant)
                child = trial.start(Path(path), text, tests, known_s, notes)
                running[child] = mutant, text, notes
            child, status = os.wait()
            mutant, text, notes = running.pop(child)
            free.append(notes)
            session.store(mutant, result_of(mutant, status, notes), source, text)
    print(f"  {count} tried in {time.monotonic() - begin:.0f} s", flush=True)


def result_of(mutant: Mutant, status: int, notes: Path) -> Result:
    """What the trial that has ended says of the mutant."""
    outcome = trial.ended_as(status)
    if outcome == "crashed":
        sys.exit(f"{notes.with_suffix('.log').read_text()}no result for {mutant}")
    said = json.loads(notes.read_text())
    return Result(outcome, said["failed"], said["raised"])


def without_a_change(path: str, tests: list[str], notes: Path) -> dict[str, float]:
    """CPU seconds of each test that a module is judged by; they have to pass."""
    child = trial.start(Path(path), None, tests, {}, notes)
    _, status = os.waitpid(child, 0)
    if trial.ended_as(status) != "survived":
        log = notes.with_suffix(".log").read_text()
        sys.exit(f"{log}{path}: its tests fail without any change")
    seconds: dict[str, float] = json.loads(notes.read_text())["seconds"]
    return seconds


if __name__ == "__main__":
    sys.exit(main())
