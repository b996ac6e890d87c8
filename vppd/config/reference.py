"""Writes `docs/config.md`: every key of the schema and of the installed drivers."""

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vppd.config.build import Shape, shapes_of
from vppd.config.fields import Number, Text
from vppd.config.schema import ID, Config, LinkConfig, Registry, SignalConfig
from vppd.config.words import figure

_HEAD = """\
# Configuration

Written from the schema; do not edit. `vppd check CONFIG` names every problem of a file at once,
as `file:line: key: message`. `configs/reference.yaml` shows every key in place.

- Power is in MW, generation positive: a load, and a battery that charges, are negative.
- A key that is not listed here, and a key given twice, is refused. So is a value out of its range.
- Paths are relative to the folder of the file.
- Anchors and merge keys (`<<: *name`) work as in YAML 1.1; `templates` is a place for the anchors.
  A key of the mapping itself wins over a merged one.
- Numbers are plain decimals. An exponent needs a point and a sign: `1.0e+3`.
"""
_COLUMNS = "| key | unit | range | default | meaning |\n|---|---|---|---|---|"


def unit_text(shape: Shape) -> str:
    """Give the unit of a key; empty where it has none."""
    return shape.rule.unit if isinstance(shape.rule, Number) else ""


def range_text(shape: Shape) -> str:
    """Give what a key may be, in words."""
    rule, many = shape.rule, "list of " if shape.many else ""
    if shape.kind is bool:
        return many + "true or false"
    if isinstance(rule, Number):
        whole = "whole, " if shape.kind is int else ""
        return many + whole + (_number_range(rule) or "any number")
    if isinstance(rule, Text) and rule.choices:
        return many + " or ".join(rule.choices)
    if isinstance(rule, Text) and rule.pattern is not None:
        return many + ("id" if rule.pattern == ID else f"text like {rule.pattern}")
    if shape.kind is str:
        return many + "text"
    return many + ("keys below" if dataclasses.is_dataclass(shape.kind) else "anything")


def _number_range(rule: Number) -> str:
    bounds = (
        ("at least", rule.minimum),
        ("above", rule.above),
        ("at most", rule.maximum),
        ("below", rule.below),
    )
    told = ", ".join(f"{word} {figure(bound)}" for word, bound in bounds if bound is not None)
    return told + (", .inf allowed" if rule.allow_inf else "")


def default_text(shape: Shape) -> str:
    """Give the default of a key as the file would have it; `required` where there is none."""
    default = shape.default
    if default is dataclasses.MISSING:
        return "required"
    if default is None:
        return "none"
    if dataclasses.is_dataclass(default):
        return "its defaults"
    return _written(default)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_written(item) for item in value) + "]"
    if isinstance(value, str):
        return value or '""'
    if abs(value) == float("inf"):
        return ".inf" if value > 0.0 else "-.inf"
    return figure(value)


def render(registry: Registry) -> str:
    """Give the page, in Markdown."""
    parts = [_HEAD, *_section("The file", Config, "##")]
    for shape in shapes_of(Config).values():
        if not isinstance(shape.kind, type) or not dataclasses.is_dataclass(shape.kind):
            continue
        if shape.kind in (LinkConfig, SignalConfig):
            parts += _drivers(shape.name, "type", getattr(registry, shape.name))
        else:
            parts += _section(f"`{shape.name}`", shape.kind, "##")
            for part in shapes_of(shape.kind).values():
                if (
                    part.many
                    and isinstance(part.kind, type)
                    and dataclasses.is_dataclass(part.kind)
                ):
                    parts += _section(f"`{shape.name}.{part.name}[]`", part.kind, "###")
        if shape.name == "fleet":
            parts += _drivers("fleet[].device", "driver", dict(registry.devices))
    return "\n".join(parts)


def write(path: Path, registry: Registry) -> None:
    """Write the page."""
    path.write_text(render(registry), encoding="utf-8")


def _drivers(section: str, tag: str, classes: dict[str, type]) -> Iterator[str]:
    yield f"## `{section}`\n"
    yield f"`{tag}` chooses what the other keys are: {_names(sorted(classes))}.\n"
    for name in sorted(classes):
        links = getattr(classes[name], "LINK_TYPES", ())
        reached = f" Reached by a link of type {_names(links)}." if links else ""
        yield from _section(f"`{tag}: {name}`", classes[name], "###", reached)


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _section(title: str, cls: type, level: str, more: str = "") -> Iterator[str]:
    yield f"{level} {title}\n"
    yield f"{_first_line(cls)}{more}\n"
    yield _COLUMNS
    for shape in shapes_of(cls).values():
        yield _row(shape)
    yield ""
    rules = [_first_line(getattr(cls, name)) for name in getattr(cls, "CROSS_CHECKS", ())]
    if rules:
        yield "Also checked: " + " ".join(rules) + "\n"


def _row(shape: Shape) -> str:
    cells = (unit_text(shape), range_text(shape), default_text(shape), shape.doc)
    return f"| `{shape.name}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _first_line(documented: Any) -> str:
    return (inspect.getdoc(documented) or "").partition("\n")[0]
