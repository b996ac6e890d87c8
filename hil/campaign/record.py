"""`campaign.json`: everything that is known of a campaign, for machines."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hil.campaign.campaign import Outcome
from hil.rig import PACKAGES

SCHEMA = 1


def write(outcome: Outcome, path: Path) -> None:
    """Write it, with one line for each seed."""
    rows = [json.dumps(row.record(), ensure_ascii=False) for row in outcome.rows]
    head = json.dumps(_head(outcome), indent=1, ensure_ascii=False)
    body = ",\n  ".join(rows)
    path.write_text(f'{head[:-2]},\n "rows": [\n  {body}\n ]\n}}\n', encoding="utf-8")


def versions() -> dict[str, str]:
    """What the campaign ran with."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _head(outcome: Outcome) -> dict[str, Any]:
    plan, seeds = outcome.plan, outcome.seeds
    return {
        "schema": SCHEMA,
        "scenario": plan.scenario.name,
        "title": plan.scenario.title,
        "asked_for": plan.name,
        "seeds": {"first": seeds[0], "last": seeds[-1], "asked": len(seeds)},
        "duration_s": plan.scenario.duration_s,
        "overrides": list(plan.settings),
        "passed": not outcome.summary.failed and not outcome.stopped,
        "interrupted": bool(outcome.stopped),
        "started_utc": outcome.started_utc,
        "spent_s": round(outcome.spent_s, 1),
        "jobs": outcome.jobs,
        "seeds_per_s": round(outcome.seeds_per_s, 3),
        "speedup": round(outcome.speedup, 1),
        "versions": versions(),
        "summary": outcome.summary.record(),
    }
