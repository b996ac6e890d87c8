"""Units that cannot stand everywhere: which side of its exclusion band each of them takes.

A chiller runs at 30 % or more, or not at all; a turbine keeps away from a resonance. So that a
small request is met by a few units that move, and neither refused nor smeared over all, the sides
are chosen together (`kernels/sides.py`), against what a switch costs. The split that follows knows
only limits: those of the chosen sides.

With the response-aware policy sides are chosen for the slow part of the request: machines that
start and stop for minutes are no answer to what the fast units do anyhow.
"""

from dataclasses import dataclass

import numpy as np

from vppd.core.allocation import Box
from vppd.core.types import F8, U1, Image, Mode, Params, Policy, State
from vppd.kernels import bands, sides
from vppd.kernels.jit import entry
from vppd.kernels.sums import sum_in_order

_find_sides = entry(bands.find_sides)
_keep_to_sides = entry(bands.keep_to_sides)
_remember_sides = entry(bands.remember_sides)

MISS_WEIGHT_PU = 1e-4  # of a unit's weight: what is not served costs that much more than moving
RANGE_MIN_MW = 1e-6


@dataclass(frozen=True, slots=True)
class Sides:
    """Sides of one tick, and the limits there. Arrays of shape (n,)."""

    box: Box
    lasting_lower_mw: F8  # range on the chosen side
    lasting_upper_mw: F8
    side: U1  # for the next tick; 0: no band
    since_s: F8
    switches_left: F8


def take_sides(
    state: State, image: Image, params: Params, mode: Mode, box: Box, out_reason: U1, last_mw: F8,
    request_mw: float, dt_s: float,
) -> Sides:  # fmt: skip
    """Choose the side of each unit for a request."""
    n = len(params.ids)
    side, open_sides, why = np.empty((3, n), dtype=np.uint8)
    since_s, left = np.empty((2, n))
    _find_sides(
        image.now_s, dt_s, params.band_lower_mw, params.band_upper_mw, params.stay_below_s,
        params.stay_above_s, params.switches_per_day, last_mw,
        box.range_lower_mw, box.range_upper_mw, out_reason, state.out_reason,
        state.side, state.side_since_s, state.switches_left, side, open_sides, why, since_s, left,
    )  # fmt: skip
    chosen = _chosen(image, params, mode, box, request_mw, side, open_sides)
    kept = box._replace(
        lower_mw=box.lower_mw.copy(), upper_mw=box.upper_mw.copy(),
        lower_reason=box.lower_reason.copy(), upper_reason=box.upper_reason.copy(),
        range_lower_mw=box.range_lower_mw.copy(), range_upper_mw=box.range_upper_mw.copy(),
    )  # fmt: skip
    lasting_mw = np.empty((2, n))
    _keep_to_sides(
        params.band_lower_mw, params.band_upper_mw, out_reason, chosen, open_sides, why,
        kept.lower_mw, kept.upper_mw, kept.lower_reason, kept.upper_reason,
        kept.range_lower_mw, kept.range_upper_mw, *lasting_mw,
    )  # fmt: skip
    _remember_sides(
        image.now_s, params.band_lower_mw, chosen, out_reason, side, since_s, left
    )  # fmt: skip
    for array in (*kept, side, since_s, left):
        array.setflags(write=False)
    return Sides(kept, lasting_mw[0], lasting_mw[1], side, since_s, left)


def _chosen(
    image: Image, params: Params, mode: Mode, box: Box, request_mw: float, side: U1, open_sides: U1
) -> U1:
    """Sides that meet the request best, shape (n,)."""
    n = side.size
    safe = mode is Mode.SAFE
    if params.policy == Policy.RESPONSE_AWARE:
        weight = params.participation * (params.p_max_mw - params.p_min_mw)
    else:
        weight = 1.0 / params.cost
    weight = np.maximum(weight, RANGE_MIN_MW)
    # What a switch costs is no reason to stay away from the safe value.
    switch_cost = np.zeros(n) if safe else params.switch_mw * params.switch_mw / (2.0 * weight)
    chosen, trial = np.empty((2, n), dtype=np.uint8)
    sides.choose_sides(
        request_mw, params.safe_mw if safe else image.basepoint_mw, weight,
        box.range_lower_mw, box.range_upper_mw, params.band_lower_mw, params.band_upper_mw,
        side, open_sides, switch_cost, MISS_WEIGHT_PU * sum_in_order(weight) / n,
        chosen, trial, np.empty(sides.work_size(n)),
    )  # fmt: skip
    return chosen
