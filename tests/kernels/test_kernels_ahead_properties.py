"""Properties of `split_ahead`: optimal, monotone, free of scale and order; edges by hand."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_ahead import (
    FAMILIES,
    Ahead,
    both,
    group_limits,
    inside,
    one_hard_point,
    problem,
    several_points,
    solve,
    unserved,
    violation_mw,
)  # fmt: skip

from vppd.kernels import ahead, ahead_groups, ahead_search, status, tree
from vppd.kernels.ahead import split_ahead, work_size

NAN = math.nan
SERVED = (several_points, one_hard_point, both)


@st.composite
def some_problems(draw, families=SERVED, n_max=40):
    """Of any family, with a point or a group that Hypothesis may choose to be odd."""
    family = draw(st.sampled_from(families))
    p = family(np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(st.integers(1, n_max)))
    if draw(st.booleans()):
        k = draw(st.integers(0, p.wanted_mw.size - 1))
        p.gain[k] = 0.0
        p.wanted_mw[k] = 0.0 if p.softness[k] == 0.0 else p.wanted_mw[k]
    return p


@given(some_problems())
def test_feasible_and_optimal(p):
    a = solve(p)
    assert a.code == status.OK
    assert violation_mw(p, a) <= 1e-9 * p.fleet_mw
    assert 0.0 <= a.kkt_mw <= 1e-9 * p.fleet_mw


@given(some_problems(families=(unserved,)))
def test_limits_hold_whatever_is_asked(p):
    """To rounding: however far the prices went for it."""
    a = solve(p)
    assert np.all(p.lower_mw <= a.out_mw)
    assert np.all(a.out_mw <= p.upper_mw)
    total = p.members @ a.out_mw
    assert np.all(total >= p.group_low_mw - 1e-11 * p.fleet_mw)
    assert np.all(total <= p.group_high_mw + 1e-11 * p.fleet_mw)
    assert np.isfinite(a.price).all()


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_request_never_means_less_from_anyone(seed, n, one, other):
    """One point with gain 1, in groups: their multipliers only ever move against it."""
    rng = np.random.default_rng(seed)
    p = problem(rng, n, 1, 1, int(rng.integers(0, 8)))
    p = replace(p, gain=np.ones((1, n)))
    p = group_limits(rng, p, inside(rng, p.lower_mw, p.upper_mw)) if p.parent.size else p
    ends = []
    for far in (-10.0, 10.0):
        p.wanted_mw[0] = far * p.fleet_mw
        ends.append(float(solve(p).out_mw.sum()))
    outs = []
    for share in sorted((one, other)):
        p.wanted_mw[0] = ends[0] + share * (ends[1] - ends[0])
        outs.append(solve(p).out_mw)
    assert np.all(outs[1] >= outs[0] - 1e-8 * (1.0 + float(p.upper_mw.sum())))


@given(some_problems(), st.integers(-30, 30), st.integers(-30, 30))
def test_units_of_power_and_of_cost_do_not_matter(p, power, cost_power):
    """Scaled by powers of two every bit stays, because no constant of the kernels has a unit."""
    f, g = 2.0**power, 2.0**cost_power
    q = replace(
        p, wanted_mw=p.wanted_mw * f, softness=p.softness * g, target_mw=p.target_mw * f,
        weight=p.weight * g, lower_mw=p.lower_mw * f, upper_mw=p.upper_mw * f,
        group_low_mw=p.group_low_mw * f, group_high_mw=p.group_high_mw * f,
    )  # fmt: skip
    a, b = solve(p), solve(q)
    assert (b.code, b.rounds) == (a.code, a.rounds)
    assert np.array_equal(b.out_mw, a.out_mw * f)
    assert np.array_equal(b.price, a.price * (f / g))
    assert np.array_equal(b.group_price, a.group_price * (f / g))
    assert b.kkt_mw == a.kkt_mw * f


@given(some_problems(), st.randoms(use_true_random=False))
def test_the_order_of_units_and_points_does_not_matter(p, random):
    units, points = list(range(p.target_mw.size)), list(range(p.wanted_mw.size))
    random.shuffle(units)
    random.shuffle(points)
    q = replace(
        p, wanted_mw=p.wanted_mw[points], softness=p.softness[points],
        gain=np.ascontiguousarray(p.gain[points][:, units]), target_mw=p.target_mw[units],
        weight=p.weight[units], lower_mw=p.lower_mw[units], upper_mw=p.upper_mw[units],
        unit_group=p.unit_group[units],
    )  # fmt: skip
    assert np.abs(solve(q).out_mw - solve(p).out_mw[units]).max() <= 1e-7 * p.fleet_mw


@given(some_problems(), st.lists(st.floats(allow_nan=True), min_size=8, max_size=8))
def test_any_first_guess_leads_to_the_same_answer(p, start):
    a = solve(p, np.array(start[: p.wanted_mw.size]))
    assert a.code == status.OK
    assert violation_mw(p, a) <= 1e-9 * p.fleet_mw
    assert np.abs(a.out_mw - solve(p).out_mw).max() <= 1e-7 * p.fleet_mw


# --- what is refused -----------------------------------------------------------------------


def refused(p: Ahead, **changed) -> bool:
    """Whether a call is refused with all outputs as they were."""
    q = replace(p, **changed)
    points, n, groups = p.wanted_mw.size, p.target_mw.size, p.parent.size
    outs = [np.full(k, 7.25) for k in (n, points, points, groups, groups)]
    code, rounds, kkt_mw = split_ahead(
        *q.arguments, np.full(points, NAN), *outs, np.empty(work_size(n, groups))
    )
    untouched = all(np.all(a == 7.25) for a in outs)
    return code == status.BAD_INPUT and rounds == 0 and math.isnan(kkt_mw) and untouched


FLOATS = [
    f.name for f in fields(Ahead) if f.name not in ("name", "unit_group", "parent")
]  # fmt: skip


@given(
    some_problems(families=(both,)),
    st.sampled_from(FLOATS),
    st.sampled_from([NAN, math.inf, -math.inf, 1e61, -1e61]),
    st.integers(0, 2**16),
)
def test_bad_numbers_are_refused_and_the_outputs_stay(p, name, bad, where):
    array = getattr(p, name).copy()
    array.reshape(-1)[where % array.size] = bad
    wrong = {"group_low_mw": math.inf, "group_high_mw": -math.inf}
    if name in wrong and not math.isnan(bad) and bad != wrong[name]:
        return  # no limit, or one that nobody can reach
    assert refused(p, **{name: array})


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("weight", 0.0), ("weight", -1.0), ("weight", 1e-61), ("softness", -1e-9), ("gain", 1e4),
        ("lower_mw", 1e6), ("unit_group", -2), ("unit_group", 3), ("parent", 2), ("parent", -2),
        ("group_low_mw", 1e9),
    ],
)  # fmt: skip
@pytest.mark.parametrize("n", [1, 64, 130])
def test_numbers_that_make_no_sense_are_refused(name, bad, n):
    p = problem(np.random.default_rng(n), n, 2, 1, 3)
    array = getattr(p, name).copy()
    array.reshape(-1)[-1] = bad
    assert refused(p, **{name: array})
    assert not refused(p)


@pytest.mark.parametrize("name", [f.name for f in fields(Ahead) if f.name != "name"])
def test_shapes_that_differ_are_refused(name):
    p = problem(np.random.default_rng(3), 5, 2, 1, 3)
    array = getattr(p, name)
    assert refused(p, **{name: np.ascontiguousarray(array[..., :-1])})
    assert refused(p, **{name: np.concatenate([array, array[..., -1:]], axis=-1)})


@pytest.mark.parametrize("short", [("price", "missed_mw"), ("group_price", "group_missed_mw")])
def test_outputs_that_are_too_short_are_refused(short):
    p = problem(np.random.default_rng(3), 5, 2, 1, 3)
    points, groups = p.wanted_mw.size, p.parent.size
    sizes = {"out_mw": 5, "price": points, "missed_mw": points}
    sizes |= {"group_price": groups, "group_missed_mw": groups}
    for names in (short, short[:1], short[1:]):
        outs = [np.full(k - (name in names), 7.25) for name, k in sizes.items()]
        work = np.empty(work_size(5, groups))
        told = split_ahead(*p.arguments, np.full(points, NAN), *outs, work)
        assert told[:2] == (status.BAD_INPUT, 0)
        assert all(np.all(a == 7.25) for a in outs)


def test_more_points_than_eight_or_none_are_refused():
    p = problem(np.random.default_rng(3), 5, 8, 1, 0)
    assert not refused(p)
    nine = {name: np.append(getattr(p, name), 1.0) for name in ("wanted_mw", "softness")}
    assert refused(replace(p, **nine), gain=np.vstack([p.gain, p.gain[:1]]))
    none = {name: np.empty(0) for name in ("wanted_mw", "softness")}
    assert refused(replace(p, **none), gain=np.empty((0, 5)))


# --- edges by hand -------------------------------------------------------------------------


def three(wanted, softness, gain, **changed) -> Ahead:
    """Three units of weight 1, 2 and 4, targets 0, limits +-1, no groups."""
    p = Ahead(
        "three", np.array(wanted, dtype=float), np.array(softness, dtype=float),
        np.array(gain, dtype=float), np.zeros(3), np.array([1.0, 2.0, 4.0]), np.full(3, -1.0),
        np.ones(3), np.full(3, -1), np.empty(0, dtype=np.int64), np.empty(0), np.empty(0),
    )  # fmt: skip
    return replace(p, **changed)


def test_a_soft_point_is_missed_as_its_softness_says():
    a = solve(three([0.8], [1.0], [[1.0, 1.0, 1.0]]))
    assert a.price == pytest.approx([0.1])
    assert a.out_mw == pytest.approx([0.1, 0.2, 0.4])
    assert a.missed_mw == pytest.approx([0.1])


def test_a_slow_unit_waits_for_a_point_that_it_can_help():
    a = solve(three([0.5, 1.0], [0.0, 0.0], [[1.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert a.out_mw == pytest.approx([0.5, 1.0 / 6.0, 1.0 / 3.0])
    assert a.price == pytest.approx([0.5 - 1.0 / 12.0, 1.0 / 12.0])
    assert np.abs(a.missed_mw).max() <= 1e-15


def test_a_group_that_is_held_leaves_its_share_to_the_others():
    p = three(
        [1.4], [0.0], [[1.0] * 3], unit_group=np.array([-1, 0, 0]), parent=np.array([-1]),
        group_low_mw=np.array([-np.inf]), group_high_mw=np.array([0.6]),
    )  # fmt: skip
    a = solve(p)
    assert a.out_mw == pytest.approx([0.8, 0.2, 0.4])
    assert a.price == pytest.approx([0.8])
    assert a.group_price == pytest.approx([0.1 - 0.8])


@pytest.mark.parametrize(
    ("wanted", "code", "out"),
    [(3.0, status.OK, 1.0), (3.5, status.UNSERVED_UP, 1.0), (-9.0, status.UNSERVED_DOWN, -1.0)],
)
def test_all_that_there_is(wanted, code, out):
    a = solve(three([wanted], [0.0], [[1.0, 1.0, 1.0]]))
    assert a.code == code
    assert a.out_mw == pytest.approx([out] * 3)
    assert a.missed_mw[0] == pytest.approx(wanted - 3.0 * out, abs=1e-12)


def test_a_hard_point_is_met_however_hard_a_soft_one_pulls():
    """Units answer little there and much at the soft one, which no limit of a unit tells of."""
    gain = [[0.1] * 3, [0.9] * 3]
    a = solve(three([0.07, 4000.0], [0.0, 1e-3], gain))
    assert a.code == status.OK
    assert a.out_mw == pytest.approx([0.1, 0.2, 0.4])
    assert a.missed_mw[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("softness", [0.0, 2.0])
def test_a_point_that_no_unit_can_move(softness):
    """It is missed, and the others do not mind."""
    a = solve(three([0.7, 0.5], [0.0, softness], [[1.0] * 3, [0.0] * 3]))
    assert a.out_mw == pytest.approx([0.1, 0.2, 0.4])
    assert a.missed_mw == pytest.approx([0.0, 0.5], abs=1e-15)
    assert a.code == (status.UNSERVED_UP if softness == 0.0 else status.OK)


def test_the_same_hard_point_twice():
    a = solve(three([0.7, 0.7], [0.0, 0.0], [[1.0] * 3] * 2))
    assert a.code == status.OK
    assert a.out_mw == pytest.approx([0.1, 0.2, 0.4])


def test_hard_points_that_contradict_meet_in_the_middle():
    a = solve(three([0.6, 0.8], [0.0, 0.0], [[1.0] * 3] * 2))
    assert a.code in (status.UNSERVED_UP, status.UNSERVED_DOWN)
    assert a.out_mw.sum() == pytest.approx(0.7, abs=1e-9)
    assert a.missed_mw == pytest.approx([-0.1, 0.1], abs=1e-9)


@pytest.mark.parametrize(
    ("wanted", "code"),
    [([20.0, -4.0], status.UNSERVED_UP), ([4.0, -20.0], status.UNSERVED_DOWN)],
)
def test_the_status_tells_of_the_hard_point_that_is_missed_most(wanted, code):
    assert solve(three(wanted, [0.0, 0.0], [[1.0] * 3] * 2)).code == code
    assert solve(three(wanted[::-1], [0.0, 0.0], [[1.0] * 3] * 2)).code == code


def test_units_that_are_all_pinned():
    pin = np.array([0.25, -0.5, 0.125])
    a = solve(three([1.0, 2.0], [0.0, 0.5], [[1.0] * 3] * 2, lower_mw=pin, upper_mw=pin))
    assert a.out_mw.tolist() == pin.tolist()
    assert a.missed_mw == pytest.approx([1.125, 2.125])
    assert a.code == status.UNSERVED_UP


def test_no_units_at_all():
    none = np.empty(0)
    p = three(
        [0.0, 1.0], [0.0, 1.0], np.empty((2, 0)), target_mw=none, weight=none, lower_mw=none,
        upper_mw=none, unit_group=np.empty(0, dtype=np.int64),
    )  # fmt: skip
    a = solve(p)
    assert (a.code, a.missed_mw.tolist()) == (status.OK, [0.0, 1.0])


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.__name__)
def test_the_same_call_gives_the_same_bits(family):
    for seed in range(10):
        p = family(np.random.default_rng(seed), 70)
        a, b = solve(p), solve(p)
        assert a.rounds == b.rounds
        assert a.out_mw.tobytes() == b.out_mw.tobytes()
        assert a.price.tobytes() == b.price.tobytes()


def test_read_only_inputs_are_taken():
    p = both(np.random.default_rng(1), 30)
    free = solve(p)
    for array in p.arguments:
        array.setflags(write=False)
    assert solve(p).out_mw.tobytes() == free.out_mw.tobytes()


def test_rows_are_typed_alike_in_all_files():
    """Each file has its own copy, because Numba's cache does not see a change in another."""
    for module in (ahead, ahead_groups):
        for other, names in (
            (ahead_search, "STEP TRIAL GAP SIZE JACOBIAN WHOLE MORE ANCHOR DIAGONAL STATE_ROWS"),
            (ahead_search, "VALUE REACH STIFF GO_ON EPS POINTS_MAX BLOCK LANE"),
            (tree, "NU SIDE SUM"),
        ):
            for name in names.split():
                if hasattr(module, name) and hasattr(other, name):
                    assert getattr(module, name) == getattr(other, name), name
    assert (ahead_groups.LOW, ahead_groups.HIGH) == (tree.LOW, tree.HIGH)


@pytest.mark.parametrize("wanted_mw", [8.8, -0.5])
def test_a_fleet_that_can_only_stand_at_zero_is_certified(wanted_mw):
    """At night: no price moves anybody, so none is looked for beyond all bounds."""
    zeros, none = np.zeros(2), np.empty(0, np.int64)
    out_mw, price, missed_mw = np.empty((3, 2))
    code, rounds, kkt_mw = split_ahead(
        np.array([wanted_mw, 15.0]), np.array([0.0, 1e-3]), np.array([[0.2, 0.0], [0.0, 1.0]]),
        zeros, np.array([0.05, 1e-6]), zeros, zeros, np.full(2, -1), none, *np.empty((2, 0)),
        np.full(2, NAN), out_mw, price, missed_mw, *np.empty((2, 0)), np.empty(work_size(2, 0)),
    )  # fmt: skip
    assert code == (status.UNSERVED_UP if wanted_mw > 0.0 else status.UNSERVED_DOWN)
    assert kkt_mw < 1e-9
    assert missed_mw == pytest.approx([wanted_mw, 15.0])
    assert price[1] == pytest.approx(15e3)
    assert rounds < 100
