"""All rows of a tracking table summed up: a line for each case and signal, and what was missed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hil.campaign.row import BROKEN, REPLAY, Row
from hil.measure.tracking import PJM_SHORTEST_S
from hil.scenario import Limit, shortfall
from hil.tracking.cases import ALWAYS, POLICY, Case
from hil.tracking.plan import BOUND, Job

Done = Sequence[tuple[Job, Row]]
Figures = dict[str, float | None]
WORST: dict[str, Callable[[Iterable[float]], float]] = {
    "accuracy_pct": min,
    "pjm_score": min,
    "mae_mw": max,
    "of_possible_pct": min,
    "limit_violations": max,
    "check_violations": max,
}


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure of a policy over its seeds."""

    seeds: int
    mean: float
    worst: float
    worst_seed: int
    total: float


@dataclass(frozen=True, slots=True)
class Line:
    """One case on one signal."""

    case: Case
    signal: str
    policies: dict[str, dict[str, Spread]]  # by policy, then by figure
    missed: tuple[str, ...]

    def spread(self, figure: str, policy: str = POLICY) -> Spread | None:
        """One figure of a policy; None where nothing was measured."""
        return self.policies.get(policy, {}).get(figure)

    def count(self, figure: str) -> int:
        """Sum of something that is counted, over all policies and seeds."""
        found = (each.get(figure) for each in self.policies.values())
        return int(sum(spread.total for spread in found if spread is not None))


def lines(done: Done) -> tuple[Line, ...]:
    """Sum up what is done, in the order of the jobs."""
    keys = dict.fromkeys((job.case, job.signal) for job, _ in done)
    found = (_line(case, signal, _some(done, case, signal)) for case, signal in keys)
    return tuple(line for line in found if line.policies or line.missed)


def figures(row: Row, possible_pct: float | None) -> Figures:
    """Figures of a row, with how much of what was possible was reached."""
    reached_pct = row.figures.get("accuracy_pct")
    if reached_pct is None or not possible_pct:
        return {**row.figures, "of_possible_pct": None}
    return {**row.figures, "of_possible_pct": 100.0 * reached_pct / possible_pct}


def possible(done: Done) -> dict[tuple[Case, str, int], float | None]:
    """What was possible, by case, signal and seed."""
    return {
        (job.case, job.signal, job.seed): row.figures.get("possible_pct")
        for job, row in done
        if job.policy == BOUND
    }


def applicable(case: Case, policy: str, duration_s: float) -> dict[str, Limit]:
    """Limits that a run can meet or miss; PJM's score wants a quarter of an hour."""
    if policy != POLICY:
        return ALWAYS
    short = duration_s < PJM_SHORTEST_S
    return {key: limit for key, limit in case.limits.items() if not (short and key == "pjm_score")}


def _some(done: Done, case: Case, signal: str) -> Done:
    return [(job, row) for job, row in done if (job.case, job.signal) == (case, signal)]


def _line(case: Case, signal: str, done: Done) -> Line:
    bounds = possible(done)
    measured: dict[str, list[tuple[int, Figures]]] = {}
    missed: list[str] = []
    for job, row in done:
        if broken := [reason.text for reason in row.reasons if reason.what in (*BROKEN, REPLAY)]:
            missed.append(f"{job.name}: {broken[0].strip().splitlines()[0]}")
        if job.policy == BOUND or not row.figures:
            continue
        found = figures(row, bounds.get((job.case, job.signal, job.seed)))
        measured.setdefault(job.policy, []).append((job.seed, found))
        missed += [f"{job.name}: {text}" for text in _missed(case, job, found)]
    return Line(case, signal, {p: _spreads(rows) for p, rows in measured.items()}, tuple(missed))


def _missed(case: Case, job: Job, found: Figures) -> list[str]:
    """Say which limits a run does not meet, and by how much."""
    limits = applicable(case, job.policy, job.plan.scenario.duration_s)
    if found["of_possible_pct"] is None:  # its bound is missing, and told by itself
        limits = {key: limit for key, limit in limits.items() if key != "of_possible_pct"}
    texts = (shortfall(found, key, limit) for key, limit in limits.items())
    return [text for text in texts if text]


def _spreads(rows: Sequence[tuple[int, Figures]]) -> dict[str, Spread]:
    found = ((name, _spread(name, rows)) for name in WORST)
    return {name: spread for name, spread in found if spread is not None}


def _spread(name: str, rows: Sequence[tuple[int, Figures]]) -> Spread | None:
    known = [(seed, float(value)) for seed, row in rows if (value := row.get(name)) is not None]
    if not known:
        return None
    numbers = [value for _, value in known]
    worst = WORST[name](numbers)
    seed = next(seed for seed, value in known if value == worst)
    return Spread(len(known), sum(numbers) / len(known), worst, seed, sum(numbers))
