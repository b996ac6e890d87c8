"""The figures of a seed that a campaign compares."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: what it is called, and which end of it is the bad one."""

    name: str  # in campaign.json
    key: str  # dotted, in result.json; empty: from the rows of trace.csv
    label: str
    unit: str
    digits: int
    worst: Callable[[float, float], float]  # min or max


FIGURES = (
    Figure("accuracy_pct", "tracking.accuracy_pct", "tracking accuracy", "%", 2, min),
    Figure("mae_mw", "tracking.mae_mw", "mean error", "MW", 3, max),
    Figure("pjm_score", "tracking.pjm.score", "PJM score", "", 3, min),
    Figure("kp", "tracking.china.kp", "Kp", "", 2, min),
    Figure("unserved_mwh", "", "not served", "MWh", 3, max),
    Figure(
        "latency_p99_ms",
        "timing.signal_to_last_setpoint_ms.p99",
        "signal to last setpoint, p99",
        "ms",
        0,
        max,
    ),
    Figure("missed_ticks", "timing.missed_ticks", "missed ticks", "", 0, max),
    Figure("limit_violations", "limits.unexplained", "limit violations", "", 0, max),
    Figure("check_violations", "checks.violations", "violations found by checkers", "", 0, max),
    Figure("faults", "faults.injected", "faults injected", "", 0, max),
    Figure("writes", "io.writes", "setpoints written", "", 0, min),
    Figure("failed_writes", "io.failed_writes", "failed writes", "", 0, max),
    Figure("reconnects", "io.reconnects", "reconnects", "", 0, max),
)
BY_NAME = {figure.name: figure for figure in FIGURES}


def shown(figure: Figure, value: float | None) -> str:
    """Format a value for people, without its unit; a dash where there is none."""
    return "–" if value is None else f"{round(value, figure.digits) + 0.0:,.{figure.digits}f}"
