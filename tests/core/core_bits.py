"""Digests of what the tick decides in seeded runs that have everything. As a program: writes them.

What a tick sees is drawn evenly, with nothing that rests on a C library: units that come and go,
refuse, are locked, report old or impossible numbers; a signal that stops and comes back.
"""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from builders import NAN, image, params

from vppd.core.explain import explain
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import (
    AwardGuard,
    Decision,
    Image,
    Order,
    Params,
    Policy,
    Quality,
    State,
    WriteResult,
)

FILE = Path(__file__).parents[1] / "testdata" / "core_bits.json"
WHY_FILE = FILE.with_name("core_why_bits.json")
N, TICKS = 7, 30


def _bare(policy: Policy) -> Params:
    """Two stores, a depot, a factory, three others; droop, and what can be promised."""
    return params(
        N, policy=policy,
        p_min_mw=np.array([-10.0, -8.0, -6.0, -9.0, 0.0, -4.0, -1.0]),
        p_max_mw=np.array([10.0, 8.0, 0.0, 0.0, 7.0, 4.0, 1.0]),
        ramp_up_mw_per_s=np.array([50.0, 4.0, 2.0, 0.5, 3.0, 9.0, 9.0]),
        ramp_down_mw_per_s=np.array([50.0, 5.0, 2.0, 0.4, 9.0, 9.0, 9.0]),
        cost=np.array([1.0, 1.5, 10.0, 100.0, 20.0, 3.0, 2.0]),
        energy_mwh=np.array([20.0, 4.0, NAN, NAN, NAN, NAN, NAN]),
        efficiency_charge_pu=np.full(N, 0.95), efficiency_discharge_pu=np.full(N, 0.94),
        dead_time_s=np.array([0.1, 0.2, 2.0, 12.0, 1.0, 0.0, 0.3]),
        lag_s=np.array([0.3, 0.3, 2.0, 20.0, 3.0, 0.0, 0.5]),
        participation=np.array([1.0, 0.5, 1.0, 2.0, 0.0, 1.0, 1.0]),
        fallback_mw=np.array([0.0, 0.0, -2.0, -4.0, 3.0, 0.0, 0.0]),
        safe_mw=np.array([0.0, 0.5, -1.0, -4.0, 3.0, 0.0, 0.0]), firm_pu=np.full(N, 0.9),
        droop_enabled=True, quiet_pu=0.01, trust_error_pu=0.1,
        award_guard=AwardGuard.CLAMP, watchdog_s=np.full(N, 4.0),
        hold_s=3.0, agc_stale_after_s=3.0,
    )  # fmt: skip


def _grouped(policy: Policy) -> Params:
    """The same in two feeders of one site."""
    return dataclasses.replace(
        _bare(policy), unit_group=np.array([1, 1, 1, 2, 2, -1, 0]), group_ids=("s", "f", "g"),
        group_parent=np.array([-1, 0, 0]), group_lower_mw=np.array([-12.0, -9.0, -np.inf]),
        group_upper_mw=np.array([9.0, 6.0, 3.0]),
    )  # fmt: skip


def _stiff(policy: Policy) -> Params:
    """With grids, smallest steps, and exclusion bands."""
    band = np.full((2, N), NAN)
    band[:, 2], band[:, 3], band[:, 5] = (-2.0, 0.0), (-6.0, -3.0), (-1.0, 1.0)
    return dataclasses.replace(
        _bare(policy), resolution_mw=np.array([0.0, 0.1, 0.0, 0.5, 0.0, 0.0, 0.0]),
        step_min_mw=np.array([0.0, 0.3, 0.0, 0.0, 0.4, 0.0, 0.0]),
        band_lower_mw=band[0], band_upper_mw=band[1], stay_below_s=np.full(N, 3.0),
        stay_above_s=np.full(N, 2.0), switch_mw=np.full(N, 0.3), switches_per_day=np.full(N, 40.0),
    )  # fmt: skip


PLANTS = {
    **{f"bare, {p.name.lower()}": (_bare, p) for p in Policy},
    **{f"grouped, {p.name.lower()}": (_grouped, p) for p in (Policy.EXACT, Policy.RESPONSE_AWARE)},
    **{f"stiff, {p.name.lower()}": (_stiff, p) for p in Policy},
}  # fmt: skip


def digest(name: str) -> str:
    """First 16 characters of SHA-256 over all decisions of three seeds."""
    seen = hashlib.sha256()
    make, policy = PLANTS[name]
    for seed in range(3):
        for _, decision in runs(make(policy), np.random.default_rng(seed)):
            for field in dataclasses.fields(decision):
                seen.update(np.asarray(getattr(decision, field.name)).tobytes())
    return seen.hexdigest()[:16]


def digest_of_why(name: str) -> str:
    """Likewise of why each unit got its setpoint; one NaN is as good as another there."""
    seen = hashlib.sha256()
    make, policy = PLANTS[name]
    for seed in range(3):
        p = make(policy)
        for before, image_, _, decision in steps(p, np.random.default_rng(seed)):
            why = explain(before, image_, p, decision)
            for field in dataclasses.fields(why):
                value = np.asarray(getattr(why, field.name))
                if value.dtype == np.float64:
                    value = np.where(np.isnan(value), NAN, value + 0.0)
                seen.update(value.tobytes())
    return seen.hexdigest()[:16]


def runs(p: Params, rng: np.random.Generator) -> Iterator[tuple[State, Decision]]:
    """Yield the state after each tick, and its decision."""
    for _, _, after, decision in steps(p, rng):
        yield after, decision


def steps(p: Params, rng: np.random.Generator) -> Iterator[tuple[State, Image, State, Decision]]:
    """Yield state, image, state after, and decision of each tick."""
    state, now_s = initial_state(p), 100.0
    p_mw = p.safe_mw.copy()
    accepted_mw, accepted_s = np.full(N, NAN), np.full(N, NAN)
    measured_s = np.full(N, NAN)
    soc = np.where(np.isnan(p.energy_mwh), NAN, rng.random(N))
    agc_pu, received_s = 0.0, NAN
    for k in range(TICKS):
        now_s += float(rng.choice([1.0, 1.0, 1.0, 0.4, 3.0]))
        there = rng.random(N) < 0.9
        read = there & (rng.random(N) < 0.9)
        measured_s = np.where(read, now_s - 0.5 * rng.random(N), measured_s)
        if rng.random() < (0.1 if 12 <= k < 20 else 0.8):
            agc_pu, received_s = float(rng.uniform(-1.1, 1.2)), now_s
        seen = image(
            N, tick=k, now_s=now_s, agc_pu=agc_pu, agc_received_s=received_s,
            basepoint_mw=p.safe_mw, p_meas_mw=np.where(np.isnan(measured_s), NAN, p_mw),
            measured_at_s=measured_s, accepted_mw=accepted_mw, accepted_at_s=accepted_s,
            connected=there.astype(np.uint8), soc_pu=soc,
            quality=np.where(rng.random(N) < 0.05, Quality.OVER_RANGE, 0).astype(np.uint8),
            remote=(rng.random(N) < 0.97).astype(np.uint8),
            locked=(rng.random(N) < 0.04).astype(np.uint8), operator_mw=0.5 * p.p_max_mw,
            write_result=rng.integers(0, 4, N).astype(np.uint8) if k % 3 else
            np.full(N, WriteResult.ACCEPTED, np.uint8),
            p_avail_min_mw=p.p_min_mw * rng.uniform(0.7, 1.0, N),
            p_avail_max_mw=p.p_max_mw * rng.uniform(0.7, 1.0, N),
            freq_hz=50.0 + float(rng.uniform(-0.2, 0.2)), freq_received_s=now_s, freq_quality=0,
            order=int(Order.SAFE if k == 24 else Order.LOCAL if k == 22 else Order.AUTO),
        )  # fmt: skip
        before = state
        state, decision = tick(before, seen, p)
        took = (decision.send == 1) & (rng.random(N) < 0.95)
        accepted_mw = np.where(took, decision.p_setpoint_mw, accepted_mw)
        accepted_s = np.where(took, now_s + 0.05, accepted_s)
        p_mw = p_mw + 0.5 * (np.where(np.isnan(accepted_mw), p_mw, accepted_mw) - p_mw)
        yield before, seen, state, decision


if __name__ == "__main__":
    FILE.write_text(json.dumps({name: digest(name) for name in PLANTS}, indent=1) + "\n")
    WHY_FILE.write_text(json.dumps({n: digest_of_why(n) for n in PLANTS}, indent=1) + "\n")
