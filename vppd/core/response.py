"""What the plant will deliver, and where each unit should be without transients.

The request is to be *delivered*, so the split needs to know what is under way: the free response
of each unit to the setpoints that it has been sent, and how much of a change has arrived by the
look-ahead point (`kernels/response.py`). The slow part of the request is shared by range, so that
slow units carry what lasts, and fast ones only what the slow ones have not delivered yet.
"""

from typing import NamedTuple

import numpy as np

from vppd.core.types import F8, U1, Image, Params, State
from vppd.kernels import aims, exact, headroom, response
from vppd.kernels.jit import entry

_expect = entry(response.expect)
_foresee = entry(response.foresee)
_serve = entry(response.serve)
_shift_rows = entry(response.shift_rows)
_aim = entry(aims.aim)
_economy = entry(aims.economy)
_recover = entry(aims.recover)
_split_exact = entry(exact.split_exact)
_lasting = entry(headroom.lasting)

NAN = float("nan")

CORRECTION = 0.1  # of the difference to a measurement; telemetry is noisy, the model is not
OFFSET_CORRECTION = 0.02
ABLE_PU = 0.5  # of a change has arrived by the second point: the unit counts there
LASTS_S = 1800.0  # a store is not asked for longer what it cannot hold that long
RECOVERY_MAX_PU = 0.1  # of a store's range goes into its own recovery, at most


class Foresight(NamedTuple):
    """What is known of the next seconds. Arrays of shape (n,), (K,) or (K, n)."""

    ahead_s: F8  # (K,) look-ahead points, s from now
    request_mw: F8  # (K,) request there
    free_mw: F8  # (K, n) output there if the last setpoints stand
    gain_pu: F8  # (K, n) part of a change that has arrived by then
    told_mw: F8  # (n,) last setpoints
    stands_mw: F8  # (n,) those of them that arrived: what `free_mw` and `gain_pu` are about
    target_mw: F8  # (n,) where each unit should be without transients
    base_mw: F8  # (n,) where it begins: its plan, and for a store its recovery
    lower_mw: F8  # (n,) its range, as far as it can be held
    upper_mw: F8
    ahead_price: F8  # (K,) multipliers of the last split, the next one's first guess
    slow_mw: float
    recovery_mw: F8  # (n,) what a store needs to come back to the middle of its band
    p_model_mw: F8
    p_offset_mw: F8
    p_seen_s: F8
    off_mw: F8  # new measurements less what was foretold; NaN: there is none
    past_mw: F8  # past setpoints; the last of each unit waits for that of this tick
    when_s: F8  # when they left

    def expected_mw(self, p_mw: F8) -> "Expected":
        """What comes if these setpoints stand."""
        out_mw, sum_mw = np.empty(p_mw.size), np.empty(self.ahead_s.size)
        first_mw = _expect(self.free_mw, self.gain_pu, self.stands_mw, p_mw, out_mw, sum_mw)
        return Expected(out_mw, sum_mw, first_mw)

    def served_mw(self, p_mw: F8) -> float:
        """What comes at the first point."""
        return _serve(self.free_mw, self.gain_pu, self.stands_mw, p_mw)


class Expected(NamedTuple):
    """Output that is expected of setpoints."""

    unit_mw: F8  # (n,) at the first look-ahead point
    sum_mw: F8  # (K,) at each
    served_mw: float  # the first of them; without foresight what the setpoints add up to


def nothing_sent(params: Params) -> tuple[F8, F8]:
    """Past setpoints and their instants before the first one: none is known."""
    return np.full(params.fixed.past_rows, NAN), np.full(params.fixed.when_rows, -np.inf)


def look_ahead(
    state: State, image: Image, params: Params, last_mw: F8,
    range_lower_mw: F8, range_upper_mw: F8, plan_mw: F8, request_mw: float, slow_mw: float,
) -> Foresight:  # fmt: skip
    """Predict the plant's output, and say where each unit should be."""
    n, fixed = last_mw.size, params.fixed
    past_mw, when_s, stands_mw = past(state, image, params, last_mw)
    points = fixed.ahead_s.size
    free_mw, wanted_mw = np.empty((points, n)), np.empty(points)
    model_mw, offset_mw, seen_s, off_mw = np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    wanted_mw.fill(request_mw)
    _foresee(
        state.now_s, image.now_s,
        state.p_model_mw, state.p_offset_mw, state.p_seen_s,
        image.p_meas_mw, image.measured_at_s, image.quality,
        params.dead_time_s, params.lag_s, fixed.past_end,
        CORRECTION, OFFSET_CORRECTION, fixed.snap_mw, last_mw, past_mw, when_s, fixed.ahead_s,
        model_mw, offset_mw, seen_s, off_mw, free_mw,
    )  # fmt: skip
    lower_mw, upper_mw = lasting_mw(range_lower_mw, range_upper_mw, image, params)
    back_mw = recovery_mw(state, image, params)
    target_mw, base_mw = economic_mw(slow_mw, plan_mw, back_mw, lower_mw, upper_mw, params)
    return Foresight(
        fixed.ahead_s, wanted_mw, free_mw, fixed.gain_pu, last_mw, stands_mw,
        target_mw, base_mw, lower_mw, upper_mw,
        first_price(state, points), slow_mw, back_mw, model_mw, offset_mw, seen_s,
        off_mw, past_mw, when_s,
    )  # fmt: skip


def slow_part_mw(state: State, params: Params, asked_mw: float, dt_s: float) -> float:
    """Slow part of what is asked on top of the plan, MW: after a first-order low pass."""
    part = dt_s / (params.slow_s + dt_s) if params.slow_s > 0.0 else 1.0  # dt_s may be 0
    return state.slow_mw + (asked_mw - state.slow_mw) * part


def first_price(state: State, points: int) -> F8:
    """Multipliers of the last split; NaN where there are none to begin with."""
    fits = state.ahead_price.size == points
    return state.ahead_price if fits else np.full(points, NAN)


def past(state: State, image: Image, params: Params, last_mw: F8) -> tuple[F8, F8, F8]:
    """Past setpoints as they arrived, with room for this tick's; their instants; the newest."""
    before_mw, before_s = state.past_mw, state.when_s
    fixed = params.fixed
    if before_mw.size != fixed.past_rows or before_s.size != fixed.when_rows:
        # from a journal that knew of none, or counted otherwise
        before_mw, before_s = nothing_sent(params)
    past_mw, when_s = np.empty(before_mw.size), np.empty(before_s.size)
    stands_mw = np.empty(last_mw.size)
    _shift_rows(
        image.now_s, params.tick_s, before_s, fixed.past_end, before_mw,
        image.accepted_mw, image.accepted_at_s, image.write_result, state.out_reason,
        last_mw, past_mw, when_s, stands_mw,
    )  # fmt: skip
    return past_mw, when_s, stands_mw


def lasting_mw(
    range_lower_mw: F8, range_upper_mw: F8, image: Image, params: Params
) -> tuple[F8, F8]:
    """Range of each unit, of a store as far as it holds for `LASTS_S`, MW, shape (n,).

    What lasts is shared within it. A store that is nearly empty leaves it to those that have no
    end, as long as they have room, and still carries transients with all that its limits allow:
    this is how the plant gives what it promised (`core.headroom`).
    """
    lower_mw, upper_mw = np.empty(range_lower_mw.size), np.empty(range_lower_mw.size)
    _lasting(
        image.soc_pu, params.energy_mwh, params.soc_min_pu, params.soc_max_pu,
        params.efficiency_charge_pu, params.efficiency_discharge_pu,
        LASTS_S + params.soc_horizon_s, range_lower_mw, range_upper_mw, lower_mw, upper_mw,
    )  # fmt: skip
    return lower_mw, upper_mw


def recovery_mw(state: State, image: Image, params: Params) -> F8:
    """What brings each store back to the middle of its band, MW, shape (n,); 0 of other units."""
    back_mw = np.empty(image.soc_pu.size)
    _recover(
        image.soc_pu, params.energy_mwh, params.soc_min_pu, params.soc_max_pu,
        params.soc_recovery_s, RECOVERY_MAX_PU, params.p_min_mw, params.p_max_mw,
        params.quiet_pu, state.recovery_mw, back_mw,
    )  # fmt: skip
    return back_mw


def economic_mw(
    slow_mw: float, plan_mw: F8, back_mw: F8, lower_mw: F8, upper_mw: F8, params: Params
) -> tuple[F8, F8]:
    """Where each unit should be without transients, and where it begins, MW, shape (n,).

    The slow part of the request by participation x range, after what stores need to come back to
    the middle of their band, which the others carry. What this cannot serve, no target can.
    """
    base_mw, weight = np.empty(plan_mw.size), np.empty(plan_mw.size)
    request_mw = _economy(
        slow_mw, plan_mw, back_mw, params.participation, lower_mw, upper_mw, base_mw, weight
    )
    target_mw = base_mw.copy()
    _split_exact(request_mw, base_mw, weight, lower_mw, upper_mw, 0.0, target_mw)
    return target_mw, base_mw


class Aim(NamedTuple):
    """The split of one tick at the look-ahead points, over n units and the fast ones as one."""

    wanted_mw: F8  # (2,)
    gain_pu: F8  # (2, n + 1)
    target_mw: F8  # (n + 1,)
    weight: F8  # (n + 1,)
    lower_mw: F8  # (n + 1,)
    upper_mw: F8  # (n + 1,)
    pull: F8  # (n + 1,) the weight, and 1 of a unit that is held at one value


def aim(ahead: Foresight, params: Params, lower_mw: F8, upper_mw: F8, still: U1) -> Aim:
    """Say who is to meet the request at which look-ahead point, and who stays (see the kernel)."""
    units = lower_mw.size + 1
    wanted_mw, gain_pu, fleet = np.empty(2), np.empty((2, units)), np.empty((5, units))
    _aim(
        ahead.request_mw, ahead.free_mw, ahead.gain_pu, ahead.stands_mw, ahead.target_mw,
        ahead.base_mw, params.participation, params.cost, ahead.lower_mw, ahead.upper_mw,
        lower_mw, upper_mw, ahead.told_mw, still, ABLE_PU,
        wanted_mw, gain_pu, fleet,
    )  # fmt: skip
    return Aim(wanted_mw, gain_pu, fleet[0], fleet[1], fleet[2], fleet[3], fleet[4])
