"""Properties of `split_exact`: feasible, optimal, monotone, free of scale, indifferent to order."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernels_problems import FAMILIES, Problem, ordinary

from vppd.kernels import exact, status
from vppd.kernels.certificate import kkt_violation_mw
from vppd.kernels.exact import split_exact

NAN = math.nan


@st.composite
def some_problems(draw, n_max=40):
    """A problem of any family, with numbers that Hypothesis may also choose to be odd."""
    family = draw(st.sampled_from(FAMILIES))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, n_max))
    p = family(rng, n)
    if draw(st.booleans()):
        i = draw(st.integers(0, n - 1))
        p.upper_mw[i] = p.lower_mw[i] = draw(st.sampled_from([0.0, -0.0, p.lower_mw[i], 1e6]))
    return p


def run(p: Problem, request_mw: float | None = None, lam0: float = NAN):
    out = np.full(p.target_mw.size, NAN)
    code, lam, kkt_mw = split_exact(
        p.request_mw if request_mw is None else request_mw, *p.arrays, lam0, out
    )
    return code, lam, kkt_mw, out


def scale_mw(p: Problem) -> float:
    """What rounding is relative to: limits, targets and request."""
    return 1.0 + p.fleet_mw + abs(p.request_mw) + float(np.abs(p.target_mw).sum())


@given(some_problems(), st.floats(-2.0, 2.0))
def test_limits_hold_and_the_request_is_served_as_far_as_they_allow(p, where):
    low, high = math.fsum(p.lower_mw), math.fsum(p.upper_mw)
    request = low + (0.5 + where) * (high - low) + where
    code, _, _, out = run(p, request)
    assert np.all(p.lower_mw <= out)
    assert np.all(out <= p.upper_mw)
    off_mw = abs(math.fsum(out) - min(max(request, low), high))
    assert off_mw <= 1e-15 * math.fsum(np.abs(out)) + 1e-30 * scale_mw(p)
    if request > high + 1e-12 * p.fleet_mw:
        assert code == status.UNSERVED_UP
        assert np.array_equal(out, p.upper_mw)
    elif request < low - 1e-12 * p.fleet_mw:
        assert code == status.UNSERVED_DOWN
        assert np.array_equal(out, p.lower_mw)


@given(some_problems())
def test_one_lam_explains_every_unit(p):
    """The optimality condition, recomputed here without the kernel."""
    code, lam, kkt_mw, out = run(p)
    assert math.isfinite(lam)
    x = np.clip(p.target_mw + lam * p.weight, p.lower_mw, p.upper_mw)
    span = float(np.abs(lam * p.weight).max()) if code == status.OK else 1e3 * scale_mw(p)
    assert np.abs(out - x).max() <= kkt_mw + 1e-15 * (span + scale_mw(p))
    assert 0.0 <= kkt_mw <= 1e-12 * scale_mw(p)


@given(some_problems(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_more_request_never_means_less_from_anyone(p, a, b):
    low, high = float(p.lower_mw.sum()), float(p.upper_mw.sum())
    small, large = sorted((low + a * (high - low), low + b * (high - low)))
    rounding = 1e-12 * scale_mw(p)
    assert np.all(run(p, large)[3] >= run(p, small)[3] - rounding)


@given(some_problems(), st.integers(-40, 40), st.integers(-40, 40))
def test_units_of_power_and_of_cost_do_not_matter(p, power, cost):
    """Scaled by powers of two every bit stays, because no constant of the kernel has a unit."""
    f, g = 2.0**power, 2.0**cost
    q = Problem("", p.request_mw * f, p.target_mw * f, p.weight * g, p.lower_mw * f, p.upper_mw * f)
    code, lam, kkt_mw, out = run(p)
    code_q, lam_q, kkt_q_mw, out_q = run(q)
    assert code_q == code
    assert np.array_equal(out_q, out * f)
    assert lam_q == lam * f / g
    assert kkt_q_mw == kkt_mw * f


@given(some_problems(), st.randoms(use_true_random=False))
def test_the_order_of_the_units_does_not_matter(p, random):
    order = list(range(p.target_mw.size))
    random.shuffle(order)
    q = Problem("", p.request_mw, *(a[order] for a in p.arrays))
    assert np.abs(run(q)[3] - run(p)[3][order]).max() <= 1e-12 * scale_mw(p)


@given(some_problems(), st.floats(allow_nan=True, allow_infinity=True))
def test_any_first_guess_leads_to_the_same_answer(p, lam0):
    code, _, kkt_mw, out = run(p, lam0=lam0)
    assert code == run(p)[0]
    assert kkt_mw <= 1e-12 * scale_mw(p)
    assert np.abs(out - run(p)[3]).max() <= 1e-12 * scale_mw(p)


@given(
    some_problems(),
    st.integers(0, 4),
    st.sampled_from([NAN, math.inf, -math.inf, 1e101, -1e101]),
    st.data(),
)
def test_bad_numbers_are_refused_and_the_output_stays(p, which, bad, data):
    request = p.request_mw
    if which == 4:
        request = bad
    else:
        p.arrays[which][data.draw(st.integers(0, p.target_mw.size - 1))] = bad
    out = np.full(p.target_mw.size, 7.25)
    code, lam, kkt_mw = split_exact(request, *p.arrays, NAN, out)
    assert code == status.BAD_INPUT
    assert np.all(out == 7.25)
    assert math.isnan(lam)
    assert math.isnan(kkt_mw)


@pytest.mark.parametrize("weight", [0.0, -1.0, -0.0, 1e-101, 5e-324])
@pytest.mark.parametrize("n", [1, 64, 65, 5000])
def test_a_weight_that_is_not_positive_is_refused_at_any_place(weight, n):
    p = ordinary(np.random.default_rng(n), n)
    for i in {0, n // 2, n - 1}:
        bad = p.weight.copy()
        bad[i] = weight
        out = np.full(n, 7.25)
        arrays = (p.target_mw, bad, p.lower_mw, p.upper_mw)
        assert split_exact(p.request_mw, *arrays, NAN, out)[0] == status.BAD_INPUT
        assert np.all(out == 7.25)


def test_crossed_limits_are_refused():
    out = np.full(2, 7.25)
    lower, upper = np.array([0.0, 1.0]), np.array([1.0, np.nextafter(1.0, 0.0)])
    assert split_exact(1.0, lower, np.ones(2), lower, upper, NAN, out)[0] == status.BAD_INPUT
    assert np.all(out == 7.25)


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("size", [2, 4])
def test_shapes_that_differ_are_refused(which, size):
    arrays = [np.zeros(3), np.ones(3), np.zeros(3), np.ones(3), np.full(3, 7.25)]
    arrays[which] = np.full(size, arrays[which][0])
    *given_arrays, out = arrays
    assert split_exact(1.0, *given_arrays, NAN, out)[0] == status.BAD_INPUT
    assert np.all(out == 7.25)


@pytest.mark.parametrize(
    ("request_mw", "code"),
    [(0.0, status.OK), (1.0, status.UNSERVED_UP), (-1.0, status.UNSERVED_DOWN)],
)
def test_no_units_at_all(request_mw, code):
    none = np.empty(0)
    assert split_exact(request_mw, none, none, none, none, NAN, none) == (code, 0.0, 0.0)


@pytest.mark.parametrize("request_mw", [-3.0, -2.0, -1.0, 0.0, 0.3, 4.0, 5.0])
def test_one_unit_takes_all_it_can(request_mw):
    out = np.full(1, NAN)
    target, weight = np.array([1.0]), np.array([0.7])
    lower, upper = np.array([-2.0]), np.array([4.0])
    code, _, _ = split_exact(request_mw, target, weight, lower, upper, NAN, out)
    assert out[0] == pytest.approx(min(max(request_mw, -2.0), 4.0), abs=1e-15)
    assert code == (0 if -2.0 <= request_mw <= 4.0 else 1 if request_mw > 0.0 else 2)


def test_the_request_is_the_sum_of_the_limits():
    """Everybody ends at the limit, whichever way the last ulp of the sum falls."""
    for seed in range(50):
        p = ordinary(np.random.default_rng(seed), 30)
        for limits in (p.lower_mw, p.upper_mw):
            code, lam, kkt_mw, out = run(p, math.fsum(limits))
            assert math.isfinite(lam)
            assert np.abs(out - limits).max() <= 1e-12
            assert kkt_mw <= 1e-12
            assert code != status.BAD_INPUT


def test_nothing_is_asked_of_units_that_are_at_their_targets():
    """A request that is the sum of the targets moves nobody."""
    p = ordinary(np.random.default_rng(5), 200)
    _, lam, _, out = run(p, math.fsum(p.target_mw))
    assert abs(lam) < 1e-13
    assert np.abs(out - p.target_mw).max() < 1e-13


@settings(max_examples=settings.default.max_examples // 4)
@given(st.sampled_from(FAMILIES), st.integers(0, 2**32 - 1), st.integers(4000, 9000), st.booleans())
def test_large_fleets_which_begin_with_a_sample(family, seed, n, in_order):
    """Also where the sample misleads: the fleet sorted by weight."""
    p = family(np.random.default_rng(seed), n)
    if in_order:
        order = np.argsort(p.weight, kind="stable")
        p = Problem(p.name, p.request_mw, *(a[order] for a in p.arrays))
    _, lam, kkt_mw, out = run(p)
    low, high = math.fsum(p.lower_mw), math.fsum(p.upper_mw)
    served = min(max(p.request_mw, low), high)
    assert abs(math.fsum(out) - served) <= 1e-15 * math.fsum(np.abs(out))
    assert kkt_mw <= 1e-13 * scale_mw(p)
    span = 1e-15 * float(np.abs(lam * p.weight).max())
    checked = kkt_violation_mw(p.request_mw, *p.arrays, lam, out)
    assert checked <= kkt_mw + span + 1e-15 * scale_mw(p)


def test_the_certificate_sees_a_wrong_split():
    p = ordinary(np.random.default_rng(7), 50)
    _, lam, _, out = run(p)
    assert kkt_violation_mw(p.request_mw, *p.arrays, lam, out) < 1e-12
    out[[3, 4]] += [1e-6, -1e-6]  # the sum is still right
    assert kkt_violation_mw(p.request_mw, *p.arrays, lam, out) > 5e-7
    out[[3, 4]] -= [1e-6, 0.0]
    assert kkt_violation_mw(p.request_mw, *p.arrays, lam, out) > 5e-7


def test_the_number_of_passes_is_bounded(monkeypatch):
    """Counted in the uncompiled kernel, on the problems that are hard for Newton's method."""
    counts: dict[str, int] = {}

    def counted(name, function):
        def count(*args):
            counts[name] = counts.get(name, 0) + 1
            return function(*args)

        return count

    for name, function in vars(exact).copy().items():
        if callable(function) and getattr(function, "__module__", "") == exact.__name__:
            plain = getattr(function, "py_func", function)  # itself with NUMBA_DISABLE_JIT=1
            monkeypatch.setattr(exact, name, counted(name, plain))

    most: dict[str, int] = {}
    for k in range(330):
        p = FAMILIES[k % len(FAMILIES)](np.random.default_rng(k), 1 + k % 60)
        counts.clear()
        exact.split_exact(p.request_mw, *p.arrays, NAN, np.empty(p.target_mw.size))
        most = {name: max(most.get(name, 0), counts.get(name, 0)) for name in most | counts}
    print(most)
    assert most["_survey"] == 1
    assert most["_gather"] <= exact.WINDOWS_MAX
    assert most["_ends"] == 1
    assert most["_respond"] <= 2 * exact.WRITES_MAX
    assert most["_response"] <= 100  # far below (WINDOWS_MAX + 1) * ROUNDS_MAX
