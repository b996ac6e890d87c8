"""A new configuration for a plant that runs: what of it can be taken over, and what is kept.

Units, links, groups, plan, policy, guards and alarms may change between two ticks. What a link or
a unit was made of is compared, so whatever stays the same stays connected. The rest of the file is
about the process, and takes a restart.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import yaml

from vppd.config.errors import ConfigError, Problem
from vppd.config.schema import Config
from vppd.core.orders import Standing
from vppd.core.types import Params
from vppd.journal.header import About
from vppd.runtime.plant import Plant

NEEDS_RESTART = "takes a restart: nothing of this file was taken over"
LEAVES = "signals", "journal", "metrics", "tracing", "api"  # sections that must stay as they are


@dataclass(frozen=True, slots=True)
class Change:
    """All that a swap needs, made before it."""

    config: Config
    params: Params
    about: About
    standing: Standing
    plant: Plant
    configured: Callable[[Params, About], None]


def check_changes(old: Config, new: Config, text: bytes, file: str) -> None:
    """Raise ConfigError for each key that only a restart can change."""
    keys = [*_of_process(old, new)]
    problems = [Problem(file, line_of(text, key), key, NEEDS_RESTART) for key in keys]
    if problems:
        raise ConfigError(tuple(problems))


def _of_process(old: Config, new: Config) -> Iterator[str]:
    for name in LEAVES:
        if getattr(old, name) != getattr(new, name):
            yield name
    for each in fields(old.site):
        if each.name != "commissioning_dir" and getattr(old.site, each.name) != getattr(
            new.site, each.name
        ):
            yield f"site.{each.name}"
    if old.guards.agc_interval_s != new.guards.agc_interval_s:
        yield "guards.agc_interval_s"
    if old.plan.products != new.plan.products:
        yield "plan.products"
    if (old.droop is None) != (new.droop is None):
        yield "droop"


def line_of(text: bytes, key: str) -> int:
    """Line of a key in the text, from 1; that of the nearest one above it that is written."""
    node: Any = yaml.compose(text.decode("utf-8-sig"), Loader=yaml.CSafeLoader)
    line = 1
    for part in key.split("."):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        found = [(name, value) for name, value in pairs if name.value == part]
        if not found:
            break
        name, node = found[0]
        line = name.start_mark.line + 1
    return line


def what_changes(old: Config, new: Config) -> tuple[str, ...]:
    """Say in words what a reload changes, for log and operator."""
    was, will = ({unit.id: unit for unit in config.fleet} for config in (old, new))
    said = [f"fleet: {unit} is new" for unit in will if unit not in was]
    said += [f"fleet: {unit} is gone" for unit in was if unit not in will]
    for name, unit in will.items():
        if name in was and was[name] != unit:
            said += [f"fleet: {name}: {what}" for what in _differences(was[name], unit)]
    for section in ("links", "groups", "plan", "policy", "guards", "droop", "alarms"):
        before, after = getattr(old, section), getattr(new, section)
        if before != after:
            said.append(f"{section}: changed")
    return tuple(said) or ("nothing has changed",)


def _differences(old: Any, new: Any) -> Iterator[str]:
    for each in fields(old):
        before, after = getattr(old, each.name), getattr(new, each.name)
        if before != after:
            yield f"{each.name} {before} -> {after}" if isinstance(after, float) else each.name


def led_out(standing: Standing, params: Params, gone: list[int]) -> Standing:
    """Orders under which units that will go move to their safe value, within all limits.

    Others take over what they leave. An operator who holds such a unit has the last word.
    """
    locked, operator_mw = standing.locked.copy(), standing.operator_mw.copy()
    for i in gone:
        if not locked[i]:
            locked[i], operator_mw[i] = 1, params.safe_mw[i]
    for array in (locked, operator_mw):
        array.setflags(write=False)
    return replace(standing, locked=locked, operator_mw=operator_mw)
