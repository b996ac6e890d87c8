"""Links and their delays, faults that are always there, faults by time, and faults at random."""

from dataclasses import dataclass, field
from typing import Any

from hil.records import rule, ruled
from hil.scenario.fault_kinds import FAULT_KINDS, PARAMETERS, UNIT, Kind
from hil.scenario.fleet import KINDS

PROTOCOLS = ("modbus", "dnp3", "mqtt")
GROUPS = (*KINDS, *PROTOCOLS)
Complaints = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class LinkDelays:
    """Latency of every link, each way, drawn evenly for each message."""

    latency_ms: tuple[float, float] = ruled((20.0, 80.0), minimum=0.0, maximum=60000.0)
    # deadline of each answer that the daemon is configured with; default: its own
    timeout_s: float | None = ruled(None, minimum=0.05, maximum=10.0)
    # and how old telemetry may be before it puts its unit out of the split; default: its own
    telemetry_age_max_s: float | None = ruled(None, minimum=0.5, maximum=600.0)


@dataclass(frozen=True, slots=True)
class FaultsConfig:
    """Faults that are always there.

    `faults: none` switches them off, and the random faults of a scenario that is extended, or that
    it is put over, unless they are stated along with it.
    """

    write_loss_pct: float = ruled(2.0, minimum=0.0, maximum=100.0)
    telemetry_noise_pct: float = ruled(2.0, minimum=0.0, maximum=100.0)
    offline_pct: float = ruled(1.0, minimum=0.0, maximum=50.0)
    outage_mean_s: float = ruled(60.0, minimum=0.1, maximum=86400.0)
    model_error_pct: float = ruled(20.0, minimum=0.0, maximum=100.0)  # dead times, lags; 1 sigma

    @classmethod
    def none(cls) -> "FaultsConfig":
        """No faults at all."""
        return cls(0.0, 0.0, 0.0, 60.0, 0.0)


@dataclass(frozen=True, slots=True)
class EventConfig:
    """One fault at a time after the start of the scored run; of each unit that it meets."""

    at_s: float = field(metadata=rule(minimum=0.0, maximum=1e7))
    kind: str = field(metadata=rule(choices=tuple(FAULT_KINDS)))
    duration_s: float = ruled(30.0, minimum=0.0, maximum=1e6)
    process: int = ruled(0, minimum=0, maximum=10000)  # wire_kill: which one
    units: tuple[str, ...] = ()  # ids
    how: str = ruled("closed", choices=("closed", "silent"))  # cuts: ended, or just mute
    share_pct: float | None = ruled(None, minimum=0.0, maximum=100.0)  # or: so many, by the seed
    of: str = ruled("", choices=("", *GROUPS))  # of these only
    delay_ms: float | None = None
    probability_pct: float | None = None
    factor: float | None = None
    step_s: float | None = None
    pu: float | None = None
    size_mb: float | None = None

    def cross_checks(self) -> Complaints:
        """Rules over more than one key."""
        kind = FAULT_KINDS[self.kind]
        found = _misplaced(self, kind)
        if self.kind == "link_cut" and self.share_pct is not None:
            found.append(("share_pct", "a link_cut takes units; link_reset takes a share"))
        elif self.units and self.share_pct is not None:
            found.append(("share_pct", "units or share_pct, not both"))
        elif kind.meets == UNIT and not self.units and not self.share_pct:
            found.append(("kind", f"{self.kind} needs units or share_pct: whom it meets"))
        for key in ("units", "share_pct", "of"):
            if kind.meets != UNIT and getattr(self, key):
                found.append((key, f"{self.kind} does not meet single units"))
        if self.of and self.units:
            found.append(("of", "goes with share_pct; units are named one by one"))
        return found


@dataclass(frozen=True, slots=True)
class RandomFaultConfig:
    """Faults of one kind at random, by the seed: exponential times from one to the next.

    `per_unit_hour`: of each unit, counted while it does not have the fault. `per_hour`: of the
    plant; a kind that meets units meets one of them each time. Numbers in pairs are drawn evenly
    between the two. All faults lie within `from_s` and `until_s`, the last one is cut there.
    """

    kind: str = field(metadata=rule(choices=tuple(FAULT_KINDS)))
    per_unit_hour: float | None = ruled(None, minimum=0.0, maximum=3600.0)
    per_hour: float | None = ruled(None, minimum=0.0, maximum=36000.0)
    duration_s: tuple[float, float] = ruled((5.0, 60.0), minimum=0.001, maximum=1e6)
    from_s: float = ruled(0.0, minimum=0.0, maximum=1e7)
    until_s: float | None = ruled(None, minimum=0.0, maximum=1e7)  # default: the end of the run
    of: str = ruled("", choices=("", *GROUPS))
    delay_ms: tuple[float, float] | None = None
    probability_pct: tuple[float, float] | None = None
    factor: tuple[float, float] | None = None
    step_s: tuple[float, float] | None = None
    pu: tuple[float, float] | None = None
    size_mb: tuple[float, float] | None = None

    def cross_checks(self) -> Complaints:
        """Rules over more than one key."""
        kind = FAULT_KINDS[self.kind]
        found = _misplaced(self, kind)
        if (self.per_unit_hour is None) == (self.per_hour is None):
            found.append(("kind", f"{self.kind} needs per_unit_hour or per_hour, one of the two"))
        if self.kind in ("link_cut", "agc_cut", "wire_kill", "host_memory_pressure"):
            found.append(("kind", f"{self.kind} is for events; none comes at random"))
        elif kind.meets != UNIT:
            for key in ("per_unit_hour", "of"):
                if getattr(self, key):
                    found.append((key, f"{self.kind} does not meet single units"))
        for key in ("duration_s", *PARAMETERS):
            pair = getattr(self, key)
            if pair is not None and not pair[0] <= pair[1]:
                found.append((key, f"the lower one comes first, is {list(pair)}"))
        if self.until_s is not None and self.until_s <= self.from_s:
            found.append(("until_s", f"{self.until_s:g} is not after from_s, {self.from_s:g}"))
        return found


def _misplaced(config: Any, kind: Kind) -> Complaints:
    """Parameters of other kinds, and numbers out of the range of this one."""
    found: Complaints = []
    own = kind.parameter
    for key in PARAMETERS:
        value = getattr(config, key)
        if value is None:
            continue
        if own is None or own.key != key:
            takes = "takes no number" if own is None else f"takes {own.key}"
            found.append((key, f"{config.kind} {takes}"))
            continue
        for number in value if isinstance(value, tuple) else (value,):
            if not own.minimum <= number <= own.maximum:
                within = f"{own.minimum:g} to {own.maximum:g}"
                found.append((key, f"must be within {within} for {config.kind}, is {number:g}"))
    return found
