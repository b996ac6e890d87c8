"""A tracking table of a small fleet for the tests: two cases, 90 s."""

from pathlib import Path

from small_campaign import small

from hil.tracking import plan
from hil.tracking.cases import Case
from hil.tracking.plan import Ask, Job, Signal

CASES = (
    Case("1 MW", ("regulation_mw=1",), 50.0, 0.9),
    Case("1 MW, calm", ("regulation_mw=1", "faults=none"), 100.0),
)
ASK = Ask(range(1, 3), 90.0, (Signal("shipped"),))


def jobs(folder: Path, ask: Ask = ASK) -> list[Job]:
    """Jobs of the small table."""
    return plan.jobs(ask, CASES, small(folder))
