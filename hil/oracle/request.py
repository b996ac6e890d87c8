"""What the plant should deliver, second by second, and which seconds count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hil.fleet import Fleet
from hil.scenario import Scenario
from hil.scenario.frequency import NONE
from hil.tso import signal
from hil.tso.process import LEAD_VALUES

F8 = NDArray[np.float64]
LONGEST_S = 1_000_000  # of a run: a bound takes minutes for a day
SHORT_RUN_S, SKIPPED_SHORT_S, SKIPPED_S = 120.0, 15, 60  # as for the tracking figures of a run


class OracleError(Exception):
    """The bound of a run cannot be worked out; the text says why."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, and when. Seconds count from the start of the run."""

    mw: F8  # mean of each second
    skipped: int  # seconds at the start that do not count
    lead_s: float  # the TSO sends its first value that long before the start
    regulation_mw: float

    @property
    def seconds(self) -> int:
        """Length of the run in whole seconds."""
        return int(self.mw.size)

    def mae_mw(self, delivered_mw: F8) -> float:
        """Mean error of the seconds that count; `delivered_mw` of all seconds."""
        return float(np.abs(self.mw - delivered_mw)[self.skipped :].mean())

    def accuracy_pct(self, mae_mw: float) -> float:
        """Tracking accuracy of a mean error."""
        return 100.0 * (1.0 - mae_mw / self.regulation_mw)


def of(scenario: Scenario, fleet: Fleet, request_mw: F8 | None = None) -> Request:
    """Request of a run; `request_mw`: as it was recorded, mean of each second.

    Raises OracleError, SignalError.
    """
    seconds = int(scenario.duration_s)
    skipped = SKIPPED_SHORT_S if scenario.duration_s < SHORT_RUN_S else SKIPPED_S
    if seconds <= skipped:
        raise OracleError(
            f"duration_s: {scenario.duration_s:g} s leaves nothing to score:"
            f" the first {skipped} s do not count"
        )
    if seconds > LONGEST_S:
        raise OracleError(
            f"duration_s: {seconds} s is too long for the bound, at most {LONGEST_S} s are possible"
        )
    if not fleet.regulation_mw > 0.0:
        raise OracleError("regulation_mw: is 0, there is no regulation capacity to measure against")
    if request_mw is None:
        request_mw = _of_agc(scenario, fleet, seconds)
    if request_mw.shape != (seconds,) or not np.isfinite(request_mw).all():
        raise OracleError(f"request_mw: needs {seconds} finite values, one a second")
    return Request(
        mw=request_mw,
        skipped=skipped,
        lead_s=LEAD_VALUES * scenario.signal.interval_s,
        regulation_mw=fleet.regulation_mw,
    )


def _of_agc(scenario: Scenario, fleet: Fleet, seconds: int) -> F8:
    if scenario.droop is not None and scenario.frequency.kind != NONE:
        raise OracleError("droop: the request depends on the frequency; it must be that of a run")
    sent_s, pu = _sent(scenario)
    return fleet.basepoint_mw + held_means(sent_s, pu, seconds) * fleet.regulation_mw


def _sent(scenario: Scenario) -> tuple[F8, F8]:
    """Instants and values that the TSO sends; none while its link is cut."""
    interval_s = scenario.signal.interval_s
    series = signal.series(scenario.signal, scenario.seed, scenario.duration_s)
    count = int(scenario.duration_s / interval_s) + 1
    sent_s = np.arange(count, dtype=np.float64) * interval_s
    cuts = [event for event in scenario.events if event.kind == "agc_cut"]
    cut = np.zeros(sent_s.size, dtype=bool)
    for event in cuts:
        cut |= (sent_s >= event.at_s) & (sent_s < event.at_s + event.duration_s)
    cut[0] = False  # the first value was sent before the run began
    sent_s = sent_s[~cut]
    pu = np.array([series.at(t_s) for t_s in sent_s.tolist()], dtype=np.float64)
    return sent_s, pu


def held_means(t_s: F8, value: F8, seconds: int) -> F8:
    """Mean over each second of a value that is held from `t_s` (first one 0) to the next."""
    edges_s = np.append(t_s, max(float(seconds), t_s[-1] + 1.0))
    integral = np.concatenate(([0.0], np.cumsum(value * np.diff(edges_s))))
    return np.asarray(np.diff(np.interp(np.arange(seconds + 1.0), edges_s, integral)))
