"""The cells of a tracking table in words: the same on the terminal and on the page."""

from hil.tiles import number
from hil.tracking.cases import OTHERS, POLICY
from hil.tracking.plan import Ask
from hil.tracking.table import Line, Spread

OWN = (  # columns of POLICY: title, figure, digits
    ("accuracy, %", "accuracy_pct", 2),
    ("PJM score", "pjm_score", 3),
    ("mean error, MW", "mae_mw", 2),
    ("reached / possible, %", "of_possible_pct", 2),
)
COUNTS = (  # columns of all policies together
    ("limit violations", "limit_violations"),
    ("violated invariants", "check_violations"),
)


def titles() -> list[str]:
    """Names of the columns."""
    own = [title for title, _, _ in OWN]
    return ["case", "signal", *own, *map(spoken, OTHERS), *(title for title, _ in COUNTS)]


def cells(line: Line) -> list[str]:
    """Cells of a line."""
    own = [mean_and_worst(line.spread(figure), digits) for _, figure, digits in OWN]
    others = [_pair(line, policy) for policy in OTHERS]
    counts = [f"{line.count(figure):,}" for _, figure in COUNTS]
    return [line.case.name, line.signal, *own, *others, *counts]


def mean_and_worst(spread: Spread | None, digits: int) -> str:
    """Mean over the seeds, and the worst in brackets; a dash where nothing was measured."""
    if spread is None:
        return "–"
    mean = number(spread.mean, digits)
    return mean if spread.seeds == 1 else f"{mean} ({number(spread.worst, digits)})"


def caption(ask: Ask) -> str:
    """What the columns are."""
    seeds = f"{len(ask.seeds)} seeds" if len(ask.seeds) > 1 else f"seed {ask.seeds[0]}"
    others = "as many" if ask.all_seeds or len(ask.seeds) == 1 else f"seed {ask.seeds[0]}"
    worst = ": mean, and worst in brackets" if len(ask.seeds) > 1 else ""
    return (
        f"{spoken(POLICY)} over {seeds} of {ask.duration_s:g} s{worst}. The other policies"
        f" ({others}): accuracy, %, and PJM score. Violations: of all policies."
    )


def spoken(policy: str) -> str:
    """Name of a policy for people."""
    return policy.replace("_", "-" if policy == POLICY else " ")


def _pair(line: Line, policy: str) -> str:
    accuracy, score = (line.spread(name, policy) for name in ("accuracy_pct", "pjm_score"))
    if accuracy is None:
        return "–"
    told = number(accuracy.mean, 2)
    return told if score is None else f"{told}, {number(score.mean, 3)}"
