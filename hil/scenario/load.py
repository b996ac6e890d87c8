"""Scenario files: a fleet, a signal, links, faults by time, and what must hold at the end."""

from dataclasses import dataclass, field
from pathlib import Path

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
from hil.scenario.acceptance import Limit
from hil.scenario.checks import ChecksConfig
from hil.scenario.daemon import AllocationConfig, GuardsConfig, WireConfig
from hil.scenario.faults import EventConfig, FaultsConfig, LinkDelays, RandomFaultConfig
from hil.scenario.fleet import FleetConfig
from hil.scenario.frequency import FrequencySource, PlantDroopConfig
from hil.scenario.frequency import checks as frequency_checks
from hil.scenario.signal import SignalSource

FOLDER = Path(__file__).parents[1] / "scenarios"
FAULTS, RANDOM, NONE = "faults", "random_faults", "none"
TRACED_MAX = 8e6  # rows of a unit at 0.1 s, some 40 bytes each: an hour of 210 units


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
    frequency: FrequencySource = field(default_factory=FrequencySource)
    droop: PlantDroopConfig | None = None  # of the plant as a whole, added to AGC
    links: LinkDelays = field(default_factory=LinkDelays)
    faults: FaultsConfig = field(default_factory=FaultsConfig)
    events: tuple[EventConfig, ...] = ()
    random_faults: tuple[RandomFaultConfig, ...] = ()
    wire: WireConfig = field(default_factory=WireConfig)
    allocation: AllocationConfig = field(default_factory=AllocationConfig)
    guards: GuardsConfig = field(default_factory=GuardsConfig)
    checks: ChecksConfig = field(default_factory=ChecksConfig)
    # each unit's power is recorded so often, the plant's each 0.1 s; default: `trace_s`
    unit_trace_s: float | None = ruled(None, minimum=0.1, maximum=10.0)
    acceptance: dict[str, Limit] = field(default_factory=dict)

    @property
    def trace_s(self) -> float:
        """From row to row of the units' trace: 0.1 s, or 1 s where that would be a lot of them."""
        if self.unit_trace_s is not None:
            return self.unit_trace_s
        units = sum(kind.units for kind in self.fleet.kinds.values())
        return 0.1 if units * self.duration_s / 0.1 <= TRACED_MAX else 1.0

    @property
    def fleet_seed(self) -> int:
        """Seed of the fleet."""
        return self.seed if self.fleet.seed is None else self.fleet.seed

    def cross_checks(self) -> list[tuple[str, str]]:
        """Rules over more than one key."""
        late = [(i, e.at_s) for i, e in enumerate(self.events) if e.at_s >= self.duration_s]
        if late:
            end = f"is after the end, {self.duration_s:g} s"
            return [(f"events[{i}].at_s", f"{at_s:g} {end}") for i, at_s in late]
        low, high = self.links.latency_ms
        if low > high:
            return [("links.latency_ms", f"the lower one comes first, is {[low, high]}")]
        return frequency_checks(self.frequency, self.droop, self.duration_s)


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
    return build(Scenario, nodes(name_or_path, overrides))


def nodes(name_or_path: str, overrides: list[tuple[str, str]] | None = None) -> yaml.Node:
    """Nodes of a scenario, with their lines, as `load` builds it from.

    Raises FileNotFoundError, RecordError.
    """
    root = _with_base(find(name_or_path))
    keys = [key for key, _ in overrides or []]
    for key, text in overrides or []:
        override(root, key, text)
        if key == FAULTS and RANDOM not in keys:
            _calm(root)
    return root


def _calm(root: yaml.Node) -> None:
    """Take away the random faults of a scenario that is to have no faults."""
    faults = lookup(root, FAULTS)
    if isinstance(faults, yaml.ScalarNode) and faults.value == NONE and lookup(root, RANDOM):
        override(root, RANDOM, "[]")


def _with_base(path: Path, under: tuple[Path, ...] = ()) -> yaml.Node:
    """Nodes of a file, put over those of the scenario that it `extends`; `under`: who asks.

    A file that it extends is looked for beside it first.
    """
    node = compose_file(path)
    base_node = lookup(node, "extends")
    if base_node is None:
        return node
    assert isinstance(node, yaml.MappingNode)  # noqa: S101  (only a mapping has keys)
    node.value = [(k, v) for k, v in node.value if k.value != "extends"]
    beside = path.parent / str(base_node.value)
    try:
        found = beside if beside.is_file() else find(str(base_node.value))
    except FileNotFoundError as error:
        raise _no_base(path, base_node, str(error)) from error
    if found.resolve() in {each.resolve() for each in (*under, path)}:
        raise _no_base(path, base_node, f"goes in a circle: {found} extends this one")
    base = _with_base(found, (*under, path))
    merged = merge(base, node)
    if lookup(node, FAULTS) and not lookup(node, RANDOM):
        _calm(merged)
    return merged


def _no_base(path: Path, node: yaml.Node, why: str) -> RecordError:
    """Complain about what a file extends."""
    return RecordError([Problem(str(path), node.start_mark.line + 1, "extends", why)])
