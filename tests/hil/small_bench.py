"""A few devices for the tests of the bench: units by hand, a plant, endpoints on free ports."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from processes import free_port

from hil.fleet import Fleet, Unit
from hil.plant.plant import Plant
from hil.recording import PHYSICS_STEP_S, Writer
from hil.scenario import FaultsConfig
from hil.unit_draw import PROTOCOL
from hil.wire.device import Device

# The 30 units of `storm` as they were: stores half full, no car, room or cell near its limit.
FAR_FROM_LIMITS = str(Path(__file__).parents[1] / "regressions" / "scenarios" / "storm-1.yaml")
KIND = {
    "sunspec_battery": "battery",
    "sunspec_pv": "pv",
    "modbus_ev_hub": "ev_hub",
    "mqtt_ev_hub": "ev_hub",
    "modbus_hvac": "hvac",
    "dnp3_hvac": "hvac",
    "dnp3_industrial": "industrial",
}
RANGE = {  # basepoint, lowest, highest of a unit of 1 MW
    "battery": (0.0, -1.0, 1.0),
    "ev_hub": (-0.5, -1.0, 0.0),
    "hvac": (-0.5, -0.92, -0.08),
    "industrial": (-0.6, -0.96, -0.24),
    "pv": (0.82, 0.0, 0.91),
}


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def unit(maker: str, index: int = 0, **changes: object) -> Unit:
    """A unit of 1 MW without dead time, with a ramp and a lag of almost nothing."""
    kind = KIND[maker]
    basepoint, low, high = RANGE[kind]
    made = Unit(
        index=index,
        id=f"{kind}{index:03d}",
        kind=kind,
        maker=maker,
        protocol=PROTOCOL[maker],
        port=0 if PROTOCOL[maker] == "mqtt" else free_port(),
        process=0,
        rated_mw=1.0,
        basepoint_mw=basepoint,
        p_min_mw=low,
        p_max_mw=high,
        ramp_mw_per_s=1e3,
        dead_time_s=0.0,
        lag_s=0.0,
        dead_time_true_s=0.0,
        lag_true_s=0.0,
        watchdog_s=10.0,
        fallback_mw=basepoint,
        cost=1.0,
        energy_mwh=2.0 if kind == "battery" else None,
        soc_min_pu=0.1,
        soc_max_pu=0.9,
        soc_start_pu=0.5,
        efficiency_charge_pu=0.95,
        efficiency_discharge_pu=0.95,
        available_mw=0.91 if kind == "pv" else 1.0,
        departure_s=7200.0,
        room_tau_s=3600.0,
        comfort_k=2.0,
    )
    return replace(made, **changes)


def fleet(units: list[Unit], *, base_port: int = 0, **faults: float) -> Fleet:
    """A fleet without faults but the ones named, and almost without latency."""
    return Fleet(
        scenario="small",
        seed=3,
        fleet_seed=3,
        regulation_mw=1.0,
        base_port=base_port,
        latency_s=(0.0, 0.002),
        faults=replace(FaultsConfig.none(), **faults),
        units=tuple(units),
    )


class Bench:
    """One device with its plant; `clock` is given, or stands still."""

    def __init__(
        self, folder: Path, one: Unit, clock: Callable[[], float] | None = None, **faults: float
    ) -> None:
        self.clock = clock or Clock()
        self.fleet = fleet([one], **faults)
        self.plant = Plant([one], PHYSICS_STEP_S, self.clock(), 1)
        self.writer = Writer(folder, 0, [one.index])
        self.device = Device(one, 0, self.fleet, self.plant, self.writer, self.clock)

    def run(self, seconds: float) -> float:
        """Let simulated time pass; returns the power, MW."""
        for _ in range(round(seconds / PHYSICS_STEP_S)):
            self.plant.step()
        if isinstance(self.clock, Clock):
            self.clock.now_s += seconds
        return float(self.plant.p_mw[0])
