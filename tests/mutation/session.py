"""The results of a run, in a session file of cosmic-ray."""

import difflib
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import (
    MutationSpec,
    TestOutcome,
    WorkerOutcome,
    WorkItem,
    WorkResult,
)
from mutants import Mutant


@dataclass(frozen=True)
class Result:
    """How a trial ended, and which test ended it with which exception."""

    outcome: str  # survived, killed, timed out
    failed: str
    raised: str
    change: str = ""  # the lines that changed: "- before" and "+ after"


class Session:
    """Mutants by number. Results stay as long as the file that is mutated does not change."""

    def __init__(
        self, path: Path, made: Mapping[str, list[Mutant]], sources: Mapping[str, str]
    ) -> None:
        self._ids = {
            mutant: _id_of(mutant, sources[mutant.path])
            for found in made.values()
            for mutant in found
        }
        self._db = WorkDB(path, WorkDB.Mode.create)
        current = set(self._ids.values())
        kept = [(job, result) for job, result in self._db.results if job in current]
        if {item.job_id for item in self._db.work_items} != current:
            self._db.clear()
            self._db.add_work_items(WorkItem.single(i, _spec(m)) for m, i in self._ids.items())
            for job, result in kept:
                self._db.set_result(job, result)

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._db.close()

    def pending(self, path: str, *, survivors: bool) -> list[Mutant]:
        """Mutants of a file without a result; with `survivors` those, too, that survived."""
        done = {
            job for job, result in self._db.results if result.is_killed or not survivors
        }  # fmt: skip
        return [m for m, job in self._ids.items() if m.path == path and job not in done]

    def store(self, mutant: Mutant, result: Result, before: str, after: str) -> None:
        """Keep a result, with the lines that the mutant changes."""
        survived = result.outcome == "survived"
        self._db.set_result(
            self._ids[mutant],
            WorkResult(
                WorkerOutcome.NORMAL,
                json.dumps(asdict(result)),
                TestOutcome.SURVIVED if survived else TestOutcome.KILLED,
                changed_lines(before, after),
            ),
        )

    def results(self) -> dict[Mutant, Result]:
        """What is known so far."""
        stored = dict(self._db.results)
        return {
            mutant: Result(**(json.loads(stored[job].output) | {"change": stored[job].diff}))
            for mutant, job in self._ids.items()
            if job in stored
        }


def changed_lines(before: str, after: str) -> str:
    """`- old` and `+ new`, without indentation."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return "\n".join(f"{x[0]} {x[1:].strip()}" for x in list(lines)[2:] if x[0] in "+-")


def _id_of(mutant: Mutant, source: str) -> str:
    what = (mutant.path, mutant.operator, mutant.occurrence, source)
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def _spec(mutant: Mutant) -> MutationSpec:
    return MutationSpec(
        Path(mutant.path), mutant.operator, mutant.occurrence, mutant.start, mutant.end
    )  # fmt: skip
