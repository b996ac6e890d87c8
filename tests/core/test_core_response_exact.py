"""Response-aware policy: what is delivered is the request, over a plant that is simulated here."""

import dataclasses
import math

import numpy as np
import pytest
from builders import NAN, at, image, params
from hypothesis import given, settings
from hypothesis import strategies as st
from responses import Unit

from vppd.core.fixed import GAIN_MIN_PU
from vppd.core.response import economic_mw, nothing_sent
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Mode, Policy, Quality, Reason, WriteResult
from vppd.kernels.aims import recover
from vppd.kernels.foresight import RECOVERY_MAX_PU

KW = 1e-3
REACH_S = 0.3  # age of a measurement


def aware(n=3, **changes):
    return params(n, policy=Policy.RESPONSE_AWARE, **changes)


@dataclasses.dataclass
class Plant:
    """Units that follow what they are told as the parameters say, and what is seen of them."""

    p: object
    start_s: float = 100.0
    lost: frozenset = frozenset()  # (tick, unit): a setpoint that never arrives
    down: dict = dataclasses.field(default_factory=dict)  # unit: (first, last) tick without link

    def __post_init__(self):
        self.n = len(self.p.ids)
        pairs = zip(self.p.dead_time_s.tolist(), self.p.lag_s.tolist(), strict=True)
        self.units = [Unit(dead_s, lag_s) for dead_s, lag_s in pairs]
        self.accepted_mw, self.accepted_at_s = np.full((2, self.n), NAN)
        self.result = np.zeros(self.n, np.uint8)
        self.seen_mw, self.seen_s = np.zeros(self.n), np.full(self.n, self.start_s - 1.0)
        self.state, self.decisions, self.k = initial_state(self.p), [], 0

    def power_mw(self, t_s):
        return np.array([unit.at(t_s) for unit in self.units])

    def step(self, now_s, agc_pu, **changes):
        linked = np.array([not self._is_down(i) for i in range(self.n)])
        self.seen_mw = np.where(linked, self.power_mw(now_s - REACH_S), self.seen_mw)
        self.seen_s = np.where(linked, now_s - REACH_S, self.seen_s)
        seen = {
            "p_meas_mw": self.seen_mw, "measured_at_s": self.seen_s,
            "connected": linked.astype(np.uint8), "accepted_mw": self.accepted_mw.copy(),
            "accepted_at_s": self.accepted_at_s.copy(), "write_result": self.result.copy(),
        }  # fmt: skip
        before = image(self.n, self.k, now_s, agc_pu=agc_pu)
        self.state, d = tick(self.state, dataclasses.replace(before, **(seen | changes)), self.p)
        self.decisions.append(d)
        for i in np.flatnonzero(d.send).tolist():
            if (self.k, i) in self.lost:
                self.result[i] = WriteResult.UNKNOWN
                continue
            self.units[i].told.append((now_s, float(d.p_setpoint_mw[i])))
            self.accepted_mw[i], self.accepted_at_s[i] = d.p_setpoint_mw[i], now_s + 0.01
            self.result[i] = WriteResult.ACCEPTED
        self.k += 1
        return d

    def _is_down(self, i):
        first, last = self.down.get(i, (math.inf, -math.inf))
        return first <= self.k <= last

    def run(self, values):
        """One tick a second. What is expected of each unit at the look-ahead point, and its truth.

        Both of shape (ticks, n); the next tick's setpoints arrive after that point.
        """
        rows = []
        for k, pu in enumerate(values):
            now_s = self.start_s + k
            expected_mw = self.step(now_s, pu).expected_mw
            rows.append((expected_mw, self.power_mw(now_s + self.p.look_ahead_s)))
        expected_mw, truth_mw = np.array(rows).swapaxes(0, 1)
        return expected_mw, truth_mw


def mixed(dead_s, lag_s, **changes):
    """Two quick units, and others with dead times and lags."""
    n = 2 + len(dead_s)
    return aware(
        n, dead_time_s=np.array([0.05, 0.1, *dead_s]), lag_s=np.array([0.0, 0.2, *lag_s]), **changes
    )


def counts(unit):
    """Whether the policy reckons with all of a unit's answer: none of it comes, or enough of it."""
    dead_s, lag_s, _ = unit
    least_s = max(0.6 - dead_s, 0.0)  # the shortest look-ahead of these tests
    return dead_s >= 1.0 or -math.expm1(-least_s / max(lag_s, 1e-9)) >= GAIN_MIN_PU


# ------------------------------------------------------------------------- closed loop


@settings(max_examples=30)
@given(
    others=st.lists(
        st.tuples(st.floats(0.0, 6.0), st.floats(0.0, 20.0), st.floats(0.0, 4.0)).filter(counts),
        max_size=4,
    ),
    values=st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=25),
    look_ahead_s=st.sampled_from([0.6, 1.0]),
)
def test_what_is_delivered_is_the_request(others, values, look_ahead_s):
    """From the first tick on, with whatever signal, as long as no limit binds."""
    dead_s, lag_s, participation = np.array(others).reshape(-1, 3).T
    p = mixed(
        dead_s, lag_s, participation=np.array([1.0, 1.0, *participation]),
        look_ahead_s=look_ahead_s,
        ramp_up_mw_per_s=np.full(2 + dead_s.size, 1e3),
        ramp_down_mw_per_s=np.full(2 + dead_s.size, 1e3),
    )  # fmt: skip
    plant = Plant(p)
    expected_mw, truth_mw = plant.run(values)
    assert expected_mw == pytest.approx(truth_mw, abs=1e-6)
    for d, delivered_mw in zip(plant.decisions, truth_mw.sum(axis=1).tolist(), strict=True):
        assert d.expected_mw.sum() + d.unserved_mw == pytest.approx(d.request_mw, abs=KW)
        assert d.unserved_mw == pytest.approx(0.0, abs=KW)
        assert delivered_mw == pytest.approx(d.request_mw, abs=KW)


def test_the_little_that_comes_of_a_slow_unit_by_then_is_left_out_and_comes_on_top():
    """Less than a tenth of its change: for the next tick it is measured, and reckoned with."""
    plant = Plant(mixed([0.0], [15.0]))
    values = np.random.default_rng(9).uniform(-0.4, 0.4, 30).tolist()
    expected_mw, truth_mw = plant.run(values)
    told_mw = np.array([[0.0, 0.0, 0.0], *(d.p_setpoint_mw for d in plant.decisions)])
    off_mw = truth_mw - expected_mw
    arrived = -math.expm1(-1.0 / 15.0)
    assert arrived < GAIN_MIN_PU
    assert off_mw[:, 2] == pytest.approx(arrived * np.diff(told_mw[:, 2]), abs=1e-6)
    assert off_mw[:, :2] == pytest.approx(0.0, abs=1e-6)


@given(
    values=st.lists(st.floats(-1.0, 1.0), min_size=1, max_size=25),
    ramp_mw_per_s=st.floats(0.05, 3.0),
    step_mw=st.sampled_from([0.0, 0.5]),
)
def test_what_limits_keep_from_it_is_unserved(values, ramp_mw_per_s, step_mw):
    """Ramps, ratings and units with a smallest step: all of the request is accounted for."""
    p = mixed(
        [1.5, 3.0], [4.0, 0.0], step_min_mw=np.array([0.0, 0.0, step_mw, 0.0]),
        ramp_up_mw_per_s=np.full(4, ramp_mw_per_s), ramp_down_mw_per_s=np.full(4, ramp_mw_per_s),
        p_max_mw=np.full(4, 3.0),
    )  # fmt: skip
    plant = Plant(p)
    expected_mw, truth_mw = plant.run(values)
    assert expected_mw == pytest.approx(truth_mw, abs=1e-6)
    for d, delivered_mw in zip(plant.decisions, truth_mw.sum(axis=1).tolist(), strict=True):
        assert d.served_mw == pytest.approx(delivered_mw, abs=1e-6)
        assert d.served_mw + d.unserved_mw == pytest.approx(d.request_mw, abs=1e-9)


def test_ticks_that_values_start_early_are_looked_back_on_too():
    """Two ticks in each period, for longer than the longest dead time."""
    plant = Plant(mixed([10.0, 20.0], [8.0, 2.0]))
    for k in range(160):
        now_s = 100.0 + 0.5 * k
        plant.step(now_s, 0.6 * math.sin(0.07 * k))
        truth_mw = plant.power_mw(now_s + 1.0)
        assert plant.decisions[-1].expected_mw[2:] == pytest.approx(truth_mw[2:], abs=1e-6)


def test_a_write_that_was_lost_costs_its_own_tick_and_no_other():
    rng = np.random.default_rng(7)
    values = rng.uniform(-0.3, 0.3, 40).tolist()
    lost = {(10, 1), (11, 1), (20, 2), (25, 0)}
    expected_mw, truth_mw = Plant(mixed([1.2, 5.0], [8.0, 2.0]), lost=frozenset(lost)).run(values)
    # the third unit answers after the look-ahead point: its loss is known in time
    wrong = set(map(tuple, np.argwhere(np.abs(expected_mw - truth_mw) > 1e-6).tolist()))
    assert wrong == lost - {(20, 2)}


def test_a_write_that_may_be_under_way_is_counted_on():
    """A value starts a tick 0.3 s after the last: no answer yet, and nothing is concluded.

    Half a tick after it left, a setpoint without an answer is lost.
    """
    p = mixed([], [])
    plant = Plant(p)
    plant.run([0.0, 0.0, 0.2])
    pending = {
        "accepted_at_s": np.full(2, 101.01), "accepted_mw": np.zeros(2),
        "write_result": np.full(2, WriteResult.NONE, np.uint8),
    }  # fmt: skip
    before, told_mw = plant.state, plant.decisions[-1].p_setpoint_mw
    for now_s, modelled_mw in ((102.3, plant.power_mw(102.3)), (102.6, np.zeros(2))):
        seen = image(2, 3, now_s, agc_pu=0.25, measured_at_s=before.p_seen_s, **pending)
        after, d = tick(before, seen, p)
        assert after.p_model_mw == pytest.approx(modelled_mw, abs=1e-9)
        assert np.all(told_mw > 1.9)
        assert d.served_mw == pytest.approx(5.0)


@pytest.mark.parametrize("unit", [1, 2, 3])
def test_a_unit_that_nobody_can_reach_is_predicted_and_the_others_carry_the_rest(unit):
    rng = np.random.default_rng(8)
    p = mixed([2.0, 0.3], [6.0, 3.0], watchdog_s=np.full(4, 60.0))
    plant = Plant(p, down={unit: (10, 30)})
    expected_mw, truth_mw = plant.run(rng.uniform(-0.3, 0.3, 45).tolist())
    held = [Reason(d.held_by[unit]) for d in plant.decisions]
    assert held[10:31] == [Reason.UNREACHABLE] * 21
    assert expected_mw == pytest.approx(truth_mw, abs=1e-6)
    for d, delivered_mw in zip(plant.decisions, truth_mw.sum(axis=1).tolist(), strict=True):
        assert delivered_mw == pytest.approx(d.request_mw - d.unserved_mw, abs=KW)
    assert sum(abs(d.unserved_mw) > KW for d in plant.decisions) < 10


# ------------------------------------------------------------------------- first ticks


def test_before_all_units_were_read_nothing_is_sent_and_afterwards_all_is_right():
    plant = Plant(mixed([1.0], [2.0]))
    unread = {
        "p_meas_mw": np.array([0.0, NAN, NAN]), "measured_at_s": np.array([99.9, NAN, NAN]),
        "accepted_mw": np.full(3, NAN), "accepted_at_s": np.full(3, NAN),
    }  # fmt: skip
    for k in range(2):
        d = plant.step(98.0 + k, 0.3, **unread)
        assert (d.mode, d.send.any()) == (Mode.STARTING, False)
        assert np.isfinite(d.expected_mw).all()
    expected_mw, truth_mw = plant.run([0.3, 0.3, -0.2, 0.1])
    assert plant.decisions[2].mode == Mode.REGULATING
    assert expected_mw == pytest.approx(truth_mw, abs=1e-6)


def test_a_state_of_an_older_journal_begins_as_nobody_was_ever_told_anything():
    p = mixed([1.0], [2.0])
    none = np.empty(0)
    new = dataclasses.replace(initial_state(p), mode=Mode.REGULATING)
    old = dataclasses.replace(new, past_mw=none, when_s=none, ahead_price=none)
    seen = image(3, agc_pu=0.3)
    (first, a), (second, b) = tick(new, seen, p), tick(old, seen, p)
    assert a.p_setpoint_mw.tobytes() == b.p_setpoint_mw.tobytes()
    assert first.past_mw.tobytes() == second.past_mw.tobytes()
    assert [len(rows) for rows in nothing_sent(p)] == [first.past_mw.size, first.when_s.size]


# ------------------------------------------------------------------------- bad readings


@pytest.mark.parametrize(("meas_mw", "quality"), [
    (1e300, Quality.ONLINE), (2e5, Quality.ONLINE), (9.9, Quality.COMM_LOST),
    (-9.9, Quality.OVER_RANGE), (NAN, Quality.ONLINE), (math.inf, Quality.ONLINE),
])  # fmt: skip
def test_a_bad_reading_moves_nobody_else(meas_mw, quality):
    """As if it had not been read: others are not sent to make up for a broken register."""
    p = mixed([0.5], [3.0])
    plant = Plant(p)
    plant.run([0.1, 0.2, 0.3])
    one = {"agc_pu": 0.3, "p_meas_mw": at(plant.power_mw(102.9), 2, meas_mw)}
    unread = one | {"p_meas_mw": at(plant.power_mw(102.9), 2, NAN)}
    flags = at(image().quality, 2, quality)
    common = {
        "accepted_mw": plant.accepted_mw, "accepted_at_s": plant.accepted_at_s,
        "measured_at_s": np.full(3, 102.9), "quality": flags,
    }  # fmt: skip
    given_mw, without_mw = (
        tick(plant.state, image(3, 3, 103.0, **common, **seen), p)[1].p_setpoint_mw
        for seen in (one, unread)
    )
    assert given_mw.tobytes() == without_mw.tobytes()


# ------------------------------------------------------------------------- slow part


def test_the_slow_part_is_a_low_pass_of_what_is_asked_on_top_of_the_plan():
    p = aware(slow_s=4.0, ramp_up_mw_per_s=np.full(3, 0.5))
    base_mw = np.array([1.0, -3.0, 0.5])
    state, slow_mw = initial_state(p), 0.0
    for k in range(12):
        dt_s = 1.0 if k % 3 else 0.5
        now_s = 100.0 + k if k % 3 == 0 else state.now_s + dt_s
        dt_s = 1.0 if k == 0 else min(now_s - state.now_s, 2.0)
        state, d = tick(state, image(3, k, now_s, agc_pu=0.4, basepoint_mw=base_mw), p)
        slow_mw += (8.0 - slow_mw) * dt_s / (4.0 + dt_s)
        assert state.slow_mw == pytest.approx(slow_mw)
        assert d.target_mw.sum() == pytest.approx(-1.5 + slow_mw)


# ------------------------------------------------------------------------- economic target


def target_mw(slow_mw, p, plan_mw=(0.0, 0.0, 0.0), lower_mw=-10.0, upper_mw=10.0, **seen):
    low_mw, high_mw = np.full(3, lower_mw), np.full(3, upper_mw)
    soc_pu, held_mw, back_mw = image(3, **seen).soc_pu, np.full(3, NAN), np.empty(3)
    recover(
        soc_pu, p.energy_mwh, p.soc_min_pu, p.soc_max_pu, p.soc_recovery_s, RECOVERY_MAX_PU,
        p.p_min_mw, p.p_max_mw, p.quiet_pu, held_mw, back_mw,
    )  # fmt: skip
    return economic_mw(slow_mw, np.array(plan_mw), back_mw, low_mw, high_mw, p)


def test_what_lasts_is_shared_by_participation_and_range():
    p = aware(participation=np.array([1.0, 2.0, 1.0]))
    assert target_mw(8.0, p)[0] == pytest.approx([2.0, 4.0, 2.0])
    # of those at 4 MW and at -4 MW the first has 6 MW left to rise, the last 14
    assert target_mw(8.0, p, (4.0, 0.0, -4.0))[0] == pytest.approx([5.2, 4.0, -1.2])
    assert target_mw(-8.0, p, (4.0, 0.0, -4.0))[0] == pytest.approx([1.2, -4.0, -5.2])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_unit_without_participation_comes_when_the_others_are_spent(sign):
    p = aware(participation=np.array([1.0, 0.0, 1.0]))
    assert target_mw(sign * 19.0, p)[0] == pytest.approx(np.array([9.5, 0.0, 9.5]) * sign, abs=1e-4)
    assert target_mw(sign * 27.0, p)[0] == pytest.approx(np.array([10.0, 7.0, 10.0]) * sign)


def test_what_no_target_can_serve_is_left():
    assert target_mw(99.0, aware())[0].tolist() == [10.0] * 3


STORE = {"energy_mwh": np.array([4.0, NAN, NAN]), "soc_recovery_s": 7200.0}


@pytest.mark.parametrize(("soc_pu", "back_mw"), [
    (0.5, 0.0), (0.6, 0.2), (0.3, -0.4), (0.9, 0.8), (NAN, 0.0),
])  # fmt: skip
def test_a_store_comes_back_to_its_middle_and_the_others_carry_that(soc_pu, back_mw):
    seen = {"soc_pu": np.array([soc_pu, NAN, NAN])}
    got_mw, base_mw = target_mw(0.0, aware(**STORE), **seen)
    assert base_mw == pytest.approx([back_mw, 0.0, 0.0])
    assert got_mw.sum() == pytest.approx(0.0, abs=1e-12)
    assert got_mw[1:] == pytest.approx([got_mw[1]] * 2)
    assert got_mw[0] * back_mw >= 0.0


@pytest.mark.parametrize(("soc_pu", "sign"), [(0.9, 1.0), (0.1, -1.0)])
def test_recovery_takes_no_more_than_its_part_of_the_range(soc_pu, sign):
    p = aware(energy_mwh=np.array([400.0, NAN, NAN]))
    _, base_mw = target_mw(0.0, p, soc_pu=np.array([soc_pu, NAN, NAN]))
    assert base_mw[0] == pytest.approx(sign * RECOVERY_MAX_PU * 20.0)
    _, base_mw = target_mw(0.0, p, lower_mw=-0.7, upper_mw=0.7, soc_pu=np.array([soc_pu, NAN, NAN]))
    assert base_mw[0] == pytest.approx(sign * 0.7)


def test_recovery_may_be_switched_off():
    p = aware(**{**STORE, "soc_recovery_s": math.inf})
    _, base_mw = target_mw(0.0, p, soc_pu=np.array([0.9, NAN, NAN]))
    assert base_mw.tolist() == [0.0, 0.0, 0.0]
