"""YAML text -> frozen records, every problem as `file:line: key: message`.

A dataclass says what a mapping may hold; `Rule` in a field's metadata says what a number may
be. Nothing is repaired: an unknown key, a second one, a wrong type, a number out of range are
problems, and all of them are told at once.
"""

import dataclasses
import difflib
import math
import re
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

T = TypeVar("T")
RULE = "hil"


@dataclass(frozen=True, slots=True)
class Rule:
    """Range of a number (inclusive), or the texts a text may be."""

    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] = ()


def rule(
    *, minimum: float = -math.inf, maximum: float = math.inf, choices: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Metadata of a field with a rule."""
    return {RULE: Rule(minimum, maximum, choices)}


def ruled(default: Any, **bounds: Any) -> Any:
    """Field of a dataclass with a default and a rule, as `rule` takes it."""
    return field(default=default, metadata=rule(**bounds))


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        option, _, key = self.file.partition(" ")
        if option.startswith("--"):  # typed on the command line: no line, and often the key itself
            said = option != "--set" or key == self.key
            return f"{self.file}: {'' if said else self.key + ': '}{self.message}"
        return f"{self.file}:{self.line}: {self.key}: {self.message}"


class RecordError(Exception):
    """A file does not say what it should. `problems` has every mistake."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def compose(text: str, file: str) -> yaml.Node:
    """Parse YAML into nodes that know their line. Raises RecordError."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        message = getattr(error, "problem", None) or str(error)
        raise RecordError([Problem(file, line, "yaml", message)]) from error
    if node is None:
        raise RecordError([Problem(file, 1, "yaml", "the file is empty")])
    mark_file(node, file)
    return node


def compose_file(path: Path) -> yaml.Node:
    """`compose` of a file. Raises OSError, RecordError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecordError([Problem(str(path), 1, "yaml", "the file is no text")]) from error
    return compose(text, str(path))


def mark_file(node: yaml.Node, file: str) -> None:
    """Note in every node which file it is from, for `Problem`."""
    node.start_mark.name = file
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            mark_file(key_node, file)
            mark_file(value_node, file)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            mark_file(item, file)


def lookup(node: yaml.Node, key: str) -> yaml.Node | None:
    """Value of a key of a mapping."""
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == key:
                return typing.cast("yaml.Node", value_node)
    return None


def _place(node: yaml.Node, key: str) -> yaml.Node:
    """Node at a dotted key with places in lists, as `events[1].at_s`; as far as it is there."""
    for step in re.findall(r"[^.\[\]]+", key):
        below = lookup(node, step)
        if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
            below = node.value[int(step)]
        if below is None:
            break
        node = below
    return node


def override(root: yaml.Node, dotted: str, text: str) -> None:
    """Put a value (YAML text) at a dotted key, as `--set KEY=VALUE` does."""
    value = compose(text or '""', f"--set {dotted}")
    node = root
    keys = dotted.split(".")
    for key in keys[:-1]:
        child = lookup(node, key)
        if child is None:
            child = yaml.MappingNode("tag:yaml.org,2002:map", [], value.start_mark, value.end_mark)
            _put(node, key, child)
        node = child
    _put(node, keys[-1], value)


def _put(node: yaml.Node, key: str, value: yaml.Node) -> None:
    if not isinstance(node, yaml.MappingNode):
        message = "does not exist: what it is part of is a single value, or a list"
        raise RecordError([Problem(value.start_mark.name, 1, key, message)])
    kept = [(k, v) for k, v in node.value if k.value != key]
    key_node = yaml.ScalarNode("tag:yaml.org,2002:str", key, value.start_mark, value.end_mark)
    node.value = [*kept, (key_node, value)]


def merge(base: yaml.Node, over: yaml.Node) -> yaml.Node:
    """Merge mappings key by key; `over` wins, and replaces whatever is no mapping.

    Keys stay where they are written, and one that is given twice stays so: `build` tells of both.
    """
    if not (isinstance(base, yaml.MappingNode) and isinstance(over, yaml.MappingNode)):
        return over
    given = {key_node.value for key_node, _ in over.value}
    merged = [(key_node, value) for key_node, value in base.value if key_node.value not in given]
    for key_node, value_node in over.value:
        before = lookup(base, key_node.value)
        merged.append((key_node, merge(before, value_node) if before else value_node))
    base.value = merged
    return base


def build(cls: type[T], node: yaml.Node) -> T:
    """Build one record. Raises RecordError with all problems."""
    problems: list[Problem] = []
    value = _record(cls, node, "", problems)
    if problems:
        raise RecordError(problems)
    return typing.cast("T", value)


def _blame(node: yaml.Node, key: str, message: str, problems: list[Problem]) -> None:
    mark = node.start_mark
    problems.append(Problem(mark.name, mark.line + 1, key or "scenario", message))


def _record(cls: type[Any], node: yaml.Node, path: str, problems: list[Problem]) -> Any:
    if not isinstance(node, yaml.MappingNode):
        keys = ", ".join(f.name for f in dataclasses.fields(cls))
        none = "none, or " if hasattr(cls, "none") else ""
        _blame(node, path, f"must be {none}a mapping with the keys {keys}", problems)
        return None
    fields = {f.name: f for f in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    before = len(problems)
    for key_node, value_node in node.value:
        key = str(key_node.value)
        where = f"{path}.{key}" if path else key
        if key in lines:
            _blame(key_node, where, f"given twice, first on line {lines[key]}", problems)
        elif key not in fields:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
            _blame(key_node, where, f"unknown key{hint}", problems)
        else:
            rule = fields[key].metadata.get(RULE, Rule())
            values[key] = _value(hints[key], rule, value_node, where, problems)
        lines[key] = key_node.start_mark.line + 1
    _missing(fields, values, lines, node, path, problems)
    if len(problems) > before:
        return None
    made = cls(**values)
    _cross(made, node, path, problems)
    return made


def _missing(
    fields: dict[str, "dataclasses.Field[Any]"],
    values: dict[str, Any],
    lines: dict[str, int],
    node: yaml.Node,
    path: str,
    problems: list[Problem],
) -> None:
    for name, one in fields.items():
        has_default = (
            one.default is not dataclasses.MISSING or one.default_factory is not dataclasses.MISSING
        )
        if name not in values and name not in lines and not has_default:
            _blame(node, f"{path}.{name}" if path else name, "missing", problems)


def _cross(made: Any, node: yaml.Node, path: str, problems: list[Problem]) -> None:
    """Rules over more than one key: a method `cross_checks() -> [(key, message), …]`."""
    checks = getattr(made, "cross_checks", None)
    if checks is None:
        return
    for key, message in checks():
        _blame(_place(node, key), f"{path}.{key}" if path else key, message, problems)


def _value(kind: Any, rule: Rule, node: yaml.Node, path: str, problems: list[Problem]) -> Any:
    """One value of a declared type: record, tuple, mapping, optional, number, text, flag."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType or origin is typing.Union:
        if _plain(node) is None:
            return None
        kind = next(a for a in args if a is not type(None))
        return _value(kind, rule, node, path, problems)
    if dataclasses.is_dataclass(kind):
        none_form = getattr(kind, "none", None)
        if none_form is not None and isinstance(node, yaml.ScalarNode) and node.value == "none":
            return none_form()
        return _record(typing.cast("type[Any]", kind), node, path, problems)
    if origin is tuple:
        return _sequence(args, rule, node, path, problems)
    if origin is dict:
        return _mapping(args[1], rule, node, path, problems)
    return _scalar(kind, rule, node, path, problems)


def _sequence(
    args: tuple[Any, ...], rule: Rule, node: yaml.Node, path: str, problems: list[Problem]
) -> Any:
    if not isinstance(node, yaml.SequenceNode):
        _blame(node, path, "must be a list", problems)
        return ()
    variable = len(args) == 2 and args[1] is Ellipsis
    if not variable and len(node.value) != len(args):
        _blame(node, path, f"must have {len(args)} entries, has {len(node.value)}", problems)
        return ()
    return tuple(
        _value(args[0] if variable else args[i], rule, item, f"{path}[{i}]", problems)
        for i, item in enumerate(node.value)
    )


def _mapping(
    kind: Any, rule: Rule, node: yaml.Node, path: str, problems: list[Problem]
) -> dict[str, Any]:
    """Read a mapping with free keys, or keys out of the rule's choices."""
    if not isinstance(node, yaml.MappingNode):
        _blame(node, path, "must be a mapping of keys", problems)
        return {}
    made: dict[str, Any] = {}
    bounds = Rule(rule.minimum, rule.maximum)
    for key_node, value_node in node.value:
        key = str(key_node.value)
        if rule.choices and key not in rule.choices:
            near = difflib.get_close_matches(key, rule.choices, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(rule.choices)}"
            _blame(key_node, f"{path}.{key}", f"unknown key; {hint}", problems)
        elif key in made:
            _blame(key_node, f"{path}.{key}", "given twice", problems)
        else:
            made[key] = _value(kind, bounds, value_node, f"{path}.{key}", problems)
    return made


def _plain(node: yaml.Node) -> Any:
    """Python value of a scalar node; the node itself for anything else."""
    if not isinstance(node, yaml.ScalarNode):
        return node
    return yaml.SafeLoader("").construct_object(node)


def _scalar(kind: Any, rule: Rule, node: yaml.Node, path: str, problems: list[Problem]) -> Any:
    value = _plain(node)
    message = _wrong(kind, rule, value)
    if not isinstance(node, yaml.ScalarNode):
        message = "must be a single value, not a list or a mapping"
    if message:
        _blame(node, path, message, problems)
        return None
    return float(value) if kind is float else value


def _wrong(kind: Any, rule: Rule, value: Any) -> str:
    """Say what is wrong with a scalar; an empty text if nothing."""
    if kind is bool:
        return "" if isinstance(value, bool) else f"must be true or false, is {value!r}"
    if kind in (int, float):
        allowed = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            return f"must be {'a whole number' if kind is int else 'a number'}, is {value!r}"
        if not rule.minimum <= value <= rule.maximum:
            return f"must be within {rule.minimum:g} to {rule.maximum:g}, is {value:g}"
        return ""
    if kind is str:
        if not isinstance(value, str):
            return f"must be a text, is {value!r}"
        if rule.choices and value not in rule.choices:
            near = difflib.get_close_matches(value, rule.choices, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            known = ", ".join(choice for choice in rule.choices if choice)
            return f"must be one of {known}, is {value!r}{hint}"
        return ""
    return ""  # Any: checked by its reader
