"""The whole tick, image to decision: signal, limits, responses, split, guard, promise.

A mixed fleet as the reference plant's, regulating in a closed loop: each tick gets other readings,
another AGC value, another state of charge. Putting the image together is not timed; it takes as
long as the devices are many, and is the runtime's.
"""

import math

import numpy as np

from benchmarks import fleets
from benchmarks.timing import Row, repeat, row, timed
from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import AwardGuard, Decision, Image, Order, Params, Policy, Quality, Trigger

WHO = "vppd tick"
KINDS = ("battery", "ev_hub", "hvac", "industrial", "pv")
SHARE = (0.07, 0.43, 0.28, 0.12, 0.10)  # of the units
RATED_MW = (4.3, 0.33, 0.4, 1.5, 1.1)
DEAD_S = (0.15, 3.5, 8.0, 15.0, 1.0)
LAG_S = (0.3, 2.0, 15.0, 10.0, 1.0)
RAMP_PU_PER_S = (1.0, 0.2, 0.2, 0.02, 0.5)
BUDGET_S = 2.0
SITE_UNITS = 20
SITE_ROOM_PU = 0.15  # of its units' ratings, around their plan: some sites bind in most ticks
WARM_UP = 40  # ticks: until every past setpoint is known


def fleet(n: int, policy: Policy, *, groups: bool) -> Params:
    """n units in the mix of the reference plant; `groups`: sites of 20, feeders of 10 sites."""
    rng = np.random.default_rng((fleets.SEED, n, 4))
    kind = rng.choice(len(KINDS), n, p=SHARE)
    rated_mw = np.array(RATED_MW)[kind] * rng.uniform(0.5, 1.5, n)
    store = kind == 0

    def of(values: tuple[float, ...]) -> np.ndarray:
        return np.array(values)[kind] * rng.uniform(0.8, 1.2, n)

    def each(value: float) -> np.ndarray:
        return np.full(n, value)

    base_mw = np.where(store, 0.0, -0.5 * rated_mw)
    sites = n // SITE_UNITS if groups else 0
    feeders = sites // 10
    parent = np.array([-1] * feeders + [k % feeders if feeders else -1 for k in range(sites)])
    member = np.arange(n) % sites + feeders if sites else each(-1.0)
    low_mw, high_mw = np.full((2, feeders + sites), np.inf)
    low_mw *= -1.0
    for g in range(sites):
        mine = np.arange(n) % sites == g
        room_mw = SITE_ROOM_PU * rated_mw[mine].sum()
        low_mw[feeders + g] = base_mw[mine].sum() - room_mw
        high_mw[feeders + g] = base_mw[mine].sum() + room_mw
    return Params(
        ids=tuple(f"u{i}" for i in range(n)), kinds=tuple(KINDS[k] for k in kind.tolist()),
        p_min_mw=-rated_mw, p_max_mw=np.where(store, rated_mw, 0.0),
        ramp_up_mw_per_s=of(RAMP_PU_PER_S) * rated_mw,
        ramp_down_mw_per_s=of(RAMP_PU_PER_S) * rated_mw, cost=each(1.0),
        energy_mwh=np.where(store, 2.0 * rated_mw, np.nan), soc_min_pu=each(0.1),
        soc_max_pu=each(0.9), efficiency_charge_pu=each(0.95), efficiency_discharge_pu=each(0.95),
        step_min_mw=each(0.0), resolution_mw=each(0.0), telemetry_age_max_s=each(5.0),
        watchdog_s=each(10.0), fallback_mw=base_mw, safe_mw=base_mw, policy=policy, tick_s=1.0,
        soc_horizon_s=60.0, agc_limit_pu=1.0, agc_tolerance_pu=0.05,
        agc_rate_max_pu_per_s=math.inf, agc_stale_after_s=6.0, agc_transit_max_s=6.0, hold_s=10.0,
        return_rate_pu_per_s=0.1, droop_enabled=True, droop_pu=0.05, droop_deadband_hz=0.036,
        droop_power_mw=float(rated_mw.sum()) * 0.1, freq_nominal_hz=50.0, freq_stale_after_s=3.0,
        setpoint_age_max_s=2.0, dead_time_s=of(DEAD_S), lag_s=of(LAG_S), participation=each(1.0),
        unit_group=member.astype(np.int64), group_ids=tuple(f"g{g}" for g in range(low_mw.size)),
        group_parent=parent.astype(np.int64), group_lower_mw=low_mw, group_upper_mw=high_mw,
        look_ahead_s=1.0, settle_s=8.0, slow_s=3.0, quiet_pu=0.01, soc_recovery_s=7200.0,
        band_lower_mw=each(math.nan), band_upper_mw=each(math.nan), stay_below_s=each(0.0),
        stay_above_s=each(0.0), switch_mw=each(0.0), switches_per_day=each(math.inf),
        trust_error_pu=0.1, steps_per_mw=each(1e4),
        firm_pu=each(0.95), soc_error_pu=0.02, award_guard=AwardGuard.CLAMP,
    )  # fmt: skip


class Plant:
    """Ticks of one plant in a closed loop."""

    def __init__(self, params: Params) -> None:
        n = len(params.ids)
        self.params, self.state = params, initial_state(params)
        self.rng = np.random.default_rng((fleets.SEED, n, 5))
        self.agc_pu = 0.0
        self.p_mw = params.safe_mw.copy()
        self.soc_pu = np.where(np.isnan(params.energy_mwh), np.nan, 0.5)
        self.told_mw = np.full(n, np.nan)
        self.worst_kkt_mw = 0.0
        for k in range(-WARM_UP, 0):
            self(k)

    def __call__(self, k: int) -> int:
        """One tick: ns."""
        image = self._image(k)
        ns, (self.state, decision) = timed(lambda: tick(self.state, image, self.params))
        self._follow(decision)
        return ns

    def _image(self, k: int) -> Image:
        n, rng, now_s = len(self.params.ids), self.rng, 1000.0 + k
        if k % 2 == 0:
            self.agc_pu = min(max(self.agc_pu + 0.15 * float(rng.normal()), -1.0), 1.0)
        flags = np.ones(n, np.uint8)
        sold_mw = 0.25 * float((self.params.p_max_mw - self.params.p_min_mw).sum())
        return Image(
            tick=k + WARM_UP, now_s=now_s, trigger=Trigger.AGC, agc_pu=self.agc_pu,
            agc_received_s=now_s - k % 2, agc_sequence=-1, agc_transit_s=math.nan,
            agc_quality=Quality.ONLINE, freq_hz=50.0 + 0.05 * float(rng.normal()),
            freq_received_s=now_s, freq_quality=Quality.ONLINE, order=Order.AUTO,
            regulation_capacity_up_mw=sold_mw, regulation_capacity_down_mw=sold_mw,
            basepoint_mw=self.params.safe_mw, p_meas_mw=self.p_mw * rng.normal(1.0, 0.005, n),
            measured_at_s=now_s - rng.uniform(0.1, 0.9, n), quality=np.zeros(n, np.uint8),
            soc_pu=self.soc_pu, p_avail_min_mw=self.params.p_min_mw * 0.99,
            p_avail_max_mw=self.params.p_max_mw * rng.uniform(0.95, 1.0, n),
            accepted_mw=self.told_mw, accepted_at_s=np.full(n, now_s - 0.98),
            write_result=flags, remote=flags, connected=flags, locked=np.zeros(n, np.uint8),
            operator_mw=np.full(n, np.nan), energy_mwh=np.full(n, np.nan),
            energy_at_s=np.full(n, np.nan), pardon=-1,
        )  # fmt: skip

    def _follow(self, decision: Decision) -> None:
        """Let the plant do what is expected of it."""
        self.told_mw = decision.p_setpoint_mw
        self.p_mw = decision.expected_mw
        drawn_pu = np.nan_to_num(self.p_mw / self.params.energy_mwh) / 3600.0
        self.soc_pu = np.clip(self.soc_pu - drawn_pu, 0.1, 0.9)
        self.worst_kkt_mw = max(self.worst_kkt_mw, decision.kkt_mw)


CASES = (
    ("response-aware, all limits and promises", Policy.RESPONSE_AWARE, False),
    ("the same with sites of 20 and feeders", Policy.RESPONSE_AWARE, True),
    ("exact, all limits and promises", Policy.EXACT, False),
)


def measure(n: int) -> list[Row]:
    """A row for each policy."""
    rows = []
    for what, policy, groups in CASES:
        plant = Plant(fleet(n, policy, groups=groups))
        least = 200 if n <= 1000 else 50 if n <= 10_000 else 8
        times_ns = repeat(plant, budget_s=BUDGET_S, at_least=least, at_most=4000)
        note = f"optimality violated by at most {plant.worst_kkt_mw:.0e} MW"
        rows.append(row(WHO, what, n, times_ns, note=note))
    return rows
