"""The fleet of a scenario, drawn unit by unit from its seed."""

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.scenario import KINDS, FaultsConfig, KindConfig, Scenario

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
ROUNDING = 1e-9  # of the regulation capacity: sums of decimals are not exact
DEVICE_PORT = 10  # ports from the base: broker, TSO, and from here on the devices
ROOM_TAU_S = (3600.0, 7200.0)  # time constant of a building, hours
ROOM_GAIN_K = 18.0  # room temperature, from full to no cooling, when settled
COMFORT_K = (1.5, 2.5)  # half width of the comfort band
DEPARTURE_S = (7200.0, 28800.0)  # until the cars of a hub leave


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit: what the daemon is told of it, and what is true. Power in MW, generation +."""

    index: int
    id: str
    kind: str
    maker: str  # table of points; see docs/points.md
    protocol: str
    port: int  # 0: reached by topics, not by a port of its own
    process: int  # wire process that simulates it
    rated_mw: float
    basepoint_mw: float
    p_min_mw: float
    p_max_mw: float
    ramp_mw_per_s: float
    dead_time_s: float  # as configured
    lag_s: float
    dead_time_true_s: float  # as simulated
    lag_true_s: float
    watchdog_s: float
    fallback_mw: float
    cost: float
    energy_mwh: float | None  # store, with both reserves; None: no store
    soc_min_pu: float
    soc_max_pu: float
    soc_start_pu: float
    efficiency_charge_pu: float
    efficiency_discharge_pu: float
    available_mw: float  # pv: mean of what the sun leaves; else rated
    sun_sigma_mw: float
    departure_s: float  # ev_hub: its cars leave that long after the start; else 0
    room_tau_s: float  # hvac; else 0
    comfort_k: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """All units of a run, with what the wire processes need to know."""

    scenario: str
    seed: int
    fleet_seed: int
    regulation_mw: float
    base_port: int
    latency_s: tuple[float, float]
    faults: FaultsConfig
    units: tuple[Unit, ...]

    @property
    def capacity_mw(self) -> float:
        """Rated power of all units."""
        return math.fsum(u.rated_mw for u in self.units)

    @property
    def basepoint_mw(self) -> float:
        """Sum of the basepoints."""
        return math.fsum(u.basepoint_mw for u in self.units)

    @property
    def oversold(self) -> str:
        """Say that more was sold than the units can give; an empty text if it was not."""
        rise_mw = math.fsum(u.p_max_mw - u.basepoint_mw for u in self.units)
        fall_mw = math.fsum(u.basepoint_mw - u.p_min_mw for u in self.units)
        return oversold(self.regulation_mw, rise_mw, fall_mw)

    @property
    def processes(self) -> int:
        """Number of wire processes."""
        return 1 + max(u.process for u in self.units)

    @property
    def broker_port(self) -> int:
        """Port of the MQTT broker."""
        return self.base_port

    @property
    def tso_port(self) -> int:
        """Port on which the daemon listens for the TSO."""
        return self.base_port + 1

    def counts(self, what: str) -> dict[str, int]:
        """Units by `kind` or `protocol`."""
        found: dict[str, int] = {}
        for unit in self.units:
            key = getattr(unit, what)
            found[key] = found.get(key, 0) + 1
        return found

    def write(self, path: Path) -> None:
        """Write `fleet.json`."""
        record: dict[str, Any] = asdict(self)
        record["capacity_mw"] = self.capacity_mw
        record["basepoint_mw"] = self.basepoint_mw
        record["processes"] = self.processes
        path.write_text(json.dumps(record, indent=1))


def oversold(regulation_mw: float, rise_mw: float, fall_mw: float) -> str:
    """Say that more is sold than a fleet can rise or fall, MW; an empty text if it is not."""
    ranges_mw = {"rise": rise_mw, "fall": fall_mw}
    short = [
        f"{name} only {range_mw:.4g} MW"
        for name, range_mw in ranges_mw.items()
        if regulation_mw > range_mw * (1.0 + ROUNDING)
    ]
    if not short:
        return ""
    return (
        f"oversold: {regulation_mw:g} MW of regulation, but from its basepoints the fleet can"
        f" {' and '.join(short)}; the daemon is told that this is meant (plan.allow_oversold)"
    )


def ports(scenario: Scenario) -> int:
    """Count the TCP ports in a row that a run needs."""
    return DEVICE_PORT + sum(kind.units for kind in scenario.fleet.kinds.values())


def read(path: Path) -> Fleet:
    """Read `fleet.json`."""
    record = json.loads(path.read_text())
    return Fleet(
        scenario=record["scenario"],
        seed=record["seed"],
        fleet_seed=record["fleet_seed"],
        regulation_mw=record["regulation_mw"],
        base_port=record["base_port"],
        latency_s=(record["latency_s"][0], record["latency_s"][1]),
        faults=FaultsConfig(**record["faults"]),
        units=tuple(Unit(**unit) for unit in record["units"]),
    )


def draw(scenario: Scenario, base_port: int) -> Fleet:
    """Draw the fleet of a scenario. The same seed gives the same fleet, on any machine."""
    units: list[dict[str, Any]] = []
    for kind in KINDS:
        if kind in scenario.fleet.kinds:
            scale = scenario.fleet.scale.get(kind, 1.0)
            units.extend(_draw_kind(kind, scenario, scale))
    places = spread(
        [unit["kind"] + unit["maker"] for unit in units], scenario.wire.devices_per_process
    )
    low_ms, high_ms = scenario.links.latency_ms
    return Fleet(
        scenario=scenario.name,
        seed=scenario.seed,
        fleet_seed=scenario.fleet_seed,
        regulation_mw=scenario.regulation_mw,
        base_port=base_port,
        latency_s=(low_ms / 1000.0, high_ms / 1000.0),
        faults=scenario.faults,
        units=tuple(
            Unit(index=i, process=places[i], port=_port(unit["protocol"], base_port, i), **unit)
            for i, unit in enumerate(units)
        ),
    )


def _port(protocol: str, base_port: int, index: int) -> int:
    return 0 if protocol == "mqtt" else base_port + DEVICE_PORT + index


def spread(groups: list[str], per_process: int) -> list[int]:
    """Process of each unit: every process gets the same mixture of groups."""
    totals = {group: groups.count(group) for group in groups}
    seen: dict[str, int] = {}
    rank: list[tuple[float, int]] = []
    for i, group in enumerate(groups):
        rank.append(((seen.get(group, 0) + 0.5) / totals[group], i))
        seen[group] = seen.get(group, 0) + 1
    places = [0] * len(groups)
    for position, (_, i) in enumerate(sorted(rank)):
        places[i] = position // per_process
    return places


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


def _draw_kind(kind: str, scenario: Scenario, scale: float) -> Iterator[dict[str, Any]]:
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
    drawn = {
        "soc": rng.uniform(*config.soc_start_pu, n),
        "efficiency": rng.uniform(*config.efficiency_pu, (2, n)),
        "departure": rng.uniform(*DEPARTURE_S, n),
        "room": rng.uniform(*ROOM_TAU_S, n),
        "comfort": rng.uniform(*COMFORT_K, n),
    }
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
            **_store(kind, config, float(rated_mw[i]), drawn, i),
        }


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
        "sun_sigma_mw": of_rated(config.sun_sigma_pct),
    }


def _store(
    kind: str, config: KindConfig, rated_mw: float, drawn: dict[str, NDArray[np.float64]], i: int
) -> dict[str, Any]:
    """Store, room and cars of a unit; neutral values where it has none."""
    has_store = config.energy_h is not None
    efficiency = drawn["efficiency"]
    return {
        "energy_mwh": round(rated_mw * config.energy_h, 9) if config.energy_h else None,
        "soc_min_pu": config.soc_pu[0],
        "soc_max_pu": config.soc_pu[1],
        "soc_start_pu": float(drawn["soc"][i]) if has_store else 0.0,
        "efficiency_charge_pu": round(float(efficiency[0, i]), 4) if has_store else 1.0,
        "efficiency_discharge_pu": round(float(efficiency[1, i]), 4) if has_store else 1.0,
        "departure_s": float(drawn["departure"][i]) if kind == "ev_hub" else 0.0,
        "room_tau_s": float(drawn["room"][i]) if kind == "hvac" else 0.0,
        "comfort_k": float(drawn["comfort"][i]) if kind == "hvac" else 0.0,
    }
