"""The choice of sides against all choices, and what must hold of it."""

import os

import numpy as np
import pytest
from kernels_sides import Sided, alike, sided

from vppd.kernels.sides import ABOVE, BELOW

SEED = 20_261_127
COUNT = int(os.environ.get("VPPD_TEST_PROBLEMS", "1050"))  # a mutation run takes fewer


@pytest.mark.parametrize("plain", [0, 1, 5])
def test_none_of_all_choices_is_better(plain):
    """On 1,050 problems of up to 12 units with a band: within 0.1 % of the best there is."""
    print(f"seed {SEED + plain}")
    rng = np.random.default_rng(SEED + plain)
    worst = 0.0
    for k in range(COUNT // 3):
        banded = 12 if k % 70 == 0 else int(rng.integers(1, 9))
        p = alike(rng, banded) if k % 10 == 1 else sided(rng, banded, plain)
        cost, bound, chosen = p.choose()
        least = p.least_cost()
        assert cost == pytest.approx(float(p.setpoints_mw(chosen[None])[1][0]), rel=1e-9, abs=1e-12)
        assert bound <= least * (1.0 + 1e-9) + 1e-12, k
        worst = max(worst, (cost - least) / max(least, 1e-9))
        assert worst <= 1e-3, k
    print(f"{plain} units without a band: worst gap {worst:.1e}")


def test_a_side_that_is_not_open_is_never_taken():
    rng = np.random.default_rng(SEED)
    for _ in range(COUNT // 5):
        p = sided(rng, 20, 3)
        _, _, chosen = p.choose()
        assert np.all(chosen & p.open_sides)


def test_of_many_units_it_is_near_the_bound():
    """With hundreds of units the dual is off by a fraction of one unit's cost."""
    rng = np.random.default_rng(SEED)
    for banded, plain in ((200, 0), (150, 50), (20, 400)):
        for _ in range(COUNT // 50):
            cost, bound, _ = sided(rng, banded, plain).choose()
            assert bound * (1.0 - 1e-9) - 1e-9 <= cost <= bound * 1.01 + 1e-9


def test_a_request_that_one_unit_can_serve_turns_one_unit():
    """Ten units of 0 or 1 to 2 MW; 1.5 MW is asked, and none gets the 0.15 MW of its share."""
    rng = np.random.default_rng(SEED)
    p = alike(rng, 10)
    p.request_mw = 1.5
    _, _, chosen = p.choose()
    assert (chosen == ABOVE).sum() == 1
    x, _ = p.setpoints_mw(chosen[None])
    assert sorted(x[0].tolist())[-2:] == pytest.approx([0.0, 1.5], abs=1e-3)


@pytest.mark.parametrize(("dear", "on"), [(0.0, 0), (0.4, 0), (0.6, 1)])
def test_a_switch_is_worth_it_where_it_costs_less_than_standing_off(dear, on):
    """One unit of weight 1 that runs at 1 MW and would best stand at 0, where nothing is asked
    that others do not give: running costs 1^2 / 2 = 0.5, standing still the switch."""
    one = np.ones(2)
    p = Sided(
        0.0, 0.0 * one, np.array([1.0, 1e6]), np.array([0.0, -9.0]), np.array([1.0, 9.0]),
        np.array([0.0, np.nan]), np.array([1.0, np.nan]), np.array([2, 1], np.uint8),
        np.array([3, 1], np.uint8), np.array([dear, 0.0]),
    )  # fmt: skip
    _, _, chosen = p.choose()
    assert (chosen[0] == ABOVE) == on


def test_turned_upside_down_it_takes_the_other_sides():
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        p = sided(rng, 8, 2)
        band = ~np.isnan(p.band_lower_mw)
        turn = np.where(band, 3, 2)
        q = Sided(
            -p.request_mw, -p.target_mw, p.weight, -p.upper_mw, -p.lower_mw,
            -p.band_upper_mw, -p.band_lower_mw,
            np.where(band, 3 - p.side, p.side).astype(np.uint8),
            np.where(band & (p.open_sides < 3), 3 - p.open_sides, p.open_sides).astype(np.uint8),
            p.switch_cost,
        )  # fmt: skip
        assert turn.max() == 3
        assert q.choose()[0] == pytest.approx(p.choose()[0], rel=1e-3, abs=1e-12)


def test_power_in_kilowatts_gives_the_same_sides():
    """All powers and weights times 1,024, and costs with them."""
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        p = sided(rng, 8, 2)
        q = Sided(*(
            value if name in ("side", "open_sides") else 1024.0 * value
            for name, value in vars(p).items()
        ))  # fmt: skip
        cost, bound, chosen = p.choose()
        cost_kw, bound_kw, chosen_kw = q.choose()
        assert cost_kw == pytest.approx(1024.0 * cost, rel=1e-3)
        assert bound_kw <= cost_kw * (1.0 + 1e-12)
        assert chosen.shape == chosen_kw.shape
        assert bound * 1024.0 == pytest.approx(bound_kw, rel=1e-6, abs=1e-6)


def test_in_another_order_it_costs_the_same():
    rng = np.random.default_rng(SEED)
    for _ in range(100):
        p = sided(rng, 8, 2)
        order = rng.permutation(10)
        q = Sided(*(v[order] if isinstance(v, np.ndarray) else v for v in vars(p).values()))
        assert q.choose()[0] == pytest.approx(p.choose()[0], rel=1e-3, abs=1e-12)


@pytest.mark.parametrize("name", ["request_mw", "target_mw", "weight", "upper_mw"])
def test_a_number_that_is_none_keeps_the_sides_of_now(name):
    p = sided(np.random.default_rng(SEED), 6, 2)
    p.open_sides[:6] = 3
    if name == "request_mw":
        p.request_mw = np.nan
    else:
        getattr(p, name)[2] = np.nan
    cost, _, chosen = p.choose()
    assert np.isnan(cost)
    assert chosen.tolist() == p.side.tolist()


def test_sides_of_now_stay_where_all_is_well():
    """Each stands on its target's side: nothing is better, and nothing is looked for."""
    one = np.ones(4)
    p = Sided(
        6.0, 1.5 * one, one, 0.0 * one, 2.0 * one, 0.0 * one, one,
        np.full(4, ABOVE), np.full(4, BELOW + ABOVE), 0.1 * one,
    )  # fmt: skip
    cost, bound, chosen = p.choose()
    assert chosen.tolist() == [ABOVE] * 4
    assert cost == pytest.approx(0.0, abs=1e-12)
    assert bound == pytest.approx(0.0, abs=1e-12)


def test_the_sides_of_now_are_those_that_are_open():
    """Where a number is none: of now, if that is open; else the open one; below, if both are."""
    side = np.array([1, 2, 1, 2, 0, 0], np.uint8)
    open_sides = np.array([3, 3, 2, 1, 3, 2], np.uint8)
    six = np.ones(6)
    p = Sided(
        float("nan"),
        0.0 * six,
        six,
        0.0 * six,
        3.0 * six,
        six,
        2.0 * six,
        side,
        open_sides,
        0.0 * six,
    )
    assert p.choose()[2].tolist() == [1, 2, 2, 1, 1, 2]


@pytest.mark.parametrize("miss_weight", [0.0, -1e-4, float("nan")])
def test_a_weight_of_the_miss_that_is_none_is_refused(miss_weight):
    p = sided(np.random.default_rng(SEED), 6, 2)
    p.miss_weight = miss_weight
    cost, bound, chosen = p.choose()
    assert np.isnan(cost)
    assert np.isnan(bound)
    assert chosen.tolist() == [s if o & s else o for s, o in zip(p.side, p.open_sides, strict=True)]


def test_without_a_choice_the_cost_is_the_bound():
    p = sided(np.random.default_rng(SEED), 6, 2)
    p.open_sides = p.side.copy()
    cost, bound, chosen = p.choose()
    assert cost == bound == pytest.approx(float(p.setpoints_mw(p.side[None])[1][0]), rel=1e-9)
    assert chosen.tolist() == p.side.tolist()
