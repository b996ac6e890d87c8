"""Units that do not do what their model says, in closed loop: doubted, benched, and back."""

import dataclasses

import numpy as np
import pytest
from builders import image, params
from test_core_response import DEAD_S, LAG_S, Plant

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Policy, Reason

STORE, OTHER, LIAR = 0, 1, 2


def plant(**changes):
    """Three quick units of -10 to 10 MW; the third one will be at fault."""
    p = params(
        3, policy=Policy.RESPONSE_AWARE, dead_time_s=np.full(3, 0.2), lag_s=np.full(3, 0.3),
        ramp_up_mw_per_s=np.full(3, 100.0), ramp_down_mw_per_s=np.full(3, 100.0),
        trust_error_pu=0.1, **changes,
    )  # fmt: skip
    made = Plant(p)
    for _ in range(4):
        made.tick(0.0)
    return made


def asked_pu(k):
    """Up and down by 12 MW, for a few seconds each."""
    return 0.6 * (1.0 if (k // 4) % 2 else -1.0)


class Liar:
    """Lets the readings of the third unit be those of another truth."""

    def __init__(self, made, lie):
        self.made, self.lie, self.k = made, lie, 0
        self.stuck_mw = float(made.p_mw[LIAR])

    def tick(self):
        """One tick; the sum that is really delivered is short of the lie."""
        p_mw = self.made.p_mw.copy()
        p_mw[LIAR] = self.lie(self, p_mw[LIAR])
        d, _ = self.made.tick(asked_pu(self.k), p_meas_mw=p_mw)
        self.k += 1
        return d, p_mw


LIES = {
    "stuck": lambda liar, p: liar.stuck_mw,
    "turned": lambda liar, p: -p,
    "half": lambda liar, p: 0.3 * p,
}


@pytest.mark.parametrize("lie", LIES)
def test_who_does_something_else_is_benched_and_the_others_deliver(lie):
    liar = Liar(plant(), LIES[lie])
    liar.stuck_mw = 3.0
    benched_at = None
    for _ in range(90):
        d, _ = liar.tick()
        if benched_at is None and Reason(d.held_by[LIAR]) is Reason.BENCHED:
            benched_at = liar.k
    assert benched_at is not None
    assert benched_at <= 60
    assert Reason(d.held_by[STORE]) not in (Reason.MODEL, Reason.BENCHED)
    assert d.p_setpoint_mw[LIAR] == pytest.approx(0.0)  # its basepoint
    assert d.expected_mw.sum() == pytest.approx(d.request_mw, abs=1e-6)
    truth_mw = 0.0 if lie != "stuck" else liar.stuck_mw
    assert d.expected_mw[LIAR] == pytest.approx(truth_mw, abs=0.2)


def test_before_it_is_benched_less_of_its_range_is_used():
    liar = Liar(plant(), LIES["turned"])
    reasons = []
    for _ in range(60):
        d, _ = liar.tick()
        reasons.append((Reason(d.lower_reason[LIAR]), Reason(d.held_by[LIAR])))
    first = next(k for k, (low, _) in enumerate(reasons) if low is Reason.MODEL)
    last = next(k for k, (_, held) in enumerate(reasons) if held is Reason.BENCHED)
    assert first < last


def test_it_comes_back_when_it_behaves_with_less_of_its_range_first():
    liar = Liar(plant(), LIES["stuck"])
    liar.stuck_mw = 6.0
    while not np.isfinite(liar.made.state.benched_s[LIAR]):
        liar.tick()
    for _ in range(100):
        d, _ = liar.tick()
    assert Reason(d.held_by[LIAR]) is Reason.BENCHED  # it is still stuck at 6 MW
    liar.lie = lambda liar, p: p
    waited = 0
    while Reason(liar.tick()[0].held_by[LIAR]) is Reason.BENCHED:
        waited += 1
        assert waited < 90
    assert waited >= 59
    d, _ = liar.tick()
    assert d.upper_mw[LIAR] < 9.0
    for _ in range(150):
        d, _ = liar.tick()
    assert Reason(d.held_by[LIAR]) is Reason.NONE
    assert d.upper_mw[LIAR] == 10.0


def test_models_that_are_off_by_a_fifth_bench_nobody():
    """Dead times and lags of a battery, a depot and a factory, all 20 % longer than is known."""
    p = params(
        3, policy=Policy.RESPONSE_AWARE, dead_time_s=np.array(DEAD_S), lag_s=np.array(LAG_S),
        ramp_up_mw_per_s=np.full(3, 100.0), ramp_down_mw_per_s=np.full(3, 100.0),
        cost=np.array([1.0, 10.0, 100.0]), trust_error_pu=0.1,
    )  # fmt: skip
    made = Plant(p, dead_s=1.2 * p.dead_time_s, lag_s=1.2 * p.lag_s)
    rng = np.random.default_rng(7)
    agc_pu, reasons = 0.0, set()
    for k in range(400):
        if k % 2 == 0:
            agc_pu = min(max(agc_pu + 0.2 * float(rng.normal()), -1.0), 1.0)
        d, _ = made.tick(agc_pu, p_meas_mw=made.p_mw * rng.normal(1.0, 0.02, 3))
        reasons |= set(d.held_by.tolist())
    assert Reason.BENCHED not in reasons


def test_who_is_asked_nothing_is_not_doubted():
    liar = Liar(plant(), LIES["turned"])
    for _ in range(100):
        liar.made.tick(0.0)
    assert liar.made.state.doubt[LIAR] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("changes", [{"trust_error_pu": 0.0}, {"policy": Policy.EXACT}])
def test_nobody_is_doubted_without_a_limit_or_a_model(changes):
    made = plant()
    made.params = dataclasses.replace(made.params, **changes)
    liar = Liar(made, LIES["turned"])
    for _ in range(90):
        d, _ = liar.tick()
        assert Reason(d.held_by[LIAR]) not in (Reason.BENCHED, Reason.MODEL)
    assert np.isnan(made.state.benched_s).all()


def test_a_pardon_takes_a_benched_unit_back_with_its_past_forgotten():
    plant = params(2, policy=Policy.RESPONSE_AWARE, trust_error_pu=0.1)
    doubted = dataclasses.replace(
        initial_state(plant), now_s=99.0, doubt=np.array([0.5, 0.5]),
        bench_wait_s=np.array([480.0, 480.0]), p_setpoint_mw=np.zeros(2),
        out_reason=np.zeros(2, np.uint8),
    )  # fmt: skip
    benched, _ = tick(doubted, image(2), plant)
    assert benched.out_reason.tolist() == [Reason.BENCHED, Reason.BENCHED]
    after, _ = tick(benched, image(2, tick=1, now_s=101.0, pardon=1), plant)
    assert after.out_reason.tolist() == [Reason.BENCHED, Reason.NONE]
    assert after.doubt[1] < 0.1
    assert after.bench_wait_s[1] == 0.0
    assert after.bench_wait_s[0] > 480.0
    again, _ = tick(after, image(2, tick=2, now_s=102.0), plant)
    assert again.out_reason[1] == Reason.NONE  # a pardon is for good, until it errs anew
