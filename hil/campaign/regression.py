"""A seed that failed, as a scenario of its own: what a regression test runs."""

from pathlib import Path

import yaml

from hil import scenario as scenarios
from hil.campaign.plan import Plan
from hil.campaign.row import Row
from hil.records import compose, override
from hil.scenario.load import nodes

REASON_LENGTH = 300


def write(plan: Plan, row: Row, folder: Path) -> Path:
    """Write `FOLDER/SCENARIO-SEED.yaml`, a scenario that makes the same run; return its path.

    It extends a scenario of the bench; one from a file of the user's is written out whole, so that
    it goes on without that file.
    """
    path = folder / f"{plan.scenario.name}-{row.seed}.yaml"
    comment = _comment(plan, row)
    if plan.name in scenarios.names():
        path.write_text(comment + _extending(plan, row.seed), encoding="utf-8")
        if scenarios.load(str(path)) == plan.of(row.seed):
            return path
    path.write_text(comment + _whole(plan, row.seed), encoding="utf-8")
    return path


def _comment(plan: Plan, row: Row) -> str:
    """What was wrong, and what shows it."""
    reasons = [f"  {_short(reason.text)}" for reason in row.reasons]
    lines = (f"Seed {row.seed} of a campaign failed:", *reasons, plan.command(row.seed))
    return "".join(f"# {line}\n" for line in lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= REASON_LENGTH else f"{line[:REASON_LENGTH]} …"


def _extending(plan: Plan, seed: int) -> str:
    root = compose(f"extends: {plan.name}", plan.name)
    for key, text in plan.overrides(seed):
        override(root, key, text)
    return _text(root)


def _whole(plan: Plan, seed: int) -> str:
    return _text(nodes(plan.name, plan.overrides(seed)))


def _text(root: yaml.Node) -> str:
    return str(yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True, width=100))
