"""One control tick, as a pure function: the only entry to the core.

    image -> signal -> mode -> request -> who takes part -> limits -> sides of bands
          -> what is under way -> split -> guard -> promise -> decision

No clock, no I/O, no log, no randomness, no suspension point: the same (state, image, params)
give the same bits, live, on the bench and in replay.
"""

from math import inf, isnan, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vppd.core.allocation import Box, Split, held_by, split, split_of
from vppd.core.bands import Sides, take_sides
from vppd.core.drafts import draft_of, freeze
from vppd.core.events import REFUSED, changes, unserved_told
from vppd.core.guards import is_fresh, judge_agc
from vppd.core.headroom import Promise, award_short_mw, is_award_short, promised
from vppd.core.modes import next_mode
from vppd.core.request import droop_mw, regulation_in_force_pu, regulation_mw
from vppd.core.response import Foresight, look_ahead, slow_part_mw
from vppd.core.trust import as_measured, pardoned
from vppd.core.types import (
    F8,
    U1,
    Decision,
    Image,
    Mode,
    Order,
    Params,
    Policy,
    Reason,
    State,
    Verdict,
)
from vppd.kernels import able as able_kernel
from vppd.kernels import fits, grid, guard, record, rows, status, sums, tally
from vppd.kernels.jit import entry

_guard_setpoints = entry(guard.guard_setpoints)
_fit_to_grid = entry(grid.fit_to_grid)
_find_able = entry(able_kernel.find_able)
_sum_in_order = entry(sums.sum_in_order)
_count_known = entry(tally.count_known)
_record, _record_ahead = entry(record.record), entry(record.record_ahead)

# Looked up once: to get at a member of an enumeration takes as long as to add two arrays.
TAKES_PART, CROSSED = int(Reason.NONE), int(Reason.CROSSED)
RESPONSE_AWARE = int(Policy.RESPONSE_AWARE)
MODES, ORDERS = tuple(Mode), tuple(Order)  # by number
STARTING, LOCAL, SAFE = Mode.STARTING, Mode.LOCAL, Mode.SAFE
FRESH = Verdict.FRESH
NOTHING = np.empty(0)
StateDraft, DecisionDraft = draft_of(State), draft_of(Decision)

FLEET_TOLERANCE_MW = 1e-3  # 1 kW: far above rounding, far below what anybody can see
DT_MAX_TICKS = 2.0  # a ramp never makes up for more than this much lost time

Mask = NDArray[np.bool_]


class Asked(NamedTuple):
    """What is asked of the plant in this tick."""

    mode: Mode
    verdict: Verdict
    agc_pu: float
    regulation_pu: float
    regulation_mw: float
    droop_mw: float
    basepoint_sum_mw: float
    request_mw: float


class Able(NamedTuple):
    """What the units can do in this tick. Arrays of shape (n,)."""

    out_reason: U1
    takes: U1  # 1: a setpoint can be sent to it
    last_mw: F8
    box: Box
    benched: int  # how many units are
    block: F8  # (ABLE_ROWS, n), see `kernels.rows`
    sides: Sides | None = None  # of exclusion bands, where any unit has one; the box is within


class Kept(NamedTuple):
    """What the setpoints of this tick come to. Arrays of shape (n,)."""

    send: U1  # 1: the setpoint goes to the unit
    told_mw: F8  # the last that each unit was sent, in this tick or before
    sums_mw: tuple[float, float, float, float, float]  # see `kernels.tally`
    expected_mw: F8  # at the first look-ahead point; without foresight the setpoints
    expected_sum_mw: F8  # (K,) at each
    served_mw: float  # the first of those, or what the setpoints add up to
    doubt: F8 = NOTHING  # after the readings of this tick; nothing where nobody is doubted


def tick(state: State, image: Image, params: Params) -> tuple[State, Decision]:
    """Compute the setpoints of one tick, and the state for the next one.

    Raises nothing for bad data: that is refused, held, or counted by prediction, with a reason.
    Arrays that are not those of the units are no data (`look_at`).
    """
    after, decision, _ = tick_foreseen(state, image, params)
    return after, decision


def tick_foreseen(
    state: State, image: Image, params: Params
) -> tuple[State, Decision, Foresight | None]:
    """As `tick`, and what it foresaw: for those who ask afterwards why. Raises as `tick`."""
    look_at(state, image, params)
    dt_s = elapsed_s(state, image, params)
    asked, able, ahead = before_the_split(state, image, params, dt_s)
    done, held = share(asked, able, image, params, state.lam, ahead)
    put_on_the_grid(done.p_mw, able, params)
    dropped_mw = second_guard(done.p_mw, held, able, image, params, dt_s)
    kept = what_is_kept(state, image, params, asked.mode, able, done.p_mw, held, ahead)
    promise = what_is_promised(image, params, asked, able, ahead)
    after, decision = conclude(
        state, image, params, asked, able, ahead, done, kept, held, dropped_mw, promise
    )
    return after, decision, ahead


def look_at(state: State, image: Image, params: Params) -> None:
    """Look at type and length of every array: below, nothing does.

    Raises
    ------
    TypeError
        One has not the type of its field, or is not in C order.
    ValueError
        One is not of one entry a unit.
    """
    n = params.fixed.n  # looked at the parameters
    if not fits.image_fits(
        n, image.basepoint_mw, image.p_meas_mw, image.measured_at_s, image.soc_pu,
        image.p_avail_min_mw, image.p_avail_max_mw, image.accepted_mw, image.accepted_at_s,
        image.operator_mw, image.energy_mwh, image.energy_at_s, image.quality,
        image.write_result, image.remote, image.connected, image.locked,
    ):  # fmt: skip
        raise ValueError(f"the arrays of the image are not of {n} units")
    if not fits.state_fits(
        n, state.p_setpoint_mw, state.p_model_mw, state.p_offset_mw, state.p_seen_s,
        state.told_mw, state.side_since_s, state.switches_left, state.recovery_mw, state.doubt,
        state.benched_s, state.bench_wait_s, state.out_reason, state.sent, state.side,
        state.past_mw, state.when_s, state.ahead_price,
    ):  # fmt: skip
        raise ValueError(f"the arrays of the state are not of {n} units")


def before_the_split(
    state: State, image: Image, params: Params, dt_s: float
) -> tuple[Asked, Able, Foresight | None]:
    """What is asked, what is possible, and what is under way."""
    asked = what_is_asked(state, image, params, dt_s)
    slow_mw = slow_part_mw(state, params, asked.request_mw - asked.basepoint_sum_mw, dt_s)
    able = what_is_possible(state, image, params, asked.mode, dt_s)
    able = what_bands_leave(state, image, params, asked, able, slow_mw, dt_s)
    return asked, able, what_will_be(state, image, params, asked, able, slow_mw)


def elapsed_s(state: State, image: Image, params: Params) -> float:
    """Time since the last tick, s; one period at the first. Bounded, and never negative."""
    if isnan(state.now_s):
        return params.tick_s
    return min(max(0.0, image.now_s - state.now_s), DT_MAX_TICKS * params.tick_s)


def what_is_asked(state: State, image: Image, params: Params, dt_s: float) -> Asked:
    """Signal through its guards, mode, and the request that follows, MW."""
    verdict, agc_pu = judge_agc(state, image, params)
    accepted_s = image.agc_received_s if verdict is FRESH else state.agc_accepted_s
    before = MODES[state.mode]
    known = _count_known(image.measured_at_s) if before is STARTING else image.measured_at_s.size
    mode = next_mode(
        before,
        order=ORDERS[image.order],
        any_unit_known=known > 0,
        all_units_known=known == image.measured_at_s.size,
        signal_good=is_fresh(accepted_s, image.now_s, params.agc_stale_after_s),
        in_mode_s=image.now_s - state.mode_since_s,
        hold_s=params.hold_s,
        regulation_pu=state.regulation_pu,
    )
    in_force_pu = regulation_in_force_pu(
        mode, agc_pu, state.regulation_pu, dt_s, params.return_rate_pu_per_s
    )
    asked_mw = regulation_mw(
        in_force_pu, image.regulation_capacity_up_mw, image.regulation_capacity_down_mw
    )
    response_mw = 0.0 if mode is LOCAL or mode is SAFE else droop_mw(image, params)
    plan_mw = params.safe_mw if mode is SAFE else image.basepoint_mw
    plan_sum_mw = _sum_in_order(plan_mw)
    return Asked(
        mode, verdict, agc_pu, in_force_pu, asked_mw, response_mw, plan_sum_mw,
        plan_sum_mw + asked_mw + response_mw,
    )  # fmt: skip


def what_is_possible(state: State, image: Image, params: Params, mode: Mode, dt_s: float) -> Able:
    """Who takes part, and every limit folded into one box for each unit."""
    fixed, n = params.fixed, params.fixed.n
    if image.pardon >= 0:
        state = pardoned(state, image.pardon)
    able, flags = np.empty((rows.ABLE_ROWS, n)), np.empty((rows.FLAG_ROWS, n), np.uint8)
    benched = _find_able(
        image.now_s, state.now_s, dt_s, mode is SAFE, fixed.doubt_max_pu, params.soc_horizon_s,
        fixed.units,
        state.p_setpoint_mw, state.told_mw, state.doubt, state.benched_s, state.bench_wait_s,
        state.sent, state.out_reason,
        image.p_meas_mw, image.measured_at_s, image.accepted_mw, image.accepted_at_s,
        image.operator_mw, image.basepoint_mw, image.soc_pu,
        image.p_avail_min_mw, image.p_avail_max_mw,
        image.quality, image.write_result, image.remote, image.connected, image.locked,
        able, flags,
    )  # fmt: skip
    able.setflags(False)  # type: ignore[call-arg]  # see `seal`: its rows with it
    flags.setflags(False)  # type: ignore[call-arg]
    box = Box(
        able[rows.LOWER], able[rows.UPPER], flags[rows.LOWER_WHY], flags[rows.UPPER_WHY],
        able[rows.RANGE_LOWER], able[rows.RANGE_UPPER],
    )  # fmt: skip
    return Able(flags[rows.OUT], flags[rows.TAKES], able[rows.LAST], box, benched, able)


def what_bands_leave(
    state: State, image: Image, params: Params, asked: Asked, able: Able, slow_mw: float,
    dt_s: float,
) -> Able:  # fmt: skip
    """The same with the limits of the sides that units take of their exclusion bands."""
    if params.fixed.banded == 0:
        return able
    foreseen = params.policy == RESPONSE_AWARE
    sides = take_sides(
        state, image, params, asked.mode, able.box, able.out_reason, able.last_mw,
        asked.basepoint_sum_mw + slow_mw if foreseen else asked.request_mw, dt_s,
    )  # fmt: skip
    return able._replace(box=sides.box, sides=sides)


def what_will_be(
    state: State, image: Image, params: Params, asked: Asked, able: Able, slow_mw: float
) -> Foresight | None:
    """Foresight of the next seconds, for the policy that uses it."""
    if params.policy != RESPONSE_AWARE:
        return None
    plan_mw = params.safe_mw if asked.mode is SAFE else image.basepoint_mw
    lasting = able.box.range_lower_mw, able.box.range_upper_mw
    if able.sides is not None:
        lasting = able.sides.lasting_lower_mw, able.sides.lasting_upper_mw
    ahead = look_ahead(
        state, image, params, able.last_mw, *lasting, able.box.lower_mw, able.box.upper_mw,
        plan_mw, asked.request_mw, slow_mw,
    )  # fmt: skip
    return ahead if able.benched == 0 else as_measured(ahead, image, able.out_reason)


def share(
    asked: Asked, able: Able, image: Image, params: Params, lam: float, ahead: Foresight | None
) -> tuple[Split, U1]:
    """Setpoints, MW, and the Reason that bound each unit."""
    box = able.box
    if asked.mode is SAFE:
        p_mw = np.minimum(np.maximum(params.safe_mw, box.lower_mw), box.upper_mw)
        return split_of(p_mw, status.OK, 0.0, 0.0, nan), held_by(p_mw, box)
    done, held = split(asked.request_mw, image.basepoint_mw, able.last_mw, box, lam, params, ahead)
    code = fleet_status(done, asked.request_mw)
    if code in REFUSED:  # a bug or a bit flip: hold, and say so
        held = np.full_like(able.out_reason, Reason.GUARD)
        stay_mw = np.where(able.out_reason == TAKES_PART, able.last_mw, box.lower_mw)
        return split_of(stay_mw, code, 0.0, done.kkt_mw, nan), held
    return done, held


def fleet_status(done: Split, request_mw: float) -> int:
    """Status of a split, after a check of what it claims: served means that the sum is right."""
    if done.status != status.OK:
        return done.status
    missed_mw = abs(request_mw - done.served_mw)
    return status.OK if missed_mw <= FLEET_TOLERANCE_MW else status.MISMATCH


def put_on_the_grid(p_mw: F8, able: Able, params: Params) -> None:
    """Round the setpoints, in place, to the grids of their units, within their limits.

    Who was held by a limit still is, though the last part of a step below it. What a unit loses
    another one gets, so the sum stays as right as one step is small.
    """
    if params.fixed.gridless:
        return
    _fit_to_grid(
        params.steps_per_mw, able.last_mw, able.box.lower_mw, able.box.upper_mw,
        params.fixed.member, np.empty(params.group_parent.size + 1), p_mw,
    )  # fmt: skip


def second_guard(
    p_mw: F8, held: U1, able: Able, image: Image, params: Params, dt_s: float
) -> dict[int, float]:
    """Check every setpoint again in code that shares nothing with the limits; drop what fails.

    A dropped unit keeps its last setpoint, in `p_mw`. Returns the refused ones by unit, MW.
    """
    failed = np.empty(len(params.ids), np.uint8)
    count = _guard_setpoints(
        p_mw, able.last_mw, params.fixed.units, dt_s, image.p_avail_min_mw, image.p_avail_max_mw,
        image.soc_pu, params.soc_horizon_s, able.out_reason, failed,
    )  # fmt: skip
    if count == 0:
        return {}
    bad = np.flatnonzero(failed).tolist()
    dropped_mw = {i: float(p_mw[i]) for i in bad}
    p_mw[bad] = able.last_mw[bad]
    held[bad] = Reason.GUARD
    return dropped_mw


def what_is_promised(
    image: Image, params: Params, asked: Asked, able: Able, ahead: Foresight | None
) -> Promise:
    """How far from the plan the plant can be moved, and held there."""
    return promised(
        asked.mode, image, params, able.out_reason, able.last_mw,
        able.box.range_lower_mw, able.box.range_upper_mw, ahead,
    )  # fmt: skip


def what_is_kept(
    state: State, image: Image, params: Params, mode: Mode, able: Able, p_mw: F8, held: U1,
    ahead: Foresight | None,
) -> Kept:  # fmt: skip
    """What the setpoints that leave come to, for the next tick and in sums; completes `held`."""
    box, n = able.box, p_mw.size
    send = np.zeros_like(able.takes) if mode is STARTING else able.takes
    told_mw = np.empty(n)
    sums_mw = _record(
        send, p_mw, state.told_mw, able.out_reason, box.lower_mw, box.upper_mw,
        box.range_lower_mw, box.range_upper_mw, told_mw, held,
    )  # fmt: skip
    if ahead is None:
        return Kept(send, told_mw, sums_mw, p_mw, NOTHING, _sum_in_order(p_mw))
    fixed = params.fixed
    expected_mw, sum_mw, doubt = np.empty(n), np.empty(ahead.ahead_s.size), np.empty(n)
    served_mw = _record_ahead(
        fixed.doubt_max_pu, send, p_mw, fixed.past_end, fixed.units, able.block, ahead.block,
        ahead.free_mw, ahead.gain_pu,
        image.p_meas_mw, state.p_seen_s, image.p_avail_min_mw, image.p_avail_max_mw,
        state.out_reason, able.out_reason,
        ahead.past_mw, expected_mw, sum_mw, doubt,
    )  # fmt: skip
    return Kept(send, told_mw, sums_mw, expected_mw, sum_mw, served_mw, doubt)


def conclude(
    state: State, image: Image, params: Params, asked: Asked, able: Able,
    ahead: Foresight | None, done: Split, kept: Kept, held: U1,
    dropped_mw: dict[int, float], promise: Promise,
) -> tuple[State, Decision]:  # fmt: skip
    """Put state and decision together."""
    short_mw = award_short_mw(promise, image)
    unserved_mw = asked.request_mw - kept.served_mw
    after = StateDraft()
    _keep_signal(after, state, image, asked)
    after.lam = done.lam if abs(done.lam) < inf else 0.0
    after.unserved = unserved_told(state.unserved, unserved_mw, asked.mode)
    after.award_short = is_award_short(state.award_short, asked.mode, short_mw, image, params)
    after.p_setpoint_mw, after.sent, after.told_mw = done.p_mw, kept.send, kept.told_mw
    _keep_units(after, state, params, able, kept)
    _keep_model(after, state, ahead, done)
    freeze(after, State)
    events = changes(state, after, unserved_mw, done.status, dropped_mw, max(short_mw))
    decision = DecisionDraft()
    decision.tick = image.tick
    _tell_request(decision, asked)
    _tell_split(decision, able, done, kept, held)
    decision.served_mw, decision.unserved_mw = kept.served_mw, unserved_mw
    decision.event_code, decision.event_index, decision.event_value = events
    _tell_foresight(decision, done, kept, ahead)
    _tell_promise(decision, promise)
    freeze(decision, Decision)
    seal(after, decision)
    return after, decision


def _keep_signal(after: Any, state: State, image: Image, asked: Asked) -> None:
    """Fields of the next state: the signal, and the mode."""
    fresh = asked.verdict is FRESH
    begins = asked.mode != state.mode or isnan(state.mode_since_s)
    after.now_s = image.now_s
    after.mode, after.verdict = asked.mode, asked.verdict
    after.mode_since_s = image.now_s if begins else state.mode_since_s
    after.agc_pu, after.regulation_pu = asked.agc_pu, asked.regulation_pu
    after.agc_accepted_s = image.agc_received_s if fresh else state.agc_accepted_s
    after.agc_seen_s = image.agc_received_s
    after.agc_sequence = image.agc_sequence if fresh else state.agc_sequence


def _keep_units(after: Any, state: State, params: Params, able: Able, kept: Kept) -> None:
    """Who takes part, sides of bands and trust; what was not used stays."""
    after.out_reason = able.out_reason
    sides = able.sides
    after.side = state.side if sides is None else sides.side
    after.side_since_s = state.side_since_s if sides is None else sides.since_s
    after.switches_left = state.switches_left if sides is None else sides.switches_left
    if params.fixed.doubt_max_pu > 0.0:
        after.doubt = kept.doubt
        after.benched_s = able.block[rows.BENCHED_S]
        after.bench_wait_s = able.block[rows.BENCH_WAIT_S]
    else:
        after.doubt = state.doubt
        after.benched_s, after.bench_wait_s = state.benched_s, state.bench_wait_s


def _keep_model(after: Any, state: State, ahead: Foresight | None, done: Split) -> None:
    """What is under way; without foresight as it was."""
    if ahead is None:
        after.slow_mw, after.recovery_mw = state.slow_mw, state.recovery_mw
        after.p_model_mw, after.p_offset_mw = state.p_model_mw, state.p_offset_mw
        after.p_seen_s, after.ahead_price = state.p_seen_s, state.ahead_price
        after.past_mw, after.when_s = state.past_mw, state.when_s
        return
    units = ahead.block
    after.slow_mw, after.recovery_mw = ahead.slow_mw, units[rows.RECOVERY]
    after.p_model_mw, after.p_offset_mw = units[rows.MODEL], units[rows.OFFSET]
    after.p_seen_s = units[rows.SEEN]
    after.ahead_price = done.price if done.price.size else ahead.ahead_price
    after.past_mw, after.when_s = ahead.past_mw, ahead.when_s


def _tell_request(decision: Any, asked: Asked) -> None:
    """Fields of the decision: what was asked."""
    decision.mode, decision.verdict = asked.mode, asked.verdict
    decision.regulation_pu, decision.regulation_mw = asked.regulation_pu, asked.regulation_mw
    decision.droop_mw = asked.droop_mw
    decision.basepoint_sum_mw, decision.request_mw = asked.basepoint_sum_mw, asked.request_mw


def _tell_split(decision: Any, able: Able, done: Split, kept: Kept, held: U1) -> None:
    """Setpoints, their certificate, and within which limits they are."""
    box = able.box
    (
        decision.held_mw,
        decision.headroom_mw,
        decision.footroom_mw,
        decision.range_up_mw,
        decision.range_down_mw,
    ) = kept.sums_mw
    decision.lam, decision.kkt_mw, decision.status = done.lam, done.kkt_mw, done.status
    decision.p_setpoint_mw, decision.send, decision.held_by = done.p_mw, kept.send, held
    decision.lower_mw, decision.upper_mw = box.lower_mw, box.upper_mw
    decision.lower_reason, decision.upper_reason = box.lower_reason, box.upper_reason
    decision.group_price, decision.group_missed_mw = done.group_price, done.group_missed_mw


def _tell_foresight(
    decision: Any, done: Split, kept: Kept, ahead: Foresight | None
) -> None:  # fmt: skip
    """What is expected of the setpoints."""
    if ahead is None:
        decision.target_mw, decision.expected_mw = np.full_like(done.p_mw, nan), done.p_mw
        decision.ahead_s = decision.ahead_wanted_mw = NOTHING
        decision.ahead_expected_mw = decision.ahead_price = NOTHING
        return
    decision.target_mw, decision.expected_mw = ahead.block[rows.TARGET], kept.expected_mw
    decision.ahead_s, decision.ahead_wanted_mw = ahead.ahead_s, ahead.request_mw
    decision.ahead_expected_mw = kept.expected_sum_mw
    decision.ahead_price = done.price if done.price.size else np.full(ahead.ahead_s.size, nan)


def _tell_promise(decision: Any, promise: Promise) -> None:
    """What can be promised."""
    decision.promise_s = promise.s
    decision.promise_up_mw, decision.promise_down_mw = promise.up_mw, promise.down_mw
    decision.promise_firm_up_mw = promise.firm_up_mw
    decision.promise_firm_down_mw = promise.firm_down_mw


def seal(state: State, decision: Decision) -> None:
    """Make every array read-only: journal, devices and status share them without copies.

    What comes of the last state, of a block of rows or of `take_sides` is so already. By position:
    given by its name, the argument costs three times the call.
    """
    for array in (
        state.p_setpoint_mw, state.sent, state.told_mw, state.past_mw, state.when_s,
        state.ahead_price, state.doubt, decision.held_by, decision.target_mw,
        decision.expected_mw, decision.ahead_wanted_mw, decision.ahead_expected_mw,
        decision.ahead_price, decision.group_price, decision.group_missed_mw,
    ):  # fmt: skip
        array.setflags(False)  # type: ignore[call-arg]  # numpy takes it
