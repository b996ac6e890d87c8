"""The jobs of a tracking table: each case, signal, policy and seed, and what was possible there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hil import fleet, options
from hil.campaign import plan as campaign
from hil.tracking.cases import CASES, OTHERS, POLICY, SCENARIO, Case
from hil.tso import signal as tso_signal

BOUND = "possible"  # in place of a policy: what was possible
BOUND_WEIGHT = 0.1  # about the work of a bound, in runs
LETTERS = str.maketrans(dict.fromkeys(" ,.:/\\", "-"))


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal that the cases are run on."""

    name: str
    settings: tuple[str, ...] = ()  # as with --set


@dataclass(frozen=True, slots=True)
class Job:
    """One run, or the bound of one. `plan`: scenario, and the command that makes the run again."""

    case: Case
    signal: str
    policy: str  # or BOUND
    seed: int
    plan: campaign.Plan

    @property
    def key(self) -> str:
        """Name for files; no two jobs of a table have the same."""
        parts = (self.case.name, self.signal, self.policy, str(self.seed))
        return "_".join(part.translate(LETTERS) for part in parts)

    @property
    def name(self) -> str:
        """Name for people."""
        return f"{self.case.name}, {self.signal}, {self.policy}, seed {self.seed}"

    @property
    def work(self) -> float:
        """Seconds to be simulated, about."""
        whole = self.plan.scenario.duration_s
        return BOUND_WEIGHT * whole if self.policy == BOUND else whole


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked for on the command line."""

    seeds: range
    duration_s: float
    signals: tuple[Signal, ...]
    all_seeds: bool = False  # of the other policies, too; else the first

    def seeds_of(self, policy: str) -> range:
        """Seeds of a policy."""
        return self.seeds if self.all_seeds or policy in (POLICY, BOUND) else self.seeds[:1]


def signals(files: Sequence[str]) -> tuple[Signal, ...]:
    """Give the shipped signal, and each FILE:COLUMN. Raises BadParameter."""
    found = [Signal("shipped")]
    for text in files:
        settings = tuple(f"{key}={value}" for key, value in options.typed(None, None, text))
        file, column = tso_signal.parse_option(text)
        name = Path(file).name.partition(".")[0]
        if name in (each.name for each in found):
            name = f"{name} {column} {len(found)}"
        found.append(Signal(name, settings))
    return tuple(found)


def jobs(ask: Ask, cases: Sequence[Case] = CASES, name: str = SCENARIO) -> list[Job]:
    """All jobs, seed by seed: what is done first is a whole table of the first one.

    Raises OSError, RecordError, SignalError.
    """
    found = [
        job for case in cases for signal in ask.signals for job in _of(ask, case, signal, name)
    ]
    return sorted(found, key=lambda job: ask.seeds.index(job.seed))


def _of(ask: Ask, case: Case, signal: Signal, name: str) -> Iterator[Job]:
    """Jobs of a case on a signal."""
    for policy in (POLICY, *OTHERS, BOUND):
        chosen = POLICY if policy == BOUND else policy
        settings = (*case.settings, *signal.settings, f"allocation.policy={chosen}")
        plan = campaign.load(name, settings, ask.duration_s)
        if policy == POLICY:
            _check(plan)
        # the limits are those of the table, not those of the scenario
        plan = replace(plan, scenario=replace(plan.scenario, acceptance={}))
        for seed in ask.seeds_of(policy):
            yield Job(case, signal.name, policy, seed, plan)


def _check(plan: campaign.Plan) -> None:
    """Raise RecordError or SignalError for what can be known before a run."""
    fleet.draw(plan.scenario, 0)
    tso_signal.series(plan.scenario.signal, plan.scenario.seed, plan.scenario.duration_s)
