"""What the plant will deliver, and where each unit should be without transients.

The request is to be *delivered*, so the split needs to know what is under way: the free response
of each unit to the setpoints that it has been sent, and how much of a change has arrived by the
look-ahead point (`kernels/response.py`). The slow part of the request is shared by range, so that
slow units carry what lasts, and fast ones only what the slow ones have not delivered yet.
"""

from typing import NamedTuple

import numpy as np

from vppd.core.types import F8, U1, Image, Params, State
from vppd.kernels import aims, exact, foresight, headroom, response, rows
from vppd.kernels.jit import entry
from vppd.kernels.share import FLEET_ROWS

_look_ahead = entry(foresight.look_ahead)
_serve = entry(response.serve)
_aim = entry(aims.aim)
_economy = entry(aims.economy)
_split_exact = entry(exact.split_exact)
_lasting = entry(headroom.lasting)

NAN = float("nan")

ABLE_PU = 0.5  # of a change has arrived by the second point: the unit counts there


class Foresight(NamedTuple):
    """What is known of the next seconds. Arrays of shape (n,), (K,) or (K, n)."""

    ahead_s: F8  # (K,) look-ahead points, s from now
    request_mw: F8  # (K,) request there
    free_mw: F8  # (K, n) output there if the last setpoints stand
    gain_pu: F8  # (K, n) part of a change that has arrived by then
    told_mw: F8  # (n,) last setpoints
    still: U1  # (n,) 1: not worth to be moved
    ahead_price: F8  # (K,) multipliers of the last split, the next one's first guess
    slow_mw: float
    past_mw: F8  # past setpoints; the last of each unit waits for that of this tick
    when_s: F8  # when they left
    block: F8  # (FORESEEN_ROWS, n) of which the properties below are rows (`kernels.rows`)

    @property
    def stands_mw(self) -> F8:
        """Last setpoints that arrived: what `free_mw` and `gain_pu` are about."""
        return self._row(rows.STANDS)

    @property
    def target_mw(self) -> F8:
        """Where each unit should be without transients."""
        return self._row(rows.TARGET)

    @property
    def base_mw(self) -> F8:
        """Where it begins: its plan, and for a store its recovery."""
        return self._row(rows.BASE)

    @property
    def lower_mw(self) -> F8:
        """Its range, as far as it can be held."""
        return self._row(rows.LASTS_LOWER)

    @property
    def upper_mw(self) -> F8:
        """As `lower_mw`."""
        return self._row(rows.LASTS_UPPER)

    @property
    def recovery_mw(self) -> F8:
        """What a store needs to come back to the middle of its band."""
        return self._row(rows.RECOVERY)

    @property
    def p_model_mw(self) -> F8:
        """Output now by the model."""
        return self._row(rows.MODEL)

    @property
    def p_offset_mw(self) -> F8:
        """What the unit delivers beyond it."""
        return self._row(rows.OFFSET)

    @property
    def output_mw(self) -> F8:
        """Both together."""
        return self._row(rows.OUTPUT)

    @property
    def p_seen_s(self) -> F8:
        """Instants of the newest measurements."""
        return self._row(rows.SEEN)

    @property
    def off_mw(self) -> F8:
        """New measurements less what was foretold; NaN: there is none."""
        return self._row(rows.OFF)

    def _row(self, which: int) -> F8:
        row: F8 = self.block[which]
        return row

    def served_mw(self, p_mw: F8) -> float:
        """What comes at the first point."""
        return _serve(self.free_mw, self.gain_pu, self.stands_mw, p_mw)


def nothing_sent(params: Params) -> tuple[F8, F8]:
    """Past setpoints and their instants before the first one: none is known."""
    return np.full(params.fixed.past_rows, NAN), np.full(params.fixed.when_rows, -np.inf)


def look_ahead(
    state: State, image: Image, params: Params, last_mw: F8,
    range_lower_mw: F8, range_upper_mw: F8, lower_mw: F8, upper_mw: F8,
    plan_mw: F8, request_mw: float, slow_mw: float,
) -> Foresight:  # fmt: skip
    """Predict the plant's output, and say where each unit should be."""
    fixed = params.fixed
    was_past_mw, was_when_s = known_past(state, params)
    past_mw, when_s = np.empty(fixed.past_rows), np.empty(fixed.when_rows)
    points, n = fixed.gain_pu.shape
    wanted_mw, free_mw = np.empty(points), np.empty((points, n))
    foreseen, still = np.empty((rows.FORESEEN_ROWS, n)), np.empty(n, np.uint8)
    wanted_mw.fill(request_mw)
    _look_ahead(
        image.now_s, state.now_s, params.tick_s, params.soc_horizon_s, params.soc_recovery_s,
        params.quiet_pu, slow_mw, fixed.units, fixed.snap_mw, fixed.past_end, fixed.ahead_s,
        fixed.gain_pu,
        state.p_model_mw, state.p_offset_mw, state.p_seen_s, state.recovery_mw,
        was_past_mw, was_when_s, state.out_reason,
        image.p_meas_mw, image.measured_at_s, image.accepted_mw, image.accepted_at_s,
        image.soc_pu, image.quality, image.write_result,
        plan_mw, last_mw, range_lower_mw, range_upper_mw, lower_mw, upper_mw,
        past_mw, when_s, free_mw, foreseen, still,
    )  # fmt: skip
    foreseen.setflags(False)  # type: ignore[call-arg]  # see `tick.seal`: its rows with it
    return Foresight(
        fixed.ahead_s, wanted_mw, free_mw, fixed.gain_pu, last_mw, still,
        first_price(state, points), slow_mw, past_mw, when_s, foreseen,
    )  # fmt: skip


def slow_part_mw(state: State, params: Params, asked_mw: float, dt_s: float) -> float:
    """Slow part of what is asked on top of the plan, MW: after a first-order low pass."""
    part = dt_s / (params.slow_s + dt_s) if params.slow_s > 0.0 else 1.0  # dt_s may be 0
    return state.slow_mw + (asked_mw - state.slow_mw) * part


def first_price(state: State, points: int) -> F8:
    """Multipliers of the last split; NaN where there are none to begin with."""
    fits = state.ahead_price.size == points
    return state.ahead_price if fits else np.full(points, NAN)


def known_past(state: State, params: Params) -> tuple[F8, F8]:
    """Past setpoints, and their instants, as long as the parameters say."""
    fixed = params.fixed
    if state.past_mw.size != fixed.past_rows or state.when_s.size != fixed.when_rows:
        return nothing_sent(params)  # from a journal that knew of none, or counted otherwise
    return state.past_mw, state.when_s


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
        foresight.LASTS_S + params.soc_horizon_s, range_lower_mw, range_upper_mw,
        lower_mw, upper_mw,
    )  # fmt: skip
    return lower_mw, upper_mw


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
    wanted_mw, gain_pu, fleet = np.empty(2), np.empty((2, units)), np.empty((FLEET_ROWS, units))
    _aim(
        ahead.request_mw, ahead.free_mw, ahead.gain_pu, ahead.stands_mw, ahead.target_mw,
        ahead.base_mw, params.participation, params.cost, ahead.lower_mw, ahead.upper_mw,
        lower_mw, upper_mw, ahead.told_mw, still, ABLE_PU,
        wanted_mw, gain_pu, fleet,
    )  # fmt: skip
    return Aim(wanted_mw, gain_pu, fleet[0], fleet[1], fleet[2], fleet[3], fleet[4])
