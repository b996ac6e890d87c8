"""The fleet of a scenario, drawn unit by unit from its seed."""

import json
import math
from collections import Counter
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from hil.scenario import KINDS, FaultsConfig, Scenario
from hil.unit_draw import draw_kind

ROUNDING = 1e-9  # of the regulation capacity: sums of decimals are not exact
DEVICE_PORT = 10  # ports from the base: broker, TSO, and from here on the devices
ROOM_GAIN_K = 18.0  # room temperature, from full to no cooling, when settled


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
    available_mw: float  # pv: in the full sun; else rated
    departure_s: float  # ev_hub: how long its cars stay, on average; else 0
    room_tau_s: float  # hvac; else 0
    comfort_k: float
    ambient_c: float = 25.0  # battery: around its cells
    cell_max_c: float = 55.0  # where its management stops it
    droop_pu: float | None = None  # battery, pv: of nominal frequency, for rated; None: blind
    droop_deadband_hz: float = 0.036
    droop_response_s: float = 5.0  # open loop, to 90 %
    charger_step_a: float = 0.0  # ev_hub: smallest change of a charger; 0: any
    need_pu: float | None = None  # ev_hub: of what it could give; None: what the basepoint gives
    leave_first_s: float | None = None  # the cars at the start leave from then
    leave_last_s: float | None = None  # until then; None: spread over their stays
    room_start_k: float = 0.0  # above the set point
    min_on_s: float = 180.0  # of machines that are on or off
    min_off_s: float = 180.0
    lockout_s: float = 360.0  # from a start to the next one
    band_lower_mw: float | None = None  # it cannot stand between the two
    band_upper_mw: float | None = None
    switch_mw: float = 0.0  # what crossing is worth, for the daemon
    batch_s: float = 0.0  # period; 0: a continuous process
    batch_phase_s: float = 0.0  # at the start; the step that must hold begins at 0
    batch_hold_s: float = 0.0
    batch_free_pu: float = 1.0  # share of the range, meanwhile
    cloud_cover_pu: float = 0.0  # pv: share of the time in a shadow
    cloud_depth_pu: float = 0.0  # what a shadow takes
    cloud_shadow_s: float = 45.0  # mean time of a shadow
    solar_time_h: float | None = None  # at the start; None: the sun stands still


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
    unit_trace_s: float = 0.1  # from row to row of the units' power trace

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
        record: dict[str, Any] = asdict(replace(self, units=()))
        record["capacity_mw"] = self.capacity_mw
        record["basepoint_mw"] = self.basepoint_mw
        record["processes"] = self.processes
        del record["units"]
        names = [each.name for each in fields(Unit)]
        rows = [json.dumps({name: getattr(unit, name) for name in names}) for unit in self.units]
        # a line for each unit: of thousands, indented, the file would take a second to write
        about = json.dumps(record, indent=1).removesuffix("\n}")
        path.write_text(about + ',\n "units": [\n' + ",\n".join(rows) + "\n ]\n}\n")


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
        unit_trace_s=record.get("unit_trace_s", 0.1),
    )


def draw(scenario: Scenario, base_port: int) -> Fleet:
    """Draw the fleet of a scenario. The same seed gives the same fleet, on any machine."""
    units: list[dict[str, Any]] = []
    for kind in KINDS:
        if kind in scenario.fleet.kinds:
            scale = scenario.fleet.scale.get(kind, 1.0)
            units.extend(draw_kind(kind, scenario, scale))
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
        unit_trace_s=scenario.trace_s,
    )


def _port(protocol: str, base_port: int, index: int) -> int:
    return 0 if protocol == "mqtt" else base_port + DEVICE_PORT + index


def spread(groups: list[str], per_process: int) -> list[int]:
    """Process of each unit: every process gets the same mixture of groups."""
    totals = Counter(groups)
    seen: dict[str, int] = {}
    rank: list[tuple[float, int]] = []
    for i, group in enumerate(groups):
        rank.append(((seen.get(group, 0) + 0.5) / totals[group], i))
        seen[group] = seen.get(group, 0) + 1
    places = [0] * len(groups)
    for position, (_, i) in enumerate(sorted(rank)):
        places[i] = position // per_process
    return places
