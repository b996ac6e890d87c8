"""The fleet of a scenario: its kinds, and what is drawn from the seed."""

from dataclasses import dataclass, field

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
    available_pct: float | None = ruled(None, minimum=0.0, maximum=100.0)  # sun, of rated
    sun_sigma_pct: float = ruled(0.0, minimum=0.0, maximum=50.0)  # clouds, 1 sigma, of rated

    @property
    def units(self) -> int:
        """Number of units."""
        return sum(self.makers.values())

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        found = [
            (key, f"must be two numbers, the lower one first, is {list(getattr(self, key))}")
            for key in ("dead_time_s", "soc_pu", "soc_start_pu", "efficiency_pu")
            if not getattr(self, key)[0] <= getattr(self, key)[1]
        ]
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
