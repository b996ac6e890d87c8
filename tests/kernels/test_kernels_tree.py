"""`project_tree`: nested groups against a quadratic programming solver, and by hand."""

import math

import numpy as np
import piqp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernels_ahead import Ahead, one_hard_point

from vppd.kernels import status
from vppd.kernels.tree import ROOM_ROWS, project_tree

SEED = 20_241_003
INF = math.inf


def project(p: Ahead, room=None):
    """Status, passes, violation; out, prices and misses of the groups."""
    n, groups = p.target_mw.size, p.parent.size
    outs = [np.full(k, np.nan) for k in (n, groups, groups)]
    room = np.zeros((ROOM_ROWS, groups)) if room is None else room
    told = project_tree(*p.arguments[3:], *outs, room)
    return told, *outs


def violation_mw(p: Ahead, out, group_price, group_missed_mw) -> float:
    """From the definitions; groups that are not met aside."""
    pay = p.members.T @ group_price
    worst = np.abs(np.clip(p.target_mw + p.weight * pay, p.lower_mw, p.upper_mw) - out).max()
    total, met = p.members @ out, group_missed_mw == 0.0
    off = np.maximum(p.group_low_mw - total, total - p.group_high_mw)
    off = np.where(group_price > 0.0, np.abs(total - p.group_low_mw), off)
    off = np.where(group_price < 0.0, np.abs(total - p.group_high_mw), off)
    return max(float(worst), float(off[met].max(initial=0.0)))


def test_agrees_with_a_quadratic_programming_solver():
    print(f"seed {SEED}")
    rng = np.random.default_rng(SEED)
    worst, passes = 0.0, []
    for k in range(1000):
        p = one_hard_point(rng, int(rng.integers(1, 60)))
        (code, count, worst_mw), out, price, missed = project(p)
        assert code == status.OK
        assert not missed.any(), k
        passes.append(count)
        worst = max(worst, violation_mw(p, out, price, missed) / p.fleet_mw)
        assert max(worst, worst_mw / p.fleet_mw) <= 1e-12, k
        some = np.isfinite(p.group_low_mw) | np.isfinite(p.group_high_mw)
        if not some.any():
            continue
        solver = piqp.DenseSolver()
        solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
        solver.setup(
            np.diag(1.0 / p.weight), -p.target_mw / p.weight, None, None, p.members[some],
            p.group_low_mw[some], p.group_high_mw[some], p.lower_mw, p.upper_mw,
        )  # fmt: skip
        if solver.solve() != piqp.PIQP_SOLVED:  # on boxes that are all points
            assert np.ptp(np.append(p.upper_mw - p.lower_mw, 0.0)) == 0.0 or p.target_mw.size < 4
            continue
        x = np.array(solver.result.x)
        ours = float(((out - p.target_mw) ** 2 / p.weight).sum()) / 2.0
        gap = float(((x - p.target_mw) ** 2 / p.weight).sum()) / 2.0 - ours
        assert abs(gap) <= 1e-7 * max(1.0, ours), k
        allowed_mw = np.sqrt(2.0 * p.weight * (max(gap, 0.0) + 1e-10 * max(1.0, ours)))
        assert np.all(np.abs(out - x) <= allowed_mw), k
    print(f"worst {worst:.1e} of the fleet, passes {np.percentile(passes, [50, 90, 100])}")
    assert np.max(passes) <= 60


@given(st.integers(0, 2**32 - 1), st.integers(1, 60))
def test_groups_that_cannot_be_met_are_as_near_as_they_can(seed, n):
    """Limits at random, with no thought of what units and other groups can do."""
    rng = np.random.default_rng(seed)
    p = one_hard_point(rng, n)
    size = p.parent.size
    middle = rng.normal(size=size) * p.fleet_mw
    low, high = middle - rng.uniform(size=size), middle + rng.uniform(size=size)
    p = Ahead(*[*vars(p).values()][:-2], low, high)
    (code, _, worst_mw), out, price, missed = project(p)
    assert code == status.OK
    assert np.all(p.lower_mw <= out)
    assert np.all(out <= p.upper_mw)
    assert worst_mw <= 1e-9 * p.fleet_mw
    assert np.isfinite(price).all()
    total = p.members @ out
    assert np.abs(missed - (np.clip(total, low, high) - total)).max() <= 1e-9 * p.fleet_mw


@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_the_multipliers_of_the_last_call_are_a_guess_and_no_more(seed, n):
    p = one_hard_point(np.random.default_rng(seed), n)
    room = np.zeros((ROOM_ROWS, p.parent.size))
    (_, cold, _), out, _, _ = project(p, room)
    (_, warm, _), again, _, _ = project(p, room)
    assert np.abs(again - out).max() <= 1e-12 * p.fleet_mw
    assert warm <= cold + 2 * int(p.parent.size)
    room[:] = np.random.default_rng(seed).normal(size=room.shape) * 1e3
    assert np.abs(project(p, room)[1] - out).max() <= 1e-12 * p.fleet_mw


def groups(unit_group, parent, low, high, centre=(4.0, 4.0, 4.0), upper=9.0) -> Ahead:
    """Three units of weight 1, 1 and 2 with limits 0 and `upper`."""
    centre = np.array(centre, dtype=float)
    n = centre.size
    return Ahead(
        "", np.empty(0), np.empty(0), np.empty((0, n)), centre, np.array([1.0, 1.0, 2.0])[:n],
        np.zeros(n), np.full(n, upper), np.array(unit_group, dtype=np.int64),
        np.array(parent, dtype=np.int64),
        np.array(low, dtype=float), np.array(high, dtype=float),
    )  # fmt: skip


def test_a_site_with_a_feeder():
    """The site is held at 8 MW; its feeder, at 3 MW, has a lower multiplier still."""
    p = groups([0, 1, 1], [-1, 0], [-INF, -INF], [8.0, 3.0])
    _, out, price, _ = project(p)
    assert out.tolist() == pytest.approx([4.0, 4.0 - 5.0 / 3.0, 4.0 - 10.0 / 3.0])
    assert price.tolist() == pytest.approx([0.0, -5.0 / 3.0])
    p = groups([0, 1, 1], [-1, 0], [-INF, -INF], [6.0, 3.0])
    _, out, price, _ = project(p)
    assert out.tolist() == pytest.approx([3.0, 4.0 - 5.0 / 3.0, 4.0 - 10.0 / 3.0])
    assert price.tolist() == pytest.approx([-1.0, -2.0 / 3.0])


def test_a_lower_limit_below_an_upper_one():
    """The feeder must give 9 MW at least, the site 10 MW at most: the other unit gives way."""
    _, out, price, missed = project(groups([0, 1, 1], [-1, 0], [-INF, 9.0], [10.0, INF]))
    assert out.sum() == pytest.approx(10.0)
    assert out[1:].sum() == pytest.approx(9.0)
    assert price[0] < 0.0 < price[1]
    assert not missed.any()


def test_units_beat_groups_and_children_beat_parents():
    _, out, _, missed = project(groups([0, 1, 1], [-1, 0], [-INF, 30.0], [10.0, INF]))
    assert out.tolist() == pytest.approx([0.0, 9.0, 9.0])
    assert missed.tolist() == pytest.approx([-8.0, 12.0])


def test_no_groups_no_units_and_empty_groups():
    _, out, _, _ = project(groups([-1, -1, -1], [], [], []))
    assert out.tolist() == [4.0, 4.0, 4.0]
    _, out, price, missed = project(groups([], [-1, 0], [1.0, -INF], [2.0, INF], centre=()))
    assert missed.tolist() == [1.0, 0.0]
    assert np.isfinite(price).all()


def test_a_group_of_no_width_and_pinned_units():
    _, out, _, _ = project(groups([0, 0, 0], [-1], [5.0], [5.0]))
    assert out.sum() == pytest.approx(5.0, abs=1e-15)
    p = groups([0, 0, 0], [-1], [5.0], [5.0], upper=0.0)
    (code, _, _), out, _, missed = project(p)
    assert (code, out.tolist(), missed.tolist()) == (status.OK, [0.0] * 3, [5.0])


def test_a_chain_of_many_levels():
    """Each level a little tighter than the one below it: all of them are held."""
    depth = 40
    high = np.linspace(1.0, 10.0, depth)
    p = groups([depth - 1] * 3, np.arange(-1, depth - 1), [-INF] * depth, high)
    (code, passes, worst_mw), out, price, _ = project(p)
    assert code == status.OK
    assert out.sum() == pytest.approx(1.0, abs=1e-14)
    assert worst_mw <= 1e-14
    assert np.flatnonzero(price).tolist() == [0]
    assert passes <= 3 * depth


@pytest.mark.parametrize(
    ("position", "bad"),
    [(3, math.nan), (4, 0.0), (4, math.nan), (5, 99.0), (5, -INF), (6, math.nan), (7, 5), (7, -2),
     (8, 1), (8, -2), (9, math.nan), (9, INF), (10, -INF), (10, math.nan)],
)  # fmt: skip
def test_bad_numbers_are_refused_and_the_outputs_stay(position, bad):
    p = groups([0, 1, 1], [-1, 0], [-INF, -INF], [8.0, 3.0])
    arguments = [a.copy() for a in p.arguments]
    arguments[position][-1] = bad
    outs = [np.full(k, 7.25) for k in (3, 2, 2)]
    told = project_tree(*arguments[3:], *outs, np.zeros((ROOM_ROWS, 2)))
    assert told[:2] == (status.BAD_INPUT, 0)
    assert math.isnan(told[2])
    assert all(np.all(a == 7.25) for a in outs)


@pytest.mark.parametrize("position", range(3, 11))
def test_shapes_that_differ_are_refused(position):
    p = groups([0, 1, 1], [-1, 0], [-INF, -INF], [8.0, 3.0])
    arguments = list(p.arguments)
    arguments[position] = arguments[position][:-1]
    outs = [np.full(k, 7.25) for k in (3, 2, 2)]
    assert project_tree(*arguments[3:], *outs, np.zeros((ROOM_ROWS, 2)))[0] == status.BAD_INPUT
    room = np.zeros((ROOM_ROWS - 1, 2))
    assert project_tree(*p.arguments[3:], *outs, room)[0] == status.BAD_INPUT


@pytest.mark.parametrize("sizes", [(2, 2, 2), (3, 1, 2), (3, 2, 1), (3, 1, 1)])
@pytest.mark.parametrize("columns", [1, 2, 3])
def test_outputs_and_room_of_another_size_are_refused(sizes, columns):
    p = groups([0, 1, 1], [-1, 0], [-INF, -INF], [8.0, 3.0])
    outs = [np.full(k, 7.25) for k in sizes]
    told = project_tree(*p.arguments[3:], *outs, np.zeros((ROOM_ROWS, columns)))
    assert told[:2] == (status.BAD_INPUT, 0)
    assert all(np.all(a == 7.25) for a in outs)
    fitting = [np.full(k, 7.25) for k in (3, 2, 2)]
    told = project_tree(*p.arguments[3:], *fitting, np.zeros((ROOM_ROWS, columns)))
    assert told[0] == (status.OK if columns == 2 else status.BAD_INPUT)
