"""Scenario files: a fleet, a signal, links, faults by time, and what must hold at the end."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hil.records import (
    Problem,
    RecordError,
    build,
    compose_file,
    lookup,
    merge,
    override,
    rule,
    ruled,
)

FOLDER = Path(__file__).parent / "scenarios"
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
POLICIES = ("exact", "pro_rata", "merit_order", "response_aware")
NOT_BUILT = ("response_aware",)


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


@dataclass(frozen=True, slots=True)
class SignalSource:
    """What the TSO sends: the synthesised signal, steps, or a column of a file."""

    kind: str = ruled("regd", choices=("regd", "steps", "file"))
    interval_s: float = ruled(2.0, minimum=0.1, maximum=600.0)
    file: str | None = None  # CSV or CSV.gz with a column t_s
    column: str | None = None
    select: bool = False  # select before operate, instead of direct operate
    steps: tuple[tuple[float, float], ...] = ruled((), minimum=-1e6, maximum=1e6)  # [t_s, pu]

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.kind == "file" and not (self.file and self.column):
            return [("file", "a signal of kind file needs file and column")]
        if self.kind == "steps" and not self.steps:
            return [("steps", "a signal of kind steps needs its steps")]
        return []


@dataclass(frozen=True, slots=True)
class LinkDelays:
    """Latency of every link, each way, drawn evenly for each message."""

    latency_ms: tuple[float, float] = ruled((20.0, 80.0), minimum=0.0, maximum=60000.0)


@dataclass(frozen=True, slots=True)
class FaultsConfig:
    """Faults that are always there. `faults: none` switches them off."""

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
    """One fault at a time after the start of the scored run."""

    at_s: float = field(metadata=rule(minimum=0.0, maximum=1e7))
    kind: str = field(metadata=rule(choices=("link_cut", "wire_kill", "agc_cut")))
    duration_s: float = ruled(30.0, minimum=0.0, maximum=1e6)
    process: int = ruled(0, minimum=0, maximum=10000)  # wire_kill: which one
    units: tuple[str, ...] = ()  # link_cut: ids
    how: str = ruled("closed", choices=("closed", "silent"))  # connection ended, or just mute


@dataclass(frozen=True, slots=True)
class WireConfig:
    """How the simulated devices are spread over processes."""

    devices_per_process: int = ruled(70, minimum=1, maximum=10000)


@dataclass(frozen=True, slots=True)
class AllocationConfig:
    """What the daemon is configured to do."""

    policy: str = ruled("exact", choices=POLICIES)

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        if self.policy in NOT_BUILT:
            built = ", ".join(p for p in POLICIES if p not in NOT_BUILT)
            return [("policy", f"{self.policy} is not built yet; use one of {built}")]
        return []


@dataclass(frozen=True, slots=True)
class GuardsConfig:
    """Guards on the signal that the daemon is configured with. None: its defaults."""

    agc_stale_after_s: float | None = ruled(None, minimum=0.1, maximum=3600.0)
    hold_s: float | None = ruled(None, minimum=0.0, maximum=3600.0)
    return_rate_pu_per_s: float | None = ruled(None, minimum=1e-6, maximum=10.0)


@dataclass(frozen=True, slots=True)
class Other:
    """A second figure that a limit may be met by."""

    key: str
    maximum: float


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure of the result must be, `unless` another one is small enough."""

    minimum: float | None = None
    maximum: float | None = None
    equals: bool | None = None
    unless: Other | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """One scenario, complete."""

    name: str
    fleet: FleetConfig
    # sold, symmetric; more than the fleet can give is allowed, and told (see Fleet.oversold)
    regulation_mw: float = field(metadata=rule(minimum=0.0, maximum=1e6))
    title: str = ""
    seed: int = ruled(1, minimum=0, maximum=2**32)
    duration_s: float = ruled(120.0, minimum=1.0, maximum=1e7)
    signal: SignalSource = field(default_factory=SignalSource)
    links: LinkDelays = field(default_factory=LinkDelays)
    faults: FaultsConfig = field(default_factory=FaultsConfig)
    events: tuple[EventConfig, ...] = ()
    wire: WireConfig = field(default_factory=WireConfig)
    allocation: AllocationConfig = field(default_factory=AllocationConfig)
    guards: GuardsConfig = field(default_factory=GuardsConfig)
    acceptance: dict[str, Limit] = field(default_factory=dict)

    @property
    def fleet_seed(self) -> int:
        """Seed of the fleet."""
        return self.seed if self.fleet.seed is None else self.fleet.seed

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        late = [e for e in self.events if e.at_s >= self.duration_s]
        if late:
            return [("events", f"at_s {late[0].at_s:g} is after the end, {self.duration_s:g} s")]
        low, high = self.links.latency_ms
        return [] if low <= high else [("links", "latency_ms: the lower one comes first")]


def names() -> list[str]:
    """Names of the shipped scenarios."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find(name_or_path: str) -> Path:
    """File of a scenario. Raises FileNotFoundError with what there is."""
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml"):
        if path.exists():
            return path
    elif (FOLDER / f"{name_or_path}.yaml").exists():
        return FOLDER / f"{name_or_path}.yaml"
    known = ", ".join(names())
    if path.is_file():
        message = f"{name_or_path}: is no scenario: that is a file .yaml, or one of {known}"
        raise FileNotFoundError(message)
    raise FileNotFoundError(f"{name_or_path}: no such scenario; known: {known}")


def load(name_or_path: str, overrides: list[tuple[str, str]] | None = None) -> Scenario:
    """Read a scenario, put `overrides` (dotted key, YAML text) over it, and check all of it.

    Raises FileNotFoundError, or RecordError with every problem.
    """
    root = _with_base(find(name_or_path))
    for key, text in overrides or []:
        override(root, key, text)
    return build(Scenario, root)


def _with_base(path: Path) -> yaml.Node:
    """Nodes of a file, put over those of the scenario that it `extends`."""
    node = compose_file(path)
    base_node = lookup(node, "extends")
    if base_node is None:
        return node
    assert isinstance(node, yaml.MappingNode)  # noqa: S101  (only a mapping has keys)
    node.value = [(k, v) for k, v in node.value if k.value != "extends"]
    try:
        base = _with_base(find(str(base_node.value)))
    except FileNotFoundError as error:
        line = base_node.start_mark.line + 1
        raise RecordError([Problem(str(path), line, "extends", str(error))]) from error
    return merge(base, node)


def figure(result: dict[str, Any], dotted: str) -> Any:
    """Value at a dotted key of `result.json`, places in lists by number; None if there is none."""
    value: Any = result
    for key in dotted.split("."):
        if isinstance(value, list):
            value = value[int(key)] if key.isdigit() and int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


def missed(scenario: Scenario, result: dict[str, Any]) -> list[str]:
    """Say which acceptance limits a result does not meet, and by how much."""
    found = (shortfall(result, key, limit) for key, limit in scenario.acceptance.items())
    return [text for text in found if text]


def shortfall(result: dict[str, Any], key: str, limit: Limit) -> str:
    """Say how a figure does not meet its limit; an empty text if it does."""
    value = figure(result, key)
    if value is None:
        return f"{key}: could not be measured ({_reason(result.get('notes') or {}, key)})"
    if limit.equals is not None and value is not limit.equals:
        return f"{key}: is {value}, must be {limit.equals}"
    if limit.maximum is not None and value > limit.maximum:
        over = f"{key}: {value:g} is over its limit {limit.maximum:g} by {value - limit.maximum:g}"
        return _unless(result, limit.unless, over)
    if limit.minimum is not None and value < limit.minimum:
        under = limit.minimum - value
        return f"{key}: {value:g} is under its limit {limit.minimum:g} by {under:g}"
    return ""


def in_words(limit: Limit) -> str:
    """Say what a limit asks for."""
    if limit.equals is not None:
        return str(limit.equals).lower()
    parts = [f"≥ {limit.minimum:g}"] if limit.minimum is not None else []
    parts += [f"≤ {limit.maximum:g}"] if limit.maximum is not None else []
    words = " and ".join(parts)
    if limit.unless is not None:
        words += f", or {limit.unless.key.rpartition('.')[2]} ≤ {limit.unless.maximum:g}"
    return words


def _unless(result: dict[str, Any], other: Other | None, told: str) -> str:
    """Give `told`, and what the other figure says; an empty text if that one is small enough."""
    if other is None:
        return told
    also = shortfall(result, other.key, Limit(maximum=other.maximum))
    return f"{told}, and {also}" if also else ""


def _reason(notes: dict[str, str], key: str) -> str:
    """Find the note on a figure, or on what it is part of."""
    while key:
        if key in notes:
            return notes[key]
        key = key.rpartition(".")[0]
    return "no reason given"
