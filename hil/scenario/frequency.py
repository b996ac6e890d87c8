"""The grid's frequency as the plant measures it, and the plant's droop."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hil.records import rule, ruled

NONE, FILE, EVENT, GRID = "none", "file", "event", "grid"


@dataclass(frozen=True, slots=True)
class SagConfig:
    """A loss of generation, as the frequency shows it: its shape is in `hil.tso.frequency`.

    The defaults are those of Great Britain on 9 August 2019: 0.135 Hz/s at first, 48.79 Hz after
    75 s, back to 49.5 Hz in another 75 s (National Grid ESO, technical report of 6 September
    2019; 1-second record of the frequency).
    """

    at_s: float = ruled(60.0, minimum=0.0, maximum=1e7)
    rocof_hz_per_s: float = ruled(0.135, minimum=1e-4, maximum=10.0)  # at first, a magnitude
    nadir_hz: float = ruled(48.79, minimum=5.0, maximum=500.0)  # or zenith
    nadir_after_s: float = ruled(75.0, minimum=0.1, maximum=1e5)
    recovery_s: float = ruled(80.0, minimum=0.1, maximum=1e5)  # time constant, back to nominal


@dataclass(frozen=True, slots=True)
class GridConfig:
    """The control area of the closed loop (`hil.plant.grid`), and what is lost in it."""

    losses: tuple[tuple[float, float], ...] = ruled(  # [at_s, MW]; negative: load is lost
        ((60.0, 300.0),), minimum=-1e6, maximum=1e7
    )
    size_mw: float = ruled(5000.0, minimum=10.0, maximum=1e7)
    inertia_s: float = ruled(5.0, minimum=0.1, maximum=60.0)
    damping_pu: float = ruled(1.0, minimum=0.0, maximum=10.0)
    governed_mw: float = ruled(3500.0, minimum=0.0, maximum=1e7)
    primary_limit_pu: float = ruled(0.06, minimum=0.0, maximum=1.0)
    agc_limit_mw: float = ruled(400.0, minimum=0.0, maximum=1e7)
    secondary_ramp_mw_per_s: float = ruled(0.5, minimum=0.0, maximum=1e6)

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        early = [at_s for at_s, _ in self.losses if at_s < 0.0]
        found = [("losses", f"[at_s, MW]: at_s is {early[0]:g}, before the start")] if early else []
        if not self.losses:
            found.append(("losses", "a closed loop needs a loss of generation: [[at_s, MW]]"))
        return found


@dataclass(frozen=True, slots=True)
class CoalConfig:
    """The coal unit beside the plant, with the same reserve and droop, MW."""

    rated_mw: float | None = ruled(None, minimum=0.1, maximum=1e5)  # default: the fleet's
    loading_pct: float = ruled(65.0, minimum=30.0, maximum=100.0)  # before the event


@dataclass(frozen=True, slots=True)
class FrequencySource:
    """What the TSO sends as the frequency, and what every unit measures at its terminals."""

    kind: str = ruled(NONE, choices=(NONE, FILE, EVENT, GRID))
    interval_s: float = ruled(1.0, minimum=0.1, maximum=20.0)
    nominal_hz: float = ruled(50.0, minimum=10.0, maximum=400.0)
    file: str | None = None  # CSV or CSV.gz with a column t_s, or of ISO 8601 instants
    column: str | None = None
    event: SagConfig = field(default_factory=SagConfig)
    grid: GridConfig = field(default_factory=GridConfig)
    coal: CoalConfig = field(default_factory=CoalConfig)

    @property
    def closed_loop(self) -> bool:
        """Whether what the plant delivers moves the frequency."""
        return self.kind == GRID

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.kind == FILE and not (self.file and self.column):
            return [("file", "a frequency of kind file needs file and column")]
        depth_hz, sag = abs(self.nominal_hz - self.event.nadir_hz), self.event
        if self.kind == EVENT and sag.rocof_hz_per_s * sag.nadir_after_s < depth_hz:
            least = depth_hz / sag.nadir_after_s
            message = (
                f"nadir_hz {sag.nadir_hz:g} is not reached after {sag.nadir_after_s:g} s at"
                f" {sag.rocof_hz_per_s:g} Hz/s; rocof_hz_per_s must be {least:g} at least"
            )
            return [("event", message)]
        return []


@dataclass(frozen=True, slots=True)
class PlantDroopConfig:
    """Droop of the plant as a whole, which the daemon answers; IEEE 1547-2018, 6.5.2.7."""

    droop_pu: float = field(metadata=rule(minimum=1e-5, maximum=1.0))  # of nominal, for full power
    power_mw: float = field(metadata=rule(minimum=0.0, maximum=1e6))
    deadband_hz: float = ruled(0.036, minimum=0.0, maximum=2.0)  # half width


def from_json(record: Mapping[str, Any]) -> FrequencySource:
    """Read what `dataclasses.asdict` made of a source, by way of JSON."""
    grid = dict(record["grid"])
    grid["losses"] = tuple((float(at_s), float(mw)) for at_s, mw in grid["losses"])
    parts = {
        "event": SagConfig(**record["event"]),
        "grid": GridConfig(**grid),
        "coal": CoalConfig(**record["coal"]),
    }
    return FrequencySource(**{**record, **parts})


def checks(
    source: FrequencySource, droop: PlantDroopConfig | None, duration_s: float
) -> list[tuple[str, str]]:
    """Rules over the frequency, the droop, and the length of a run."""
    if droop is not None and source.kind == NONE:
        return [("droop", "needs a frequency: frequency.kind file, event or grid")]
    at_s = {
        EVENT: source.event.at_s,
        GRID: min((at_s for at_s, _ in source.grid.losses), default=0.0),
    }.get(source.kind, 0.0)
    if at_s >= duration_s:
        return [("frequency", f"the event at {at_s:g} s is after the end, {duration_s:g} s")]
    return []
