"""The fleet of a scenario: its kinds, and what is drawn from the seed."""

from dataclasses import dataclass, field, fields
from typing import Any

from hil.records import rule, ruled

KINDS = ("battery", "ev_hub", "hvac", "industrial", "pv")
MAKERS = (
    "sunspec_battery",
    "sunspec_pv",
    "modbus_ev_hub",
    "modbus_hvac",
    "dnp3_industrial",
    "dnp3_hvac",
    "mqtt_ev_hub",
)


def _turned(config: Any, *keys: str) -> list[tuple[str, str]]:
    """Complain about pairs of numbers whose lower one does not come first."""
    return [
        (key, f"must be two numbers, the lower one first, is {list(getattr(config, key))}")
        for key in keys
        if getattr(config, key) is not None
        and not getattr(config, key)[0] <= getattr(config, key)[1]
    ]


@dataclass(frozen=True, slots=True)
class DroopConfig:
    """What an inverter does at an abnormal frequency: IEEE 1547-2018, its defaults."""

    droop_pct: float = ruled(5.0, minimum=0.1, maximum=20.0)  # of nominal frequency, for rated
    deadband_hz: float = ruled(0.036, minimum=0.0, maximum=1.0)
    response_s: float = ruled(5.0, minimum=0.01, maximum=60.0)  # open loop, to 90 %


@dataclass(frozen=True, slots=True)
class CarsConfig:
    """Cars of the hubs."""

    stay_h: tuple[float, float] = ruled((2.0, 8.0), minimum=0.01, maximum=100.0)  # a hub's mean
    # of what the hub's connection could give them in their stay; default: what the basepoint does
    need_pct: float | None = ruled(None, minimum=0.0, maximum=85.0)
    step_a: float = ruled(1.0, minimum=0.0, maximum=16.0)  # smallest change of a charger; 0: any
    # when the cars leave that are there at the start; default: spread over their stays
    leave_s: tuple[float, float] | None = ruled(None, minimum=0.0, maximum=1e6)

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        return _turned(self, "stay_h", "leave_s")


@dataclass(frozen=True, slots=True)
class RoomConfig:
    """Rooms that are cooled."""

    tau_h: tuple[float, float] = ruled((4.0, 8.0), minimum=0.01, maximum=1000.0)
    comfort_k: tuple[float, float] = ruled((1.5, 2.5), minimum=0.01, maximum=20.0)  # half width
    start_k: tuple[float, float] = ruled((0.0, 0.0), minimum=-20.0, maximum=20.0)  # off set point

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        return _turned(self, "tau_h", "comfort_k", "start_k")


@dataclass(frozen=True, slots=True)
class MachinesConfig:
    """Times of machines that are on or off."""

    min_on_s: tuple[float, float] = ruled((180.0, 300.0), minimum=0.0, maximum=1e5)
    min_off_s: tuple[float, float] = ruled((180.0, 300.0), minimum=0.0, maximum=1e5)
    lockout_s: float = ruled(360.0, minimum=0.0, maximum=1e5)  # from a start to the next one

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        return _turned(self, "min_on_s", "min_off_s")


@dataclass(frozen=True, slots=True)
class BandConfig:
    """Where a unit cannot stand, in % of its room between the basepoint and its highest power.

    Told a power in between, it goes to the nearer end. The daemon knows of it.
    """

    from_pct: float = ruled(30.0, minimum=0.0, maximum=99.0)
    to_pct: float = ruled(100.0, minimum=1.0, maximum=100.0)  # 100: the load is off beyond
    switch_pct: float = ruled(5.0, minimum=0.0, maximum=1000.0)  # of rated: what crossing costs

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.from_pct < self.to_pct:
            return []
        return [("to_pct", f"must be above from_pct = {self.from_pct:g}, is {self.to_pct:g}")]


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """Batches of a process, with a step in which it must hold its load."""

    period_s: tuple[float, float] = ruled((1800.0, 3600.0), minimum=200.0, maximum=1e6)
    hold_pct: float = ruled(20.0, minimum=0.0, maximum=90.0)  # of the period
    free_pct: float = ruled(25.0, minimum=0.0, maximum=100.0)  # of the range, meanwhile

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        return _turned(self, "period_s")


@dataclass(frozen=True, slots=True)
class SkyConfig:
    """Clouds and sun over the plants."""

    cover_pct: float = ruled(30.0, minimum=0.0, maximum=99.0)  # of the time in a shadow
    depth_pct: float = ruled(60.0, minimum=0.0, maximum=100.0)  # what a shadow takes
    shadow_s: float = ruled(45.0, minimum=1.0, maximum=1e5)  # mean time of a shadow
    # solar time at the start; default: the sun stands still, at noon
    solar_time_h: float | None = ruled(None, minimum=0.0, maximum=24.0)


OWN_KEYS = {  # of a kind's configuration: whose they are
    "droop": ("battery", "pv"),
    "cars": ("ev_hub",),
    "room": ("hvac",),
    "machines": ("hvac", "industrial"),
    "band": ("hvac", "industrial"),
    "batch": ("industrial",),
    "sky": ("pv",),
    "ambient_c": ("battery",),
    "energy_h": ("battery",),
}


@dataclass(frozen=True, slots=True)
class KindConfig:
    """One kind of unit: how many, how big, how quick, and by which maker's protocol."""

    rated_mw: float = field(metadata=rule(minimum=1e-3, maximum=1e5))  # of all units together
    makers: dict[str, int] = field(metadata=rule(minimum=0, maximum=100000, choices=MAKERS))
    basepoint_pct: float = field(
        metadata=rule(minimum=-100.0, maximum=100.0)
    )  # of rated, generation positive
    up_pct: float = field(
        metadata=rule(minimum=0.0, maximum=200.0)
    )  # range above the basepoint, of rated
    down_pct: float = field(metadata=rule(minimum=0.0, maximum=200.0))
    dead_time_s: tuple[float, float] = field(
        metadata=rule(minimum=0.0, maximum=1e6)
    )  # drawn evenly between the two
    lag_s: float = field(metadata=rule(minimum=0.0, maximum=3600.0))
    ramp_pct_per_s: float = field(metadata=rule(minimum=0.01, maximum=10000.0))  # of rated
    watchdog_s: float = field(metadata=rule(minimum=1.0, maximum=3600.0))
    cost: float = field(
        metadata=rule(minimum=1e-6, maximum=1e6)
    )  # of 1 MW off the basepoint, per MW rated
    spread: float = ruled(0.5, minimum=0.0, maximum=0.9)  # sizes: 1 ± spread around the mean
    energy_h: float | None = ruled(None, minimum=0.01, maximum=1000.0)  # store, hours of rated
    soc_pu: tuple[float, float] = ruled((0.1, 0.9), minimum=0.0, maximum=1.0)  # limits
    soc_start_pu: tuple[float, float] = ruled((0.4, 0.6), minimum=0.0, maximum=1.0)
    efficiency_pu: tuple[float, float] = ruled((0.95, 0.98), minimum=0.5, maximum=1.0)  # one way
    available_pct: float | None = ruled(None, minimum=0.0, maximum=100.0)  # full sun, of rated
    ambient_c: float = ruled(25.0, minimum=-40.0, maximum=60.0)  # around the battery's cells
    droop: DroopConfig | None = None  # default: blind to the frequency
    cars: CarsConfig | None = None  # default: comfortable
    room: RoomConfig | None = None
    machines: MachinesConfig | None = None
    band: BandConfig | None = None  # default: it can stand anywhere
    batch: BatchConfig | None = None  # default: a continuous process
    sky: SkyConfig | None = None  # default: a constant sun

    @property
    def units(self) -> int:
        """Number of units."""
        return sum(self.makers.values())

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = _turned(self, "dead_time_s", "soc_pu", "soc_start_pu", "efficiency_pu")
        if not self.units:
            found.append(("makers", "the kind has no unit; leave the kind out instead"))
        return found


@dataclass(frozen=True, slots=True)
class FleetConfig:
    """A fleet drawn from a composition and a seed."""

    kinds: dict[str, KindConfig] = field(metadata=rule(choices=KINDS))
    seed: int | None = ruled(None, minimum=0, maximum=2**32)  # default: the scenario's
    scale: dict[str, float] = field(  # of the rated power of a kind
        default_factory=dict, metadata=rule(minimum=1e-3, maximum=1e3, choices=KINDS)
    )

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        usual = {f.name: f.default for f in fields(KindConfig)}
        return [
            ("kinds", f"{kind}: {key} is a key of {' and '.join(owners)}")
            for kind, config in self.kinds.items()
            for key, owners in OWN_KEYS.items()
            if kind not in owners and getattr(config, key) != usual[key]
        ]
