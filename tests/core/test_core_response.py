"""Response-aware ticks in closed loop with a plant that answers as its model says, or does not."""

import dataclasses
import math

import numpy as np
import pytest
from builders import NAN, image, params
from hypothesis import given, settings
from hypothesis import strategies as st

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Order, Policy, Reason, WriteResult

STEP_S = 0.05
BATTERY, CHARGERS, FACTORY = 0, 1, 2
DEAD_S, LAG_S = (0.2, 3.0, 12.0), (0.3, 2.0, 20.0)


def mixed(n=3, **changes):
    """A battery, a depot and a factory of -10 to 10 MW each; ramps that bind nobody."""
    of = {
        "policy": Policy.RESPONSE_AWARE, "dead_time_s": np.array(DEAD_S), "lag_s": np.array(LAG_S),
        "cost": np.array([1.0, 10.0, 100.0]), "ramp_up_mw_per_s": np.full(n, 100.0),
        "ramp_down_mw_per_s": np.full(n, 100.0),
    }  # fmt: skip
    return params(n, **(of | changes))


class Plant:
    """Units of first order plus dead time, stepped finely; `lost`: (tick, unit) of lost writes."""

    def __init__(self, p, dead_s=None, lag_s=None, lost=()):
        n = len(p.ids)
        self.params, self.lost = p, set(lost)
        self.dead_s = p.dead_time_s if dead_s is None else np.array(dead_s)
        self.lag_s = p.lag_s if lag_s is None else np.array(lag_s)
        self.p_mw = np.zeros(n)
        self.sent = [[(-1e9, 0.0)] for _ in range(n)]  # what each unit took
        self.accepted_mw, self.accepted_s = np.zeros(n), np.full(n, 99.0)
        self.result = np.full(n, WriteResult.ACCEPTED, np.uint8)
        self.state = initial_state(p)
        self.now_s, self.ticks = 100.0, 0

    def tick(self, agc_pu, seconds=1.0, **changes):
        """One tick, and what follows from it. Returns the decision, and the power at the end."""
        seen = image(
            len(self.p_mw), tick=self.ticks, now_s=self.now_s, agc_pu=agc_pu,
            p_meas_mw=self.p_mw.copy(), accepted_mw=self.accepted_mw.copy(),
            accepted_at_s=self.accepted_s.copy(), write_result=self.result.copy(),
        )  # fmt: skip
        self.state, decision = tick(self.state, dataclasses.replace(seen, **changes), self.params)
        for i, p_mw in enumerate(decision.p_setpoint_mw.tolist()):
            if not decision.send[i]:
                continue
            lost = (self.ticks, i) in self.lost
            self.result[i] = WriteResult.UNKNOWN if lost else WriteResult.ACCEPTED
            if not lost:
                self.sent[i].append((self.now_s, p_mw))
                self.accepted_mw[i], self.accepted_s[i] = p_mw, self.now_s + 1e-3
        for k in range(round(seconds / STEP_S)):
            self._step(self.now_s + k * STEP_S)
        self.now_s += seconds
        self.ticks += 1
        return decision, float(self.p_mw.sum())

    def _step(self, at_s):
        for i, sent in enumerate(self.sent):
            u = next(p for t, p in reversed(sent) if t + self.dead_s[i] <= at_s + 1e-9)
            keep = math.exp(-STEP_S / self.lag_s[i]) if self.lag_s[i] > 0.0 else 0.0
            self.p_mw[i] = u + (self.p_mw[i] - u) * keep


def settled(p, **kwargs):
    plant = Plant(p, **kwargs)
    for _ in range(4):
        plant.tick(0.0)
    return plant


def served(decision):
    return decision.expected_mw.sum() + decision.unserved_mw


def test_what_is_delivered_a_second_later_is_the_request():
    plant = settled(mixed())
    for agc_pu in (0.3, 0.3, 0.1, -0.2, -0.2, 0.2, 0.0, 0.25):
        decision, delivered_mw = plant.tick(agc_pu)
        assert decision.unserved_mw == pytest.approx(0.0, abs=1e-9)
        assert delivered_mw == pytest.approx(20.0 * agc_pu, abs=1e-3)


@settings(max_examples=60)
@given(
    st.lists(st.floats(-0.4, 0.4), min_size=3, max_size=12),
    st.lists(st.sampled_from([0.0, 0.1, 0.4]), min_size=3, max_size=3),
    st.lists(st.sampled_from([0.0, 0.2, 0.5, 5.0]), min_size=3, max_size=3),
)
def test_the_request_is_met_by_whom_ever_it_can_be(values_pu, dead_s, lag_s):
    """Expected and unserved add up to the request, always; what is expected comes."""
    plant = settled(mixed(dead_time_s=np.array(dead_s), lag_s=np.array(lag_s)))
    for agc_pu in values_pu:
        decision, delivered_mw = plant.tick(agc_pu)
        assert served(decision) == pytest.approx(decision.request_mw, abs=1e-9)
        assert delivered_mw == pytest.approx(decision.served_mw, abs=1e-3)
        assert np.isfinite(decision.p_setpoint_mw).all()
        assert decision.kkt_mw < 1e-6


def test_slow_units_take_over_what_lasts():
    plant = settled(mixed())
    plant.tick(0.6)
    assert plant.state.p_setpoint_mw[BATTERY] > 9.0  # at first it carries nearly all of 12 MW
    for _ in range(150):
        plant.tick(0.6)
    assert plant.p_mw == pytest.approx([4.0, 4.0, 4.0], abs=0.05)


def test_medium_units_go_ahead_of_what_the_fast_one_cannot_hold():
    """18 MW at once, of 10 MW of battery: the depot is told more than its share while it lasts."""
    plant = settled(mixed())
    decision, _ = plant.tick(0.9)
    assert decision.p_setpoint_mw[BATTERY] == 10.0
    assert decision.p_setpoint_mw[CHARGERS] > decision.target_mw[CHARGERS] + 1.0
    assert decision.unserved_mw == pytest.approx(18.0 - decision.served_mw)
    assert decision.unserved_mw > 5.0


def test_units_stay_while_it_is_not_worth_to_move_them_and_the_request_is_met():
    """1 % of 20 MW: the factory's and the depot's third of .3 MW is less, and is the battery's."""
    plant = settled(mixed(quiet_pu=0.01))
    for agc_pu in (0.015, -0.01, 0.0, 0.012, 0.015, -0.015) * 4:
        decision, delivered_mw = plant.tick(agc_pu)
        assert decision.p_setpoint_mw[[CHARGERS, FACTORY]].tolist() == [0.0, 0.0]
        assert delivered_mw == pytest.approx(20.0 * agc_pu, abs=1e-3)
        assert decision.kkt_mw < 1e-9
    assert [Reason(code) for code in decision.held_by[1:]] == [Reason.DEAD_BAND] * 2
    assert Reason(decision.held_by[BATTERY]) is Reason.NONE


def test_units_that_stayed_go_where_they_are_to_be_once_that_is_far():
    plant = settled(mixed(quiet_pu=0.01))
    for _ in range(150):
        decision, _ = plant.tick(0.3)
    assert plant.p_mw == pytest.approx([2.0, 2.0, 2.0], abs=0.3)
    before_mw = decision.p_setpoint_mw
    decision, _ = plant.tick(0.305)
    assert decision.p_setpoint_mw[FACTORY] == before_mw[FACTORY]
    assert [Reason(code) for code in decision.held_by[1:]] == [Reason.DEAD_BAND] * 2


def test_nobody_participates_who_is_not_asked_to_until_the_others_are_spent():
    plant = settled(mixed(participation=np.array([1.0, 1.0, 0.0])))
    for _ in range(100):
        plant.tick(0.5)
    assert plant.p_mw == pytest.approx([5.0, 5.0, 0.0], abs=0.01)
    for _ in range(150):
        plant.tick(1.0)
    assert plant.p_mw[FACTORY] == pytest.approx(0.0, abs=0.01)  # 20 MW are what the others have
    spent = settled(mixed(participation=np.array([0.0, 1.0, 0.0]), p_max_mw=np.full(3, 5.0)))
    for _ in range(150):
        spent.tick(0.75)
    assert spent.p_mw == pytest.approx([5.0, 5.0, 5.0], abs=0.05)


def test_a_lost_write_is_made_up_for_in_the_next_tick():
    lossy, clean = settled(mixed(), lost={(4, CHARGERS)}), settled(mixed())
    for agc_pu in (0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4):
        _, delivered_mw = lossy.tick(agc_pu)
        clean.tick(agc_pu)
        assert delivered_mw == pytest.approx(8.0, abs=1e-3)
    # the model knows that nothing had come: both plants are told the same a tick apart
    assert lossy.state.p_offset_mw == pytest.approx(np.zeros(3), abs=1e-6)


def test_models_that_are_wrong_are_corrected_by_what_is_measured():
    plant = settled(mixed(), dead_s=(0.2, 3.6, 14.0), lag_s=(0.36, 2.4, 16.0))
    errors_mw = [abs(plant.tick(0.4)[1] - 8.0) for _ in range(60)]
    assert max(errors_mw[1:]) < 1.5
    assert errors_mw[-1] < 0.05


def test_a_unit_that_gives_less_than_told_is_made_up_for():
    """The depot stands at zero whatever it is told: its offset grows, the others carry it."""
    plant = settled(mixed())
    plant.sent[CHARGERS] = [(-1e9, 0.0)]
    for _ in range(120):
        plant.sent[CHARGERS] = plant.sent[CHARGERS][:1]
        _, delivered_mw = plant.tick(0.1)
    assert delivered_mw == pytest.approx(2.0, abs=0.1)


def test_a_unit_out_of_the_split_is_predicted():
    plant = settled(mixed())
    for _ in range(40):
        plant.tick(0.3)
    gone = np.array([1, 0, 1], np.uint8)
    decision, delivered_mw = plant.tick(0.3, connected=gone)
    assert Reason(decision.held_by[CHARGERS]) is Reason.UNREACHABLE
    assert decision.expected_mw[CHARGERS] == pytest.approx(plant.p_mw[CHARGERS], abs=0.05)
    assert delivered_mw == pytest.approx(6.0, abs=0.01)


@pytest.mark.parametrize("units", [[0], [1], [2], [1, 2]])
def test_plants_of_few_kinds(units):
    """Also without a unit that answers by the first point: then nothing is expected of it."""
    n = len(units)
    p = mixed(n, dead_time_s=np.array(DEAD_S)[units], lag_s=np.array(LAG_S)[units], cost=np.ones(n))
    plant = settled(p)
    for _ in range(150):
        decision, delivered_mw = plant.tick(0.1)
        assert served(decision) == pytest.approx(2.0, abs=1e-9)
    assert delivered_mw == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize("tick_s", [0.1, 0.5, 4.0])
def test_other_periods(tick_s):
    """Ten ticks a second, or one in four: what is asked for is delivered, and stays."""
    plant = Plant(mixed(tick_s=tick_s))
    for _ in range(round(120.0 / tick_s)):
        decision, delivered_mw = plant.tick(0.3, tick_s)
        assert served(decision) == pytest.approx(decision.request_mw, abs=1e-9)
    assert delivered_mw == pytest.approx(6.0, abs=0.05)


def test_modes_without_a_signal():
    plant = settled(mixed())
    for _ in range(5):
        plant.tick(0.5)
    last_s = plant.now_s
    seen = []
    for _ in range(40):
        decision, _ = plant.tick(0.5, agc_received_s=last_s)
        seen.append(Mode(decision.mode))
        assert served(decision) == pytest.approx(decision.request_mw, abs=1e-9)
    assert [m for k, m in enumerate(seen) if m not in seen[:k]] == [
        Mode.REGULATING, Mode.HOLD, Mode.RETURN, Mode.BASEPOINT,
    ]  # fmt: skip
    decision, _ = plant.tick(0.5, order=Order.LOCAL)
    assert decision.request_mw == 0.0
    decision, _ = plant.tick(0.5, order=Order.SAFE)
    assert decision.p_setpoint_mw.tolist() == [0.0, 0.0, 0.0]


def test_batteries_recover_and_the_others_carry_it():
    p = mixed(energy_mwh=np.array([20.0, NAN, NAN]))
    plant = settled(p)
    for _ in range(120):
        plant.tick(0.0, soc_pu=np.array([0.7, NAN, NAN]))
    # 2 MW, a tenth of its range, less its own share of what that leaves to all
    assert plant.p_mw[BATTERY] == pytest.approx(1.345, abs=0.05)
    assert (plant.p_mw[1:] < -0.6).all()
    assert plant.p_mw.sum() == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    "broken",
    [
        {"p_meas_mw": np.array([NAN, 1e9, -math.inf])},
        {"soc_pu": np.array([NAN, math.inf, 2.0])},
        {"measured_at_s": np.array([NAN, 1e9, -1e9])},
        {"accepted_mw": np.array([NAN, math.inf, 1e9]), "accepted_at_s": np.array([NAN, 1e9, 0.0])},
        {"p_avail_min_mw": np.array([5.0, NAN, math.inf]), "p_avail_max_mw": np.full(3, -5.0)},
        {"agc_pu": NAN},
        {"agc_pu": math.inf},
    ],
    ids=["power", "soc", "instant", "accepted", "available", "nan", "inf"],
)
def test_bad_numbers_never_raise_and_never_get_out(broken):
    plant = settled(mixed(energy_mwh=np.array([20.0, NAN, NAN])))
    for _ in range(3):
        decision, _ = plant.tick(**({"agc_pu": 0.3, "soc_pu": np.array([0.5, NAN, NAN])} | broken))
        assert np.isfinite(decision.p_setpoint_mw).all()
    decision, _ = plant.tick(0.3, soc_pu=np.array([0.5, NAN, NAN]))
    assert np.isfinite(decision.p_setpoint_mw).all()
    assert np.isfinite(plant.state.p_model_mw).all()


def test_limits_of_groups_bind_and_are_named():
    plant = settled(
        mixed(
            unit_group=np.array([1, 1, 0]), group_ids=("site", "feeder"),
            group_parent=np.array([-1, 0]), group_lower_mw=np.array([-np.inf, -2.0]),
            group_upper_mw=np.array([5.0, 3.0]),
        )
    )  # fmt: skip
    for _ in range(150):
        decision, _ = plant.tick(0.5)
        assert decision.p_setpoint_mw[[BATTERY, CHARGERS]].sum() <= 3.0 + 1e-6
        assert decision.p_setpoint_mw.sum() <= 5.0 + 1e-6
    assert Reason(decision.held_by[BATTERY]) is Reason.GROUP
    assert plant.p_mw.min() > -1.5  # nobody goes far the other way to make room for another
    assert decision.unserved_mw == pytest.approx(5.0, abs=0.05)


def test_the_same_inputs_give_the_same_bits():
    one, other = settled(mixed()), settled(mixed())
    for agc_pu in (0.3, -0.2, 0.7):
        first, _ = one.tick(agc_pu)
        second, _ = other.tick(agc_pu)
        assert first.p_setpoint_mw.tobytes() == second.p_setpoint_mw.tobytes()
        assert one.state.past_mw.tobytes() == other.state.past_mw.tobytes()


def test_next_to_nothing_that_is_missing_moves_nobody():
    """A hundred-thousandth of the three ranges of 20 MW, here the half kilowatt that is the most:
    the battery keeps its setpoint, and what is missing is told as such. More is followed."""
    plant = settled(mixed(quiet_pu=0.01))
    for _ in range(5):
        decision, _ = plant.tick(0.01)
    stands_mw = decision.p_setpoint_mw
    for asked_mw in (0.2003, 0.1998, 0.2004):
        decision, _ = plant.tick(asked_mw / 20.0)
        assert decision.p_setpoint_mw.tolist() == stands_mw.tolist()
        assert decision.unserved_mw == pytest.approx(asked_mw - 0.2, abs=1e-4)
        assert [Reason(code) for code in decision.held_by] == [Reason.DEAD_BAND] * 3
    decision, delivered_mw = plant.tick(0.201 / 20.0)
    assert decision.p_setpoint_mw[BATTERY] > stands_mw[BATTERY] + 5e-4
    assert decision.unserved_mw == pytest.approx(0.0, abs=1e-9)
    assert Reason(decision.held_by[BATTERY]) is Reason.NONE
    assert delivered_mw == pytest.approx(0.201, abs=1e-3)


def test_nobody_stays_who_is_on_his_way_as_fast_as_his_ramp_lets_him():
    """0.05 MW a tick are less than 1 % of the factory's range: it moves all the same."""
    plant = settled(
        mixed(quiet_pu=0.01, ramp_up_mw_per_s=np.array([100.0, 100.0, 0.05]),
              participation=np.array([0.0, 0.0, 1.0])),
    )  # fmt: skip
    for _ in range(20):
        plant.tick(0.1)
    before_mw = plant.state.p_setpoint_mw[FACTORY]
    assert before_mw < 1.5
    for k in range(5):
        decision, _ = plant.tick(0.1)
        assert decision.p_setpoint_mw[FACTORY] == pytest.approx(before_mw + 0.05 * (k + 1))


def test_of_a_unit_out_of_the_split_its_own_reason_is_told():
    plant = settled(mixed(quiet_pu=0.01))
    silent = np.array([1, 1, 0], dtype=np.uint8)
    for _ in range(4):
        decision, _ = plant.tick(0.01, connected=silent)
    reasons = [Reason(code) for code in decision.held_by]
    assert reasons == [Reason.DEAD_BAND, Reason.DEAD_BAND, Reason.UNREACHABLE]
