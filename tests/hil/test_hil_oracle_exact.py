"""The bound against an independent program, and its schedule on the simulated plant."""

from dataclasses import replace

import numpy as np
import pytest
from oracle_bench import bare, request, unit
from scipy import sparse
from scipy.optimize import linprog

from hil.oracle import clusters
from hil.oracle.bound import least_mae_mw, schedule_of
from hil.plant.plant import Plant

FINE_S = 0.1
PER_S = 10


def moves(units, seconds, lead_s):
    """Power at each fine step as a linear map of the references: blocks of a program."""
    steps = int((seconds + lead_s) * PER_S)
    for u in units:
        decay = np.exp(-FINE_S / max(u.lag_true_s, 1e-6))
        slope = u.lag_true_s / FINE_S
        new, old = 1.0 - slope * (1.0 - decay), slope * (1.0 - decay) - decay
        yield u, steps, decay, old, new


def exact_mae_mw(asked, units):
    """Least mean error with references straight between tenths of a second, each unit alone.

    Columns: reference of each unit, power of each unit (both at the ends of the steps), error.
    Means of seconds by the trapezoidal rule.
    """
    n, lead = asked.seconds, int(asked.lead_s * PER_S)
    steps = lead + n * PER_S
    width = 2 * steps * len(units) + n
    equal, equals, bounds = [], [], []
    below, limits = [], []
    mean = sparse.lil_matrix((n, width))
    first_mean = np.zeros(n)
    for number, (u, count, decay, old, new) in enumerate(moves(units, n, asked.lead_s)):
        assert count == steps
        r0, p0 = 2 * steps * number, 2 * steps * number + steps
        eye, shift = sparse.eye(steps), sparse.eye(steps, k=-1)
        block = sparse.lil_matrix((steps, width))
        block[:, r0 : r0 + steps] = -(new * eye + old * shift)
        block[:, p0 : p0 + steps] = eye - decay * shift
        rest = np.zeros(steps)
        rest[0] = (decay + old) * u.basepoint_mw
        equal.append(block)
        equals.append(rest)
        ramp = sparse.lil_matrix((steps, width))
        ramp[:, r0 : r0 + steps] = eye - shift
        first = np.zeros(steps)
        first[0] = u.basepoint_mw
        reach = u.ramp_mw_per_s * FINE_S
        below += [ramp, -ramp]
        limits += [reach + first, reach - first]
        dead = int(np.ceil(u.dead_time_true_s * PER_S))
        still = [(u.basepoint_mw, u.basepoint_mw)] * dead
        bounds += still + [(u.p_min_mw, u.p_max_mw)] * (steps - dead)
        bounds += [(None, None)] * steps
        for k in range(n):
            ends = p0 + lead + k * PER_S + np.arange(-1, PER_S)
            weights = np.full(PER_S + 1, 1.0 / PER_S)
            weights[[0, -1]] *= 0.5
            if ends[0] < p0:
                first_mean[k] += weights[0] * u.basepoint_mw
                ends, weights = ends[1:], weights[1:]
            mean[k, ends] = mean[k, ends].toarray()[0] + weights
    bounds += [(0.0, None)] * n
    error = sparse.hstack([sparse.csr_matrix((n, width - n)), sparse.eye(n)])
    below += [mean - error, -mean - error]
    limits += [asked.mw - first_mean, first_mean - asked.mw]
    cost = np.concatenate((np.zeros(width - n), np.ones(n)))
    done = linprog(
        cost, sparse.vstack(below).tocsr(), np.concatenate(limits),
        sparse.vstack(equal).tocsr(), np.concatenate(equals), bounds, method="highs",
    )  # fmt: skip
    assert done.status == 0, done.message
    return done.fun / n


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_exact_program_lies_between_the_two_sides(seed):
    print(f"seed {seed}")
    rng = np.random.default_rng(seed)
    units = [
        bare(
            ramp_mw_per_s=rng.uniform(0.02, 0.4),
            lag_true_s=rng.uniform(0.2, 12.0),
            dead_time_true_s=rng.uniform(0.0, 6.0),
            p_max_mw=rng.uniform(-0.6, 0.0),
        )
        for _ in range(3)
    ]
    walk = np.cumsum(rng.normal(0.0, 0.5, 40))
    asked = request(-3.0 + np.clip(walk, -2.5, 2.5), lead_s=2.0)
    exact = exact_mae_mw(asked, units)
    traits = clusters.traits(units)
    for parts in ([[0], [1], [2]], [[0, 1], [2]], [[0, 1, 2]]):
        groups = [np.array(part) for part in parts]
        least = least_mae_mw(asked, traits, groups)
        reached = asked.mae_mw(schedule_of(asked, traits, groups).delivered_mw(40))
        assert least <= exact + 1e-6, parts
        assert exact <= reached + 2e-3, parts  # the trapezoidal rule
        if len(parts) == 3:
            assert reached - least < 0.1


def fleet_of_all_kinds():
    """Two units of each kind, unlike each other, in clusters of two.

    Without what the oracle leaves out: steps of chargers, comfort, minimum times of machines.
    """
    free = {"min_on_s": 0.0, "min_off_s": 0.0, "lockout_s": 0.0, "charger_step_a": 0.0}
    units = []
    for kind in ("battery", "ev_hub", "hvac", "industrial", "pv"):
        one = unit(kind, comfort_k=1e3, **free)
        units += [one, replace(one, lag_true_s=1.3 * one.lag_true_s, dead_time_true_s=1.5)]
    return units, [np.array([i, i + 1]) for i in range(0, len(units), 2)]


def follow(units, setpoints_mw, lead_s, seconds):
    """Mean power of each second of a plant whose setpoints arrive step by step, and the plant."""
    plant = Plant(units, FINE_S, 0.0, seed=1)
    means, before = np.zeros(int((seconds + lead_s) * PER_S)), plant.p_mw.sum()
    for k in range(means.size):
        for i, u in enumerate(units):
            plant.order(i, setpoints_mw[i, k], plant.now_s - u.dead_time_true_s)
        plant.step()
        means[k] = 0.5 * (before + plant.p_mw.sum())
        before = plant.p_mw.sum()
    return means[int(lead_s * PER_S) :].reshape(seconds, PER_S).mean(axis=1), plant


def replayed(asked, units, groups, hold_s):
    """What the simulated plant delivers for the references, sent every `hold_s`; and what it said.

    The order for a step reaches its unit a dead time before the step begins.
    """
    traits = clusters.traits(units)
    found = schedule_of(asked, traits, groups)
    steps = (np.arange(int((asked.seconds + asked.lead_s) * PER_S)) + 1.0) * FINE_S
    sent = np.ceil(steps / hold_s - 1e-9) * hold_s - asked.lead_s
    setpoints = np.zeros((len(units), steps.size))
    for number, group in enumerate(groups):
        setpoints[group] = found.reference_mw(traits, number, sent)
    delivered, plant = follow(units, setpoints, asked.lead_s, asked.seconds)
    return delivered, found.delivered_mw(asked.seconds), plant


def hard_request(units, seconds):
    base = sum(u.basepoint_mw for u in units)
    up = sum(u.p_max_mw - u.basepoint_mw for u in units)
    t_s = np.arange(seconds)
    return base + 0.95 * up * np.clip(1.5 * np.sin(t_s / 25.0) + 0.4 * np.sin(t_s / 7.0), -1, 1)


def test_the_simulated_plant_delivers_the_schedule():
    units, groups = fleet_of_all_kinds()
    asked = request(hard_request(units, 150), regulation_mw=10.0)
    delivered, claimed, plant = replayed(asked, units, groups, FINE_S)
    assert asked.accuracy_pct(asked.mae_mw(claimed)) < 99.9
    assert np.abs(delivered - claimed).max() < 0.005
    assert asked.accuracy_pct(asked.mae_mw(delivered)) == pytest.approx(
        asked.accuracy_pct(asked.mae_mw(claimed)), abs=0.05
    )
    stores = [i for i, u in enumerate(units) if u.energy_mwh is not None]
    for i in stores:
        assert units[i].soc_min_pu <= plant.soc_pu[i] <= units[i].soc_max_pu


def test_setpoints_once_a_second_deliver_nearly_as_much():
    units, groups = fleet_of_all_kinds()
    asked = request(hard_request(units, 150), regulation_mw=10.0)
    delivered, claimed, _ = replayed(asked, units, groups, 1.0)
    fine = asked.accuracy_pct(asked.mae_mw(claimed))
    assert asked.accuracy_pct(asked.mae_mw(delivered)) == pytest.approx(fine, abs=2.0)
