"""All rows of a campaign in a few figures."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from hil.campaign.figures import FIGURES, Figure
from hil.campaign.row import Row

QUANTILES = (5.0, 50.0, 95.0)


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all seeds that have it."""

    seeds: int
    minimum: float
    p5: float
    p50: float
    p95: float
    maximum: float
    mean: float
    worst: float
    worst_seed: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of all seeds."""

    seeds: int
    failed: int
    reasons: dict[str, int]  # seeds by what was wrong; most frequent first
    checks: dict[str, int]  # violations by checker
    checked: dict[str, int]  # seeds in which each check had something to check
    fault_kinds: dict[str, int]
    errors: int  # lines of level error in the daemons' logs
    figures: dict[str, Spread]

    @property
    def covered(self) -> str:
        """How many of the checks had something to check in any seed, and which had not."""
        idle = [check for check, seeds in self.checked.items() if not seeds]
        told = f"{len(self.checked) - len(idle)} of {len(self.checked)} had something to check"
        return f"{told}; not {', '.join(idle)}" if idle else told

    @property
    def good(self) -> int:
        """Seeds with nothing wrong."""
        return self.seeds - self.failed

    def record(self) -> dict[str, object]:
        """As campaign.json has it."""
        return asdict(self)


def sum_up(rows: Sequence[Row]) -> Summary:
    """Sum up rows, in the order of their seeds."""
    rows = sorted(rows, key=lambda row: row.seed)
    reasons = Counter(what for row in rows for what in dict.fromkeys(r.what for r in row.reasons))
    return Summary(
        seeds=len(rows),
        failed=sum(row.failed for row in rows),
        reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        checks=_added(row.checks for row in rows),
        checked=_seeds(row.checked for row in rows),
        fault_kinds=_added(row.fault_kinds for row in rows),
        errors=sum(row.errors for row in rows),
        figures={
            figure.name: found for figure in FIGURES if (found := _spread(figure, rows)) is not None
        },
    )


def values(figure: Figure, rows: Sequence[Row]) -> list[tuple[int, float]]:
    """(seed, value) of each row that has the figure."""
    found = ((row.seed, row.figures.get(figure.name)) for row in rows)
    return [(seed, float(value)) for seed, value in found if value is not None]


def _spread(figure: Figure, rows: Sequence[Row]) -> Spread | None:
    known = values(figure, rows)
    if not known:
        return None
    numbers = np.array([value for _, value in known])
    p5, p50, p95 = np.percentile(numbers, QUANTILES)
    worst = figure.worst(numbers.min(), numbers.max())
    return Spread(
        seeds=numbers.size,
        minimum=float(numbers.min()),
        p5=float(p5),
        p50=float(p50),
        p95=float(p95),
        maximum=float(numbers.max()),
        mean=float(numbers.mean()),
        worst=float(worst),
        worst_seed=next(seed for seed, value in known if value == worst),
    )


def _added(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return dict(sorted(total.items(), key=lambda pair: (-pair[1], pair[0])))


def _seeds(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Count the seeds in which each number is not 0; in the order in which they come."""
    total: dict[str, int] = {}
    for each in counts:
        for what, count in each.items():
            total[what] = total.get(what, 0) + (count > 0)
    return total
