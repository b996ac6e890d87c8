"""Faults of a scenario against its fleet and the clock: what they ask for must be there."""

from collections.abc import Iterator, Sequence

import yaml

from hil import fleet
from hil import scenario as scenarios
from hil.faults.schedule import candidates
from hil.records import Problem, RecordError, lookup
from hil.scenario import EventConfig, RandomFaultConfig, Scenario
from hil.scenario.fault_kinds import FAULT_KINDS, UNIT
from hil.scenario.load import nodes

Complaint = tuple[str, str]  # key, message


def load(name_or_path: str, overrides: list[tuple[str, str]] | None, clock: str) -> Scenario:
    """Read a scenario as `hil.scenario.load` does, for a clock (`real` or `virtual`).

    Raises FileNotFoundError, RecordError; that also for faults that this clock cannot inject, and
    for units and wire processes that there are not.
    """
    scenario = scenarios.load(name_or_path, overrides)
    problems = list(_problems(scenario, nodes(name_or_path, overrides), clock))
    if problems:
        raise RecordError(problems)
    return scenario


def _problems(scenario: Scenario, root: yaml.Node, clock: str) -> Iterator[Problem]:
    lists: dict[str, Sequence[EventConfig | RandomFaultConfig]] = {
        "events": scenario.events,
        "random_faults": scenario.random_faults,
    }
    if not any(lists.values()):
        return
    drawn = fleet.draw(scenario, 0)
    for list_key, configs in lists.items():
        entries = lookup(root, list_key)
        for number, config in enumerate(configs):
            entry = entries.value[number] if entries is not None else root
            for key, message in _complaints(config, drawn, clock):
                at = lookup(entry, key) or entry
                where = f"{list_key}[{number}].{key}"
                yield Problem(at.start_mark.name, at.start_mark.line + 1, where, message)


def _complaints(
    config: EventConfig | RandomFaultConfig, drawn: fleet.Fleet, clock: str
) -> Iterator[Complaint]:
    kind = FAULT_KINDS[config.kind]
    if clock not in kind.clocks:
        other = " or ".join(kind.clocks)
        yield "kind", f"{config.kind} is not for --clock {clock}; it is for --clock {other}"
    named: Sequence[str] = config.units if isinstance(config, EventConfig) else ()
    ids = {unit.id: unit for unit in drawn.units}
    able = {unit.id for unit in candidates(config.kind, config.of, drawn.units)}
    for unit in named:
        if unit not in ids:
            yield "units", f"there is no unit {unit}"
        elif unit not in able:
            yield "units", f"{unit} cannot have {config.kind}: its {ids[unit].maker} cannot say so"
    if kind.meets == UNIT and not named and not able:
        yield "kind", f"no unit {f'of {config.of} ' if config.of else ''}can have {config.kind}"
    if isinstance(config, EventConfig) and config.kind == "wire_kill":
        yield from _no_process(config.process, drawn.processes)


def _no_process(process: int, processes: int) -> Iterator[Complaint]:
    if process >= processes:
        yield "process", f"there are {processes} wire processes, from 0"
