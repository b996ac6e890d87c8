"""`guard_setpoints`, alone and as the pair of `fold_limits` and the splits."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_limits_cases import NAN, guard, one, random_fleet

from vppd.core.types import Reason
from vppd.kernels import status
from vppd.kernels.exact import split_exact
from vppd.kernels.guard import NOT_FINITE, RAMP, RATING, TOLERANCE_MW
from vppd.kernels.merit_order import split_merit_order
from vppd.kernels.pro_rata import split_pro_rata

# numbers of the unit (ramp 2 MW a tick, rated +-10 MW), setpoint -> mask
VERDICTS = {
    "holds": ({"last_mw": 3.0}, 3.0, 0),
    "as far as the ramp allows": ({}, 2.0, 0),
    "as far down as the ramp allows": ({}, -2.0, 0),
    "too fast up": ({}, 2.001, RAMP),
    "too fast down": ({}, -2.001, RAMP),
    "the other direction's ramp": ({"ramp_up_mw_per_s": 5.0}, -3.0, RAMP),
    "half the time, half the step": ({"dt_s": 0.5}, 1.5, RAMP),
    "no time has passed": ({"dt_s": 0.0}, 0.001, RAMP),
    "time that is no number": ({"dt_s": NAN}, 0.001, RAMP),
    "above the rating": ({"last_mw": 10.0}, 10.001, RATING),
    "below the rating": ({"last_mw": -10.0}, -10.001, RATING),
    "sign turned": ({"last_mw": 8.0}, -8.0, RAMP),
    "ten times too much": ({"last_mw": 8.0}, 80.0, RATING + RAMP),
    "no number": ({}, NAN, NOT_FINITE),
    "infinite": ({}, -math.inf, NOT_FINITE),
    "last setpoint unknown": ({"last_mw": NAN}, 0.0, RAMP),
    "back to what is available": ({"last_mw": 8.0, "p_avail_max_mw": 1.0}, 1.0, 0),
    "further than back": ({"last_mw": 8.0, "p_avail_max_mw": 1.0}, 0.9, RAMP),
    "not quite back": ({"last_mw": 8.0, "p_avail_max_mw": 1.0}, 1.5, 0),
    "up to what must be given": ({"last_mw": -8.0, "p_avail_min_mw": -1.0}, -1.0, 0),
    "above what must be given": ({"last_mw": -8.0, "p_avail_min_mw": -1.0}, -0.9, RAMP),
    "available is no reason to rise": ({"p_avail_max_mw": 9.0}, 9.0, RAMP),
    "back into the rating": ({"last_mw": 15.0}, 10.0, 0),
    "an empty store stops": ({"last_mw": 8.0, "soc_pu": 0.1}, 0.0, 0),
    "an empty store does not take": ({"last_mw": 8.0, "soc_pu": 0.1}, -0.1, RAMP),
    "a full store stops": ({"last_mw": -8.0, "soc_pu": 0.9}, 0.0, 0),
    "a store with plenty has no excuse": ({"last_mw": 8.0, "soc_pu": 0.5}, 0.0, RAMP),
    "what a store can carry for 900 s": ({"last_mw": 8.0, "soc_pu": 0.125}, 1.0, 0),
    "less than it can carry": ({"last_mw": 8.0, "soc_pu": 0.125}, 0.9, RAMP),
    "unknown state of charge is no excuse": ({"last_mw": 8.0, "soc_pu": NAN}, 0.0, RAMP),
    "no store, no excuse": ({"last_mw": 8.0, "soc_pu": 0.1, "energy_mwh": NAN}, 0.0, RAMP),
    "a lost unit at its fallback": ({"last_mw": 8.0, "out_reason": Reason.FALLBACK}, 0.0, 0),
    "a fallback outside the rating": ({"out_reason": Reason.FALLBACK}, 11.0, RATING),
    "a prediction that is no number": ({"out_reason": Reason.UNREACHABLE}, NAN, NOT_FINITE),
    "what a unit in local control measures": ({"out_reason": Reason.LOCAL_CONTROL}, 10.2, 0),
    "the operator's order obeys the ramp": ({"out_reason": Reason.OPERATOR}, 3.0, RAMP),
    "pinned, and moved": ({"out_reason": Reason.CROSSED}, 3.0, RAMP),
    "a prediction of a unit that refused obeys no ramp": (
        {"last_mw": 8.0, "out_reason": Reason.REFUSED}, 0.0, 0,
    ),
    "but lies within the rating": ({"out_reason": Reason.REFUSED}, 11.0, RATING),
    "rounding above": ({"last_mw": 10.0}, 10.0 + TOLERANCE_MW, 0),
    "rounding below": ({"last_mw": -10.0}, -10.0 - TOLERANCE_MW, 0),
    "rounding of the ramp": ({}, 2.0 + TOLERANCE_MW, 0),
    "up, back into the rating": ({"last_mw": -15.0}, -10.0, 0),
    "up, back into the rating, with more available": (
        {"last_mw": -15.0, "p_avail_min_mw": -99.0}, -10.0, 0,
    ),
    "time that is no number moves nobody": ({"dt_s": NAN}, 0.0, 0),
    "time that ran backwards moves nobody": ({"dt_s": -0.5}, 0.0, 0),
    "just less than a store can carry": ({"last_mw": 8.0, "soc_pu": 0.125}, 0.9999, RAMP),
    "a store below its band does not take": ({"last_mw": 8.0, "soc_pu": 0.05}, -0.5, RAMP),
    # 2.3 MWh in stock; 5 MW at the terminals drain 10 MW, 2.5 MWh in 900 s
    "what losses drain": (
        {"last_mw": 8.0, "soc_pu": 0.33, "efficiency_discharge_pu": 0.5}, 5.0, 0,
    ),
    # 0.7 MWh of room; 5 MW at the terminals store 2.5 MW, 0.625 MWh in 900 s
    "what losses leave to be stored": (
        {"last_mw": -8.0, "soc_pu": 0.83, "efficiency_charge_pu": 0.5}, -5.0, RAMP,
    ),
    "what does not fit in spite of losses": (
        {"last_mw": -8.0, "soc_pu": 0.84, "efficiency_charge_pu": 0.5}, -5.0, 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VERDICTS.values(), ids=VERDICTS)
def test_verdict(case):
    numbers, p_mw, mask = case
    count, failed = guard(one(**numbers), np.array([p_mw]))
    assert failed[0] == mask
    assert count == (mask != 0)


def test_the_bits_of_the_mask():
    assert (NOT_FINITE, RATING, RAMP) == (1, 2, 4)


def split(policy: str, request_mw: float, fleet, box) -> np.ndarray:
    out = np.full(fleet.last_mw.size, NAN)
    limits = (box.lower_mw, box.upper_mw)
    if policy == "exact":
        weight = 1.0 + np.arange(out.size)
        code, _, _ = split_exact(request_mw, fleet.pinned_mw, weight, *limits, NAN, out)
    elif policy == "pro_rata":
        code = split_pro_rata(request_mw, fleet.last_mw, *limits, out)
    else:
        code = split_merit_order(request_mw, fleet.last_mw, np.arange(out.size), *limits, out)
    assert code != status.BAD_INPUT
    return out


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.floats(-0.2, 1.2),
    st.sampled_from(["exact", "pro_rata", "merit_order"]),
)
def test_whatever_limits_and_split_produce_passes(seed, n, where, policy):
    fleet = random_fleet(np.random.default_rng(seed), n)
    box = fleet.fold()
    low, high = box.lower_mw.sum(), box.upper_mw.sum()
    out = split(policy, low + where * (high - low), fleet, box)
    count, failed = guard(fleet, out)
    assert count == 0, np.flatnonzero(failed)
    assert not failed.any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.data())
def test_one_wrong_setpoint_is_found_and_no_other_blamed(seed, n, data):
    """Pushed out of its box by more than the tolerance, where rating and ramp draw the box."""
    fleet = random_fleet(np.random.default_rng(seed), n)
    box = fleet.fold()
    out = split("exact", float(box.lower_mw.sum() + box.upper_mw.sum()) / 2.0, fleet, box)
    hard = (Reason.RATING, Reason.RAMP)
    up = [i for i in range(n) if box.upper_reason[i] in hard and fleet.out_reason[i] == 0]
    down = [i for i in range(n) if box.lower_reason[i] in hard and fleet.out_reason[i] == 0]
    sides = [(i, 1.0) for i in up] + [(i, -1.0) for i in down]
    if not sides:
        return
    i, sign = data.draw(st.sampled_from(sides))
    excess = data.draw(st.sampled_from([1e-6, 0.1, 5.0, math.inf, NAN]))
    out[i] = (box.upper_mw[i] if sign > 0.0 else box.lower_mw[i]) + sign * excess
    count, failed = guard(fleet, out)
    assert count == 1
    assert np.flatnonzero(failed).tolist() == [i]


def test_all_zeros_do_not_pass_for_setpoints():
    """The commonest wrong vector."""
    fleet = random_fleet(np.random.default_rng(3), 60)
    assert guard(fleet, np.zeros(60))[0] > 20
