"""What is done of a tracking table, kept in its folder: an interrupted one goes on from there.

A row counts as done if it was made from the same scenario, signal, seed and code: in virtual time
the same run has the same figures.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import hil
import vppd
from hil.campaign.record import versions
from hil.campaign.row import BROKEN, Reason, Row
from hil.tracking.plan import Job

ROOM = Path(__file__).parent  # of no influence on a run; what it asks for is in the job


class Store:
    """Rows of a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, job: Job) -> Row | None:
        """Row of a job that is done."""
        try:
            kept = json.loads(self._path(job).read_text(encoding="utf-8"))
            return _row(kept["row"]) if kept["made_from"] == made_from(job) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # none, or torn: it is made again

    def put(self, job: Job, row: Row) -> None:
        """Keep a row, unless the job has to be tried again. Whole or not at all."""
        if any(reason.what in BROKEN for reason in row.reasons):
            return
        text = json.dumps({"made_from": made_from(job), "row": asdict(row)}, ensure_ascii=False)
        path = self._path(job)
        new = path.with_suffix(".new")
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(path)

    def _path(self, job: Job) -> Path:
        return self._folder / f"{job.key}.json"


def made_from(job: Job) -> str:
    """Fingerprint of all that the figures of a job depend on."""
    scenario = job.plan.of(job.seed)
    signal = _file(scenario.signal.file) if scenario.signal.file else ""
    text = "\n".join((job.key, repr(scenario), signal, _code()))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def _file(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@cache
def _code() -> str:
    """Fingerprint of daemon and bench, and of what they stand on."""
    found = hashlib.sha256(json.dumps(versions()).encode())
    for package in (vppd, hil):
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py")):
            if ROOM not in path.parents:
                found.update(path.read_bytes())
    return found.hexdigest()


def _row(kept: dict[str, Any]) -> Row:
    reasons = tuple(Reason(**reason) for reason in kept.pop("reasons"))
    return Row(reasons=reasons, **kept)
