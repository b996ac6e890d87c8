"""From a scenario and its seed to concrete faults by time. Pure: the same for both clocks."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from hil.faults.constant import stream
from hil.faults.fault import NOBODY, Fault
from hil.scenario import EventConfig, RandomFaultConfig, Scenario
from hil.scenario.fault_kinds import FAULT_KINDS, UNIT

PER_HOUR = 1.0 / 3600.0


class Named(Protocol):
    """A unit, as far as faults care. `hil.fleet.Unit` is one."""

    @property
    def index(self) -> int:
        """Its place in the fleet."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def kind(self) -> str:
        """Kind, as in `hil.scenario.KINDS`."""

    @property
    def maker(self) -> str:
        """Whose table of points it has, as in `hil.scenario.MAKERS`."""

    @property
    def protocol(self) -> str:
        """How it speaks: modbus, dnp3, mqtt."""


def schedule(scenario: Scenario, units: Sequence[Named]) -> tuple[Fault, ...]:
    """Timed faults of a run, by time: its events, and its random faults drawn from its seed.

    The outages that are always there are not among them; see `constant_outages`.
    """
    found: list[Fault] = []
    for number, event in enumerate(scenario.events):
        found += _of_event(event, number, scenario.seed, units)
    for number, config in enumerate(scenario.random_faults):
        found += _at_random(config, number, scenario, units)
    return tuple(sorted(found))


def candidates(kind: str, of: str, units: Sequence[Named]) -> list[Named]:
    """Units that a kind of fault can meet, out of those of a kind or a protocol."""
    able = FAULT_KINDS[kind].makers
    return [
        unit
        for unit in units
        if (not able or unit.maker in able) and of in ("", unit.kind, unit.protocol)
    ]


def _of_event(
    event: EventConfig, number: int, seed: int, units: Sequence[Named]
) -> Iterator[Fault]:
    """Yield the faults of one event, one for each unit that it meets."""
    cut = event.kind in ("link_cut", "agc_cut")
    for unit in _whom(event, number, seed, units):
        yield Fault(
            at_s=event.at_s,
            kind="link_outage" if event.kind == "link_cut" else event.kind,
            unit=unit,
            until_s=event.at_s + event.duration_s,
            size=_si(event.kind, _stated(event, event.kind)),
            how=event.how if cut else "",
            process=event.process if event.kind == "wire_kill" else -1,
        )


def _whom(event: EventConfig, number: int, seed: int, units: Sequence[Named]) -> list[int]:
    """Indices of the units of an event; NOBODY for what meets none."""
    if FAULT_KINDS[event.kind].meets != UNIT:
        return [NOBODY]
    if event.units:
        return [unit.index for unit in units if unit.id in event.units]
    able = [unit.index for unit in candidates(event.kind, event.of, units)]
    count = min(len(able), max(1, round(len(able) * (event.share_pct or 0.0) / 100.0)))
    return sorted(stream(seed, number, "whom").sample(able, count))


def _at_random(
    config: RandomFaultConfig, number: int, scenario: Scenario, units: Sequence[Named]
) -> Iterator[Fault]:
    """Yield the random faults of one entry."""
    until_s = scenario.duration_s if config.until_s is None else config.until_s
    until_s = min(until_s, scenario.duration_s)
    what = f"random {number}"
    if FAULT_KINDS[config.kind].meets != UNIT:
        yield from _renewed(config, NOBODY, scenario.seed, what, until_s)
        return
    able = [unit.index for unit in candidates(config.kind, config.of, units)]
    if config.per_unit_hour is not None:
        for unit in able:
            yield from _renewed(config, unit, scenario.seed, what, until_s)
    elif able:
        yield from _hits(config, able, scenario.seed, what, until_s)


def _renewed(
    config: RandomFaultConfig, unit: int, seed: int, what: str, until_s: float
) -> Iterator[Fault]:
    """Yield faults of one unit, or of the plant: the next one counts from the end of the last."""
    rate_per_s = (config.per_unit_hour or config.per_hour or 0.0) * PER_HOUR
    rng = stream(seed, unit, what)
    at_s = config.from_s
    while rate_per_s > 0.0:
        at_s += rng.expovariate(rate_per_s)
        if at_s >= until_s:
            return
        fault = _drawn(config, unit, rng, at_s, until_s)
        yield fault
        at_s = fault.until_s


def _hits(
    config: RandomFaultConfig, able: list[int], seed: int, what: str, until_s: float
) -> Iterator[Fault]:
    """Yield faults that meet one of `able` each; the next one counts from the start of the last."""
    rate_per_s = (config.per_hour or 0.0) * PER_HOUR
    rng = stream(seed, NOBODY, what)
    at_s = config.from_s
    while rate_per_s > 0.0:
        at_s += rng.expovariate(rate_per_s)
        if at_s >= until_s:
            return
        yield _drawn(config, rng.choice(able), rng, at_s, until_s)


def _drawn(config: RandomFaultConfig, unit: int, rng: Any, at_s: float, until_s: float) -> Fault:
    end_s = min(at_s + rng.uniform(*config.duration_s), until_s)
    pair = _stated(config, config.kind)
    size = rng.uniform(*pair) if pair is not None else None
    return Fault(round(at_s, 3), config.kind, unit, round(end_s, 3), _si(config.kind, size))


def _stated(config: Any, kind: str) -> Any:
    """What a scenario says of the number of a kind of fault; None: nothing."""
    parameter = FAULT_KINDS[kind].parameter
    return None if parameter is None else getattr(config, parameter.key)


def _si(kind: str, stated: float | None) -> float:
    """Give the number of a fault in SI units, the kind's default where none is stated."""
    parameter = FAULT_KINDS[kind].parameter
    if parameter is None:
        return 0.0
    return (parameter.default if stated is None else stated) * parameter.to_si
