"""`tracking.json`: everything that is known of a tracking table, for machines."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hil.campaign.record import versions
from hil.campaign.row import Row
from hil.tracking.making import Outcome
from hil.tracking.plan import BOUND, Job
from hil.tracking.table import Line

SCHEMA = 1


def write(outcome: Outcome, path: Path) -> None:
    """Write it, with one line for each run."""
    rows = [json.dumps(_row(job, row), ensure_ascii=False) for job, row in outcome.done]
    head = json.dumps(_head(outcome), indent=1, ensure_ascii=False)
    body = ",\n  ".join(rows)
    path.write_text(f'{head[:-2]},\n "runs": [\n  {body}\n ]\n}}\n', encoding="utf-8")


def _head(outcome: Outcome) -> dict[str, Any]:
    ask = outcome.ask
    return {
        "schema": SCHEMA,
        "passed": not outcome.missed and not outcome.left,
        "interrupted": bool(outcome.stopped),
        "missed": outcome.missed,
        "seeds": {"first": ask.seeds[0], "last": ask.seeds[-1], "of_all_policies": ask.all_seeds},
        "duration_s": ask.duration_s,
        "signals": {signal.name: list(signal.settings) for signal in ask.signals},
        "asked": outcome.asked,
        "done": len(outcome.done),
        "done_before": outcome.kept,
        "started_utc": outcome.started_utc,
        "spent_s": round(outcome.spent_s, 1),
        "processes": outcome.processes,
        "versions": versions(),
        "table": [_line(line) for line in outcome.lines],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "case": line.case.name,
        "signal": line.signal,
        "settings": list(line.case.settings),
        "limits": {
            key: {side: value for side, value in asdict(limit).items() if value is not None}
            for key, limit in line.case.limits.items()
        },
        "passed": not line.missed,
        "missed": list(line.missed),
        "policies": {
            policy: {figure: asdict(spread) for figure, spread in figures.items()}
            for policy, figures in line.policies.items()
        },
    }


def _row(job: Job, row: Row) -> dict[str, Any]:
    found = row.record()
    del found["kept"]
    command = {} if job.policy == BOUND else {"command": job.plan.command(job.seed)}
    return {
        "case": job.case.name, "signal": job.signal, "policy": job.policy, **found, **command,
    }  # fmt: skip
