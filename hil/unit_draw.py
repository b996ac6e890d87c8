"""Units of one kind, drawn from the seed: sizes, dead times, and what their physics is made of."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.scenario import KINDS, KindConfig, Scenario
from hil.scenario.fleet import BatchConfig, CarsConfig, MachinesConfig, RoomConfig, SkyConfig

PREFIX = {"battery": "bat", "ev_hub": "ev", "hvac": "hvac", "industrial": "ind", "pv": "pv"}
PROTOCOL = {
    "sunspec_battery": "modbus",
    "sunspec_pv": "modbus",
    "modbus_ev_hub": "modbus",
    "modbus_hvac": "modbus",
    "dnp3_industrial": "dnp3",
    "dnp3_hvac": "dnp3",
    "mqtt_ev_hub": "mqtt",
}
HOUR_S = 3600.0

Drawn = dict[str, NDArray[np.float64]]


def sizes_mw(
    rng: np.random.Generator, n: int, total_mw: float, relative_spread: float
) -> NDArray[np.float64]:
    """Rated powers of n units in whole kW, shape (n,); their sum is the total, exactly."""
    weight = 1.0 + relative_spread * rng.uniform(-1.0, 1.0, n)
    ideal_kw = weight / weight.sum() * total_mw * 1000.0
    whole_kw = np.floor(ideal_kw)
    left = round(total_mw * 1000.0 - float(whole_kw.sum()))
    whole_kw[np.argsort(whole_kw - ideal_kw, kind="stable")[:left]] += 1.0
    return np.asarray(whole_kw / 1000.0, dtype=np.float64)


def draw_kind(kind: str, scenario: Scenario, scale: float) -> Iterator[dict[str, Any]]:
    """Yield the units of one kind, without index, process and port."""
    config = scenario.fleet.kinds[kind]
    rng = np.random.default_rng([scenario.fleet_seed, KINDS.index(kind)])
    n = config.units
    rated_mw = sizes_mw(rng, n, config.rated_mw * scale, config.spread)
    makers = [maker for maker, count in config.makers.items() for _ in range(count)]
    dead_s = rng.uniform(*config.dead_time_s, n)
    error = scenario.faults.model_error_pct / 100.0
    # a dead time or a lag off by 20 % (1 sigma) stays within 0.4 to 1.6 of the configured one
    wrong = 1.0 + error * np.clip(rng.standard_normal((2, n)), -3.0, 3.0)
    drawn = _drawn(rng, config)
    for i in range(n):
        yield {
            "id": f"{PREFIX[kind]}{i + 1:03d}",
            "kind": kind,
            "maker": makers[i],
            "protocol": PROTOCOL[makers[i]],
            "dead_time_s": round(float(dead_s[i]), 3),
            "dead_time_true_s": float(dead_s[i] * wrong[0, i]),
            "lag_true_s": float(config.lag_s * wrong[1, i]),
            **_power(config, float(rated_mw[i])),
            **_store(config, float(rated_mw[i]), drawn, i),
            **_cars(kind, config.cars or CarsConfig(), drawn, i),
            **_room(kind, config.room or RoomConfig(), drawn, i),
            **_machines(config.machines or MachinesConfig(), config.batch, drawn, i),
            **_band(config, float(rated_mw[i])),
            **_inverter(config),
            **_sky(config.sky),
        }


def _drawn(rng: np.random.Generator, config: KindConfig) -> Drawn:
    """Evenly drawn numbers of all units of a kind; new ones come last, to keep the fleets."""
    n = config.units
    pairs = {
        "soc": config.soc_start_pu,
        "efficiency_charge": config.efficiency_pu,
        "efficiency_discharge": config.efficiency_pu,
        **dict.fromkeys(
            ("stay", "tau", "comfort", "start", "min_on", "min_off", "period", "phase"), (0.0, 1.0)
        ),
    }
    return {name: rng.uniform(*pair, n) for name, pair in pairs.items()}


def _within(pair: tuple[float, float], share: np.float64) -> float:
    """Number at a share of the way between the two."""
    return float(pair[0] + (pair[1] - pair[0]) * share)


def _power(config: KindConfig, rated_mw: float) -> dict[str, Any]:
    """Range, ramp, manners of a unit."""

    def of_rated(pct: float) -> float:
        return round(rated_mw * pct / 100.0, 9)

    available_pct = 100.0 if config.available_pct is None else config.available_pct
    return {
        "rated_mw": rated_mw,
        "basepoint_mw": of_rated(config.basepoint_pct),
        "p_min_mw": of_rated(config.basepoint_pct - config.down_pct),
        "p_max_mw": of_rated(config.basepoint_pct + config.up_pct),
        "ramp_mw_per_s": of_rated(config.ramp_pct_per_s),
        "lag_s": config.lag_s,
        "watchdog_s": config.watchdog_s,
        "fallback_mw": of_rated(config.basepoint_pct),
        "cost": round(config.cost / rated_mw, 6),
        "available_mw": of_rated(available_pct),
    }


def _store(config: KindConfig, rated_mw: float, drawn: Drawn, i: int) -> dict[str, Any]:
    """Store of a unit; neutral values where it has none."""
    has_store = config.energy_h is not None
    charge, discharge = drawn["efficiency_charge"][i], drawn["efficiency_discharge"][i]
    return {
        "energy_mwh": round(rated_mw * config.energy_h, 9) if config.energy_h else None,
        "soc_min_pu": config.soc_pu[0],
        "soc_max_pu": config.soc_pu[1],
        "soc_start_pu": float(drawn["soc"][i]) if has_store else 0.0,
        "efficiency_charge_pu": round(float(charge), 4) if has_store else 1.0,
        "efficiency_discharge_pu": round(float(discharge), 4) if has_store else 1.0,
        "ambient_c": config.ambient_c,
    }


def _cars(kind: str, cars: CarsConfig, drawn: Drawn, i: int) -> dict[str, Any]:
    """Cars of a hub."""
    first_s, last_s = cars.leave_s or (None, None)
    return {
        "departure_s": _within(cars.stay_h, drawn["stay"][i]) * HOUR_S if kind == "ev_hub" else 0.0,
        "charger_step_a": cars.step_a,
        "need_pu": None if cars.need_pct is None else cars.need_pct / 100.0,
        "leave_first_s": first_s,
        "leave_last_s": last_s,
    }


def _room(kind: str, room: RoomConfig, drawn: Drawn, i: int) -> dict[str, Any]:
    """Room of a site."""
    cooled = kind == "hvac"
    return {
        "room_tau_s": _within(room.tau_h, drawn["tau"][i]) * HOUR_S if cooled else 0.0,
        "comfort_k": _within(room.comfort_k, drawn["comfort"][i]) if cooled else 0.0,
        "room_start_k": _within(room.start_k, drawn["start"][i]) if cooled else 0.0,
    }


def _machines(
    machines: MachinesConfig, batch: BatchConfig | None, drawn: Drawn, i: int
) -> dict[str, Any]:
    """Machines of a load, and its batches."""
    period_s = 0.0 if batch is None else _within(batch.period_s, drawn["period"][i])
    return {
        "min_on_s": _within(machines.min_on_s, drawn["min_on"][i]),
        "min_off_s": _within(machines.min_off_s, drawn["min_off"][i]),
        "lockout_s": machines.lockout_s,
        "batch_s": period_s,
        "batch_phase_s": float(drawn["phase"][i]) * period_s,
        "batch_hold_s": 0.0 if batch is None else period_s * batch.hold_pct / 100.0,
        "batch_free_pu": 1.0 if batch is None else batch.free_pct / 100.0,
    }


def _band(config: KindConfig, rated_mw: float) -> dict[str, Any]:
    """Where a unit cannot stand."""
    band = config.band
    if band is None:
        return {}
    base_mw = rated_mw * config.basepoint_pct / 100.0
    room_mw = rated_mw * config.up_pct / 100.0
    return {
        "band_lower_mw": round(base_mw + room_mw * band.from_pct / 100.0, 9),
        "band_upper_mw": round(base_mw + room_mw * band.to_pct / 100.0, 9),
        "switch_mw": round(rated_mw * band.switch_pct / 100.0, 9),
    }


def _inverter(config: KindConfig) -> dict[str, Any]:
    """What an inverter does at an abnormal frequency."""
    droop = config.droop
    if droop is None:
        return {}
    return {
        "droop_pu": droop.droop_pct / 100.0,
        "droop_deadband_hz": droop.deadband_hz,
        "droop_response_s": droop.response_s,
    }


def _sky(sky: SkyConfig | None) -> dict[str, Any]:
    """Clouds and sun over a plant."""
    if sky is None:
        return {}
    return {
        "cloud_cover_pu": sky.cover_pct / 100.0,
        "cloud_depth_pu": sky.depth_pct / 100.0,
        "cloud_shadow_s": sky.shadow_s,
        "solar_time_h": sky.solar_time_h,
    }
