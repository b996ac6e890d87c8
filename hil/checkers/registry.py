"""All checkers, and what they found together."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hil.checkers import (
    agc,
    age,
    back,
    balance,
    band,
    excuses,
    fallback,
    log,
    orders,
    prediction,
    resume,
    sent,
    states,
    told,
)
from hil.checkers.evidence import Evidence
from hil.checkers.violation import Found, Violation
from hil.faults.fault import NOBODY

LISTED = 50
Check = Callable[[Evidence], Found]

ALL: dict[str, Check] = {
    orders.NAME: orders.check,
    "comfort": states.comfort,
    "thermal": states.thermal,
    "departure": states.departure,
    band.NAME: band.check,
    age.NAME: age.check,
    sent.NAME: sent.check,
    agc.NAME: agc.check,
    balance.NAME: balance.check,
    prediction.NAME: prediction.check,
    fallback.NAME: fallback.check,
    back.NAME: back.check,
    resume.NAME: resume.check,
    log.NAME: log.check,
    told.NAME: told.check,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What all checkers found in one run."""

    found: dict[str, Found]

    @property
    def violations(self) -> list[Violation]:
        """All of them, by time."""
        every = [each for found in self.found.values() for each in found.violations]
        return sorted(every, key=lambda each: (each.t_s, each.check, each.unit))


def run(evidence: Evidence) -> Report:
    """Run every check."""
    found = {}
    for name, check in ALL.items():
        each = check(evidence)
        each.violations, each.excused = excuses.sift(evidence, each.violations)
        found[name] = each
    return Report(found)


def figures(evidence: Evidence, report: Report, notes: dict[str, str]) -> dict[str, Any]:
    """Give `checks` of the result; `notes` get what could not be checked, and why."""
    for name, found in report.found.items():
        if found.note:
            notes[f"checks.by_check.{name}"] = found.note
    violations = report.violations
    lost = ", ".join(name for name, found in report.found.items() if found.lost)
    if lost:
        notes["checks.violations"] = f"not checked, for want of a record: {lost}"
    checked: dict[str, int] = {}
    for name, found in report.found.items():
        checked |= {name: found.checked, **found.parts}
    return {
        # none found is no 0 where a checker could not look
        "violations": len(violations) if violations or not lost else None,
        "by_check": {n: len(f.violations) if f.done else None for n, f in report.found.items()},
        "checked": checked,
        "excused": {n: f.excused for n, f in report.found.items() if f.excused},
        "first": [_row(evidence, each) for each in violations[:LISTED]],
    }


def _row(evidence: Evidence, each: Violation) -> dict[str, Any]:
    return {
        "t_s": each.t_s - evidence.run.t0_s,
        "unit": None if each.unit == NOBODY else evidence.run.units.ids[each.unit],
        "check": each.check,
        "what": each.what,
        "value": each.value,
        "limit": each.limit,
    }
