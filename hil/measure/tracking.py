"""How closely the simulated plant followed what the TSO sent, with the markets' scores."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.droop import asked_mw
from hil.measure.inputs import Recording
from hil.measure.journal import Ticks
from hil.measure.plant import Traces, second_means
from vppd.market import china, pjm
from vppd.market.series import hold, hold_means
from vppd.market.tracking import accuracy_pct, mae_mw

F8 = NDArray[np.float64]
PJM_SHORTEST_S = 900.0
PJM_PARTS = ("score", "correlation", "delay", "precision")
# Nobody knows where in the signal's rhythm the market's clock of 10 s stands. On it, each sample
# falls on the instant of a step, and a plant that follows at once seems late by the whole step;
# half a second beside it, never. So it is scored from each of these starts, over one sample.
PJM_PHASES_S = np.arange(20) * 0.5
BEYOND_PU = 0.05  # PJM's RegD reaches 1.02
Notes = dict[str, str]


@dataclass(frozen=True, slots=True)
class Seconds:
    """The rows of `trace.csv`, shape (seconds,). NaN where something was not measured."""

    t_s: F8  # start of the second, since the start of the run
    signal_pu: F8
    request_mw: F8
    plant_mw: F8
    unserved_mw: F8
    frequency_hz: F8  # as the TSO sent it, held
    droop_mw: F8  # part of the request: what the droop asks for at that frequency


def skipped_s(duration_s: float) -> float:
    """Start of a run that tracking figures leave out, s."""
    return 15.0 if duration_s < 120.0 else 60.0


def seconds(run: Recording, plant: Traces, ticks: Ticks | None) -> Seconds:
    """Means of each second: the request as it was sent and held, the plant from its physics.

    The first value counts from the start of the second in which it was sent.
    """
    sent_s, sent_pu = commands(run)
    if sent_s.size:
        sent_s[0] = run.t0_s + np.floor(sent_s[0] - run.t0_s)
    signal_pu = hold_means(sent_s, sent_pu, run.edges_s)
    droop_mw = hold_means(run.frequency.t_sent_s, sent_droop_mw(run), run.edges_s)
    droop_mw = np.nan_to_num(droop_mw, nan=0.0)  # before the first frequency there is none
    unserved_mw = np.full(run.seconds, np.nan)
    if ticks is not None and ticks.now_s.size:
        unserved_mw = hold_means(ticks.now_s, ticks.unserved_mw, run.edges_s)
    return Seconds(
        t_s=np.arange(run.seconds, dtype=np.float64),
        signal_pu=signal_pu,
        request_mw=(run.units.basepoint_mw.sum() + signal_pu * run.units.regulation_mw + droop_mw),
        plant_mw=second_means(run, plant.t_s, plant.total_mw),
        unserved_mw=unserved_mw,
        frequency_hz=hold_means(run.frequency.t_sent_s, run.frequency.freq_hz, run.edges_s),
        droop_mw=droop_mw,
    )


def commands(run: Recording) -> tuple[F8, F8]:
    """AGC values that ask for something: instants and values, shape (k,).

    More than what was sold is not owed: a value a little beyond ±1, as recorded signals have them,
    is clipped. One far beyond is no command, and the one before it stands.
    """
    asks = np.abs(run.agc.pu) <= 1.0 + BEYOND_PU
    return run.agc.t_sent_s[asks], np.clip(run.agc.pu[asks], -1.0, 1.0)


def sent_droop_mw(run: Recording) -> F8:
    """What the droop asks for at each frequency that was sent; nothing where there is no droop."""
    freq_hz, droop = run.frequency.freq_hz, run.grid.droop
    if droop is None:
        return np.zeros_like(freq_hz)
    return asked_mw(freq_hz, droop, run.grid.source.nominal_hz)


def request_steps(run: Recording) -> tuple[F8, F8]:
    """Request as it was sent: instants of the run's clock, and what holds from each on, MW."""
    sent_s, sent_pu = commands(run)
    if not sent_s.size:
        return np.zeros(0), np.zeros(0)
    t_s = np.union1d(sent_s, run.frequency.t_sent_s)
    pu = hold(sent_s, sent_pu, t_s)
    request_mw = run.units.basepoint_mw.sum() + pu * run.units.regulation_mw
    return t_s, request_mw + _droop_at(run, t_s)


def _droop_at(run: Recording, t_s: F8) -> F8:
    """What the droop asks for at instants, by the frequency held, MW."""
    if not run.frequency.t_sent_s.size:
        return np.zeros_like(t_s)
    return np.nan_to_num(hold(run.frequency.t_sent_s, sent_droop_mw(run), t_s), nan=0.0)


def figures(run: Recording, plant: Traces, rows: Seconds) -> tuple[dict[str, Any], Notes]:
    """Give `tracking` of the result, and the reasons for what is null in it."""
    basis_mw = run.units.regulation_mw
    skip_s = skipped_s(run.duration_s)
    found: dict[str, Any] = {
        "basis_mw": basis_mw,
        "accuracy_pct": None,
        "mae_mw": None,
        "rate_mw_per_min": None,
        "regulation_accuracy_pct": None,
        "pjm": None,
        "china": None,
        "skipped_s": skip_s,
    }
    notes: Notes = {}
    _accuracy(rows, skip_s, basis_mw, found, notes)
    since_s, until_s = run.t0_s + skip_s, run.t0_s + run.seconds
    inside = (plant.t_s >= since_s) & (plant.t_s <= until_s)
    # the markets score regulation: what the droop asks for is not theirs
    t_s = plant.t_s[inside]
    power_mw = plant.total_mw[inside] - _droop_at(run, t_s)
    reason = _unusable(run, t_s, power_mw)
    _china(run, t_s, power_mw, reason, found, notes)
    _pjm(run, t_s, power_mw, reason, found, notes)
    return found, notes


def _accuracy(
    rows: Seconds, skip_s: float, basis_mw: float, found: dict[str, Any], notes: Notes
) -> None:
    """Accuracy and mean error over all seconds; over the measured ones apart, if some are not."""
    late = rows.t_s >= skip_s
    request, plant = rows.request_mw[late], rows.plant_mw[late]
    known = np.isfinite(request) & np.isfinite(plant)
    found["seconds"] = int(late.sum())
    found["seconds_not_measured"] = int((~known).sum())
    keys = ("tracking.accuracy_pct", "tracking.mae_mw")
    if not late.any():
        notes.update(dict.fromkeys(keys, f"the run is not longer than the {skip_s:g} s left out"))
        return
    if not basis_mw > 0.0:
        notes[keys[0]] = "no regulation capacity to measure against"
    if known.any():
        measured = {
            "mae_mw": mae_mw(request[known], plant[known]),
            "accuracy_pct": (
                accuracy_pct(request[known], plant[known], basis_mw) if basis_mw > 0.0 else None
            ),
        }
    else:
        measured = {"mae_mw": None, "accuracy_pct": None}
    if known.all():
        found.update(measured)
    else:
        found["measured_seconds_only"] = measured
        missing = int((~known).sum())
        reason = f"{missing} of {known.size} s have no record of the whole plant or of the signal"
        notes.update(dict.fromkeys(keys, reason))


def _unusable(run: Recording, t_s: F8, power_mw: F8) -> str:
    """Why the scores cannot be worked out; an empty text if they can."""
    if t_s.size < 2:
        return "the run is too short"
    if not run.units.regulation_mw > 0.0:
        return "no regulation capacity"
    sent_s, _ = commands(run)
    if sent_s.size == 0 or sent_s[0] > t_s[0]:
        return "no AGC value had been sent when scoring begins"
    holes = int(np.isnan(power_mw).sum())
    return f"{holes / 10:.1f} s of the plant's power are not recorded" if holes else ""


def _china(
    run: Recording, t_s: F8, power_mw: F8, reason: str, found: dict[str, Any], notes: Notes
) -> None:
    keys = ("tracking.china", "tracking.rate_mw_per_min", "tracking.regulation_accuracy_pct")
    if reason:
        notes.update(dict.fromkeys(keys, reason))
        return
    rated_mw = run.units.capacity_mw
    asked_s, asked_pu = commands(run)
    later = (asked_s > t_s[0]) & (asked_s < t_s[-1])
    sent_s = np.concatenate((t_s[:1], asked_s[later]))
    pu = hold(asked_s, asked_pu, sent_s)
    request_mw = run.units.basepoint_mw.sum() + pu * run.units.regulation_mw
    new = china.new_commands(sent_s, request_mw, rated_mw)
    rated = china.rate_commands(new, t_s, power_mw, rated_mw)
    try:
        score = china.summarise(rated, rated_mw)
    except ValueError:
        outcomes = Counter(c.outcome.value.replace("_", " ") for c in rated)
        parts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.items())
        told = f"no valid command ({len(rated)} were sent{': ' if parts else ''}{parts})"
        notes.update(dict.fromkeys(keys, told))
        return
    found["china"] = {
        "k1": score.k1,
        "k2": score.k2,
        "k3": score.k3,
        "kp": score.kp,
        "rated_mw": rated_mw,
        "commands": score.outcomes,
    }
    found["rate_mw_per_min"] = score.rate_mw_per_min
    found["regulation_accuracy_pct"] = score.regulation_accuracy_pct


def _pjm(
    run: Recording, t_s: F8, power_mw: F8, reason: str, found: dict[str, Any], notes: Notes
) -> None:
    if run.duration_s < PJM_SHORTEST_S:
        reason = f"the run is shorter than {PJM_SHORTEST_S / 60:g} minutes"
    if reason:
        notes["tracking.pjm"] = reason
        return
    signal_pu = hold(*commands(run), t_s)
    response_pu = (power_mw - run.units.basepoint_mw.sum()) / run.units.regulation_mw
    scores = [
        pjm.combine(pjm.score_series(t_s[since], signal_pu[since], response_pu[since]))
        for since in (t_s >= t_s[0] + phase_s for phase_s in PJM_PHASES_S)
    ]
    found["pjm"] = {
        **{part: float(np.mean([getattr(s, part) for s in scores])) for part in PJM_PARTS},
        "lowest": min(score.score for score in scores),
        "highest": max(score.score for score in scores),
    }
