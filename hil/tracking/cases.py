"""What the tracking table runs, and what must be reached in each case.

The limits are for the policy `response_aware`, and hold for each seed and signal by itself; that
nothing is violated holds for every policy.
"""

from dataclasses import dataclass

from hil.scenario import Limit

SCENARIO = "zhejiang"
POLICY = "response_aware"
OTHERS = ("pro_rata", "merit_order", "exact")
SEEDS = "1..5"
DURATION_S = 7200.0
QUICK_SEEDS = "1..1"
QUICK_S = 900.0  # PJM's score needs that much


@dataclass(frozen=True, slots=True)
class Case:
    """One case: what it changes of the scenario, and the least that its runs must reach."""

    name: str
    settings: tuple[str, ...]  # as with --set
    accuracy_pct: float  # of regulation capacity, over all seconds, no credit for latency
    pjm_score: float | None = None  # three-part score; None: no limit

    @property
    def limits(self) -> dict[str, Limit]:
        """Limits of each run of POLICY, by figure."""
        found = {"accuracy_pct": Limit(minimum=self.accuracy_pct)}
        if self.pjm_score is not None:
            found["pjm_score"] = Limit(minimum=self.pjm_score)
        return {**found, "of_possible_pct": Limit(minimum=OF_POSSIBLE_PCT), **ALWAYS}


OF_POSSIBLE_PCT = 98.3  # of the accuracy that the oracle says was possible
ALWAYS = {  # of every run, whatever its policy
    "limit_violations": Limit(maximum=0),
    "check_violations": Limit(maximum=0),
}
CASES = (
    Case("60 MW", ("regulation_mw=60",), 99.3, 0.990),
    Case("80 MW", ("regulation_mw=80",), 99.0, 0.985),
    Case("95 MW", ("regulation_mw=95",), 98.3, 0.975),
    Case("60 MW, no faults", ("regulation_mw=60", "faults=none"), 99.45),
    Case("80 MW, no faults", ("regulation_mw=80", "faults=none"), 99.3),
    Case("60 MW, half the batteries", ("regulation_mw=60", "fleet.scale.battery=0.5"), 98.5),
)
