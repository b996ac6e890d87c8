"""No unit is told to leave its rating, ramp, state of charge, or the range that it reports.

The setpoints themselves are checked by `hil.measure.limits`, at their reception and against the
simulated physics. It holds each step against the setpoint received before. What it finds is sifted
here: a step is right, too, if the ramp allows it from

1. the last setpoint that the unit took: a refused one is not in force;
2. the last setpoint that the daemon heard was taken (by its journal): where answers were lost, it
   cannot know of the later ones;
3. where the unit truly is, within the age and the noise of a reading, or the edge of its rating
   next to that: when it took no setpoint for longer than its watchdog, when the daemon heard of
   none that it took (a daemon that has started anew), and after a trip. While a fault makes its
   readings lie, that may be anywhere;
4. anywhere, if it leads back to the edge of the range that the unit reported, and no further: a
   range that shrinks faster than the ramp is followed at once. Where 3 holds, back from where the
   unit truly is.

A setpoint beyond the range that the unit has is right where the daemon had no reading to tell it:
to a unit that is out of the split for that, the last setpoint that it accepted is said again, so
that it comes back. It may be no other one. Right, too, is what lay within the range that the unit
had when the reading was taken that the tick had, while that reading still counted: where none came
since, or the daemon stood still, it could not know of a narrower one. Where a fault made the news
late (`SLOW_NEWS`), that is the widest range over the age of a reading and the way of a slow link;
where telemetry stood still, since it began to.

The time that a ramp has is that from the tick before to the tick that sent the setpoint, at most
two periods; in 3 also that since the first of the setpoints before it that were lost.
"""

import numpy as np

from hil.checkers.again import RAMP_TICKS, is_said_again
from hil.checkers.calm import over_s
from hil.checkers.evidence import Evidence
from hil.checkers.violation import Found
from hil.checkers.violation import Violation as Told
from hil.measure.limits import AVAILABLE_SLACK, RAMP_SLACK_S, Violation
from hil.measure.pairing import value_slack_mw
from hil.recording import SetpointFlag

NAME = "limits"
PART = "limits: state of charge"  # a store that is neither empty nor full breaks nothing
WHAT = {
    "rating": "setpoint outside the rating, MW",
    "ramp": "setpoint beyond the ramp, MW",
    "soc": "setpoint drains an empty store, or fills a full one, MW",
    "available": "setpoint beyond what the unit had to give, MW",
}
TRIP, FREEZE = "device_trip", "device_freeze"
SLOW_NEWS = (  # what the unit says of its range comes late, or not at all
    "link_latency", "link_jitter", "link_loss", "link_hang", "link_slow_drip", "link_corrupt",
    "device_nan", FREEZE, "device_clock_step",
)  # fmt: skip
SLOW_LINK_S = 3.0  # a message that slow links delayed is believed so long after it was sent
NOT_TAKEN = int(SetpointFlag.LOST | SetpointFlag.VOID)


def check(evidence: Evidence) -> Found:
    """Take over what `hil.measure.limits` found, but for ramps that begin elsewhere."""
    found = Found(checked=evidence.limits.checked, parts={PART: evidence.limits.at_edge})
    if not evidence.limits.available:
        found.note = "the recording has no available power: rating, ramp and store only"
    for each in evidence.limits.violations:
        if not (each.kind in RIGHT and RIGHT[each.kind](evidence, each)):
            what = WHAT.get(each.kind, each.kind)
            found.violations.append(Told(each.t_s, each.unit, NAME, what, each.p_mw, each.limit_mw))
    return found


def _is_allowed(evidence: Evidence, each: Violation) -> bool:
    """Say whether the ramp allows a step from where it may begin."""
    units, u, tick = evidence.run.units, each.unit, _tick(evidence, each)
    before_s, taken_mw = _taken(evidence, each)
    heard_mw, unheard_s, time_s = np.nan, 0.0, RAMP_TICKS * evidence.settings.tick_s
    if evidence.ticks is not None and tick >= 0:
        ticks = evidence.ticks
        heard_mw = float(ticks.accepted_mw[tick, u])
        unheard_s = float(ticks.now_s[tick] - ticks.accepted_at_s[tick, u])
        time_s = min(time_s, float(ticks.now_s[tick] - ticks.now_s[max(tick - 1, 0)]))
    reach_mw = float(units.ramp_mw_per_s[u] * (time_s + RAMP_SLACK_S) + value_slack_mw(units)[u])
    if any(abs(each.p_mw - begin_mw) <= reach_mw for begin_mw in (taken_mw, heard_mw)):
        return True
    if _is_back_to_edge(evidence, each, taken_mw, float(value_slack_mw(units)[u])):
        return True
    # written so that a NaN, a unit that never took one, is unheard of
    unheard = not unheard_s <= units.watchdog_s[u] - RAMP_SLACK_S
    if not (unheard or _is_elsewhere(evidence, each, before_s)):
        return False
    reach_mw += float(units.ramp_mw_per_s[u] * _lost_for_s(evidence, each, before_s))
    p_mw, noise_mw = evidence.readings_mw(u, each.t_s)
    slack_mw = float(value_slack_mw(units)[u])
    if any(_is_back_to_edge(evidence, each, begin_mw, slack_mw) for begin_mw in p_mw[-1:].tolist()):
        return True
    off_mw = np.abs(each.p_mw - np.clip(p_mw, units.p_min_mw[u], units.p_max_mw[u]))
    return evidence.lies(u, each.t_s) or bool(np.any(off_mw <= reach_mw + noise_mw))


def _is_said_again(evidence: Evidence, each: Violation) -> bool:
    """Say whether a unit of which there was no reading was told what it had accepted last."""
    return is_said_again(evidence, each.unit, _tick(evidence, each), each.p_mw)


def _is_as_read(evidence: Evidence, each: Violation) -> bool:
    """Say whether the unit had it to give when it was read last, not too long before the tick."""
    ticks, tick, u = evidence.ticks, _tick(evidence, each), each.unit
    if ticks is None or tick < 0:
        return False
    read_s = float(ticks.measured_at_s[tick, u])
    # written so that a NaN, a unit that was never read, is no reading
    if not 0.0 <= ticks.now_s[tick] - read_s <= evidence.settings.telemetry_age_max_s:
        return False
    low_mw, high_mw = evidence.had_mw(u, read_s)
    slack_mw = float(value_slack_mw(evidence.run.units)[u])
    slack_mw += AVAILABLE_SLACK * float(evidence.run.units.p_rated_mw[u])
    return low_mw - slack_mw <= each.p_mw <= high_mw + slack_mw


def _is_known(evidence: Evidence, each: Violation) -> bool:
    """Say whether a setpoint beyond the range of now is right by what the daemon knew."""
    return (
        _is_said_again(evidence, each)
        or _is_as_read(evidence, each)
        or _is_late_news(evidence, each)
    )


def _is_late_news(evidence: Evidence, each: Violation) -> bool:
    """Say whether the unit had it to give when the news left that a fault made late."""
    units = evidence.run.units
    left_s = [
        span.since_s if span.kind == FREEZE else each.t_s - SLOW_LINK_S
        for span in evidence.spans
        if span.kind in SLOW_NEWS
        and each.unit in span.units
        and span.since_s <= each.t_s <= over_s(span) + evidence.reading_s
    ]
    if not left_s:
        return False
    slack_mw = float(value_slack_mw(units)[each.unit])
    slack_mw += AVAILABLE_SLACK * float(units.p_rated_mw[each.unit])
    low_mw, high_mw = evidence.reported_mw(each.unit, each.t_s, min(left_s))
    lowest_mw, highest_mw = low_mw.min(initial=np.inf), high_mw.max(initial=-np.inf)
    return bool(lowest_mw - slack_mw <= each.p_mw <= highest_mw + slack_mw)


def _taken(evidence: Evidence, each: Violation) -> tuple[float, float]:
    """Instant and value of the last setpoint that the unit took before; NaN MW: none."""
    orders, mine = evidence.orders, evidence.orders.of(each.unit)
    before = int(np.searchsorted(orders.t_s[mine], each.t_s)) - 1
    if before < 0:
        return evidence.run.t0_s, np.nan
    return float(orders.t_s[mine][before]), float(orders.p_mw[mine][before])


def _tick(evidence: Evidence, each: Violation) -> int:
    """Row of the tick that sent the setpoint in question; -1: not known."""
    rows = evidence.run.setpoints
    first, last = np.searchsorted(rows["t_s"], [each.t_s, np.nextafter(each.t_s, np.inf)])
    sent_by = evidence.paired[first:last][rows["unit"][first:last] == each.unit]
    return int(sent_by.max(initial=-1))


def _is_elsewhere(evidence: Evidence, each: Violation, before_s: float) -> bool:
    """Say whether a unit is no longer where the setpoint before has put it: silence, or a trip."""
    if each.t_s - before_s > evidence.run.units.watchdog_s[each.unit] - RAMP_SLACK_S:
        return True
    return any(
        span.kind == TRIP and each.unit in span.units and before_s <= span.until_s <= each.t_s
        for span in evidence.spans
    )


def _is_back_to_edge(evidence: Evidence, each: Violation, begin_mw: float, slack_mw: float) -> bool:
    """Say whether a step leads from beyond the range that the unit reported to its edge."""
    low_mw, high_mw = evidence.reported_mw(each.unit, each.t_s)
    if each.p_mw < begin_mw:
        return bool(np.any(each.p_mw >= high_mw - slack_mw))
    return bool(np.any(each.p_mw <= low_mw + slack_mw))


def _lost_for_s(evidence: Evidence, each: Violation, before_s: float) -> float:
    """Time since the first setpoint that did not get through since the last one that did."""
    rows = evidence.run.setpoints
    first, last = np.searchsorted(rows["t_s"], [before_s, each.t_s])
    mine = rows[first:last]
    lost = (mine["unit"] == each.unit) & ((mine["flags"] & NOT_TAKEN) != 0)
    return float(each.t_s - mine["t_s"][lost][0]) if lost.any() else 0.0


RIGHT = {"ramp": _is_allowed, "available": _is_known}  # what may be right after all
