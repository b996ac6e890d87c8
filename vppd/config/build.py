"""From YAML nodes to the frozen records of the schema, by what their fields say.

A record with something wrong in it is built all the same, without the keys that have no good
value, so that its other rules, those of the other records and those of the file still speak.
"""

import dataclasses
from dataclasses import dataclass, field
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from vppd.config import messages
from vppd.config.complaints import Complaints
from vppd.config.errors import WHOLE_FILE
from vppd.config.fields import KEY, Meta, Number, Text
from vppd.config.mappings import Budget, Entry, Mappings, join
from vppd.config.scalars import RefusedError, to_flag, to_number, to_text
from vppd.config.schema import DeviceConfig, LinkConfig, Registry, SignalConfig
from vppd.config.words import describe, listed, nearest, quoted, surely, tag_name

_MISSING: Any = dataclasses.MISSING
_BAD: Any = object()  # no good value; the complaint is made
_TAGS = {"str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq"}


@dataclass(frozen=True, slots=True)
class Shape:
    """One key of a record, as the builder and the reference page need it."""

    name: str
    kind: Any  # float, int, bool, str, a record, or Any: not read
    many: bool  # a list of them
    optional: bool  # may be left empty
    rule: Number | Text | None
    doc: str
    default: Any  # MISSING: the key is required


@cache
def shapes_of(cls: type) -> dict[str, Shape]:
    """Give the keys of a record, in their order. Raises TypeError for a type nobody can read."""
    hints = get_type_hints(cls)
    return {f.name: _shape(cls, f, hints[f.name]) for f in dataclasses.fields(cls)}


def _shape(cls: type, f: dataclasses.Field[Any], hint: Any) -> Shape:
    meta = f.metadata.get(KEY, Meta(None, ""))
    arguments = get_args(hint)
    optional = get_origin(hint) in (UnionType, Union) and NoneType in arguments
    if optional:
        (hint,) = (a for a in arguments if a is not NoneType)
        arguments = get_args(hint)
    many = get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis
    kind = arguments[0] if many else hint
    if kind not in (float, int, bool, str, Any) and not dataclasses.is_dataclass(kind):
        raise TypeError(f"{cls.__name__}.{f.name}: {hint} cannot be read from a file")
    factory: Any = f.default_factory
    default = f.default if factory is _MISSING else factory()
    return Shape(f.name, kind, many, optional, meta.rule, meta.doc, default)


@dataclass(slots=True)
class Draft:
    """A record as far as it could be read, and where its keys stand."""

    cls: type
    path: str
    mark: yaml.Mark  # where its mapping begins
    record: Any = None  # keys without a good value are not set
    chosen: bool = True  # False: its `type` or `driver` is unknown, `record` is of the base,
    guessed: bool = False  # or of the one that was surely meant
    marks: dict[str, yaml.Mark] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, list["Draft"]] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)  # what misspelt keys may have meant

    def where(self, key: str) -> yaml.Mark:
        """Give the place of a key; of the record where the key is not written."""
        return self.marks.get(key, self.mark)

    def unsure(self, key: str) -> bool:
        """Tell whether the key has no good value, or stands there misspelt."""
        return key not in self.values or key in self.suspects


class Builder:
    """Builds drafts of records, and complains."""

    def __init__(self, registry: Registry, complaints: Complaints) -> None:
        self._complaints = complaints
        self._budget = Budget(complaints)
        self._mappings = Mappings(complaints, self._budget)
        self._choices: dict[type, tuple[str, str, dict[str, Any]]] = {
            LinkConfig: ("type", "link of type", dict(registry.links)),
            DeviceConfig: ("driver", "driver", dict(registry.devices)),
            SignalConfig: ("type", "signal of type", dict(registry.signals)),
        }

    def record(self, cls: type, node: yaml.MappingNode, path: str) -> Draft:
        """Build one record from one mapping."""
        entries = dict(self._mappings.entries(node, path))
        draft = Draft(cls, path, node.start_mark)
        draft.marks = {key: entry.mark for key, entry in entries.items()}
        self._budget.spend(len(entries) + 1, node.start_mark)
        if cls in self._choices:
            self._choose(draft, entries)
        shapes = shapes_of(draft.cls)
        for key, entry in entries.items():
            if key in shapes:
                self._fill(draft, shapes[key], entry)
            elif draft.chosen or draft.guessed:
                self._unknown(draft, key, shapes)
        for name, shape in shapes.items():
            if name not in entries:
                self._default(draft, shape)
        draft.record = _assemble(draft.cls, draft.values, shapes)
        self._cross_checks(draft)
        return draft

    def _choose(self, draft: Draft, entries: dict[str, Entry]) -> None:
        """Find the record that `type` or `driver` names; the base record where none does."""
        key, what, classes = self._choices[draft.cls]
        entry = entries.pop(key, None)
        choices = listed(sorted(classes))
        if entry is None:
            message = messages.MISSING_CHOICE.format(choices=choices)
            self._complain(draft.mark, draft.path, key, message)
            draft.chosen = False
            return
        try:
            written = to_text(entry.node, None, may_be_empty=False)
        except RefusedError as refused:
            self._complain(entry.mark, draft.path, key, str(refused))
            draft.chosen = False
            return
        if written in classes:
            draft.cls = classes[written]
            return
        draft.chosen = False
        meant = surely(written, classes)
        if meant:  # what else is wrong in it need not wait for the next run
            draft.cls, draft.guessed = classes[meant], True
        near = nearest(written, classes)
        template = messages.UNKNOWN_CHOICE_NEAR if near else messages.UNKNOWN_CHOICE
        message = template.format(what=what, written=quoted(written), near=near, choices=choices)
        self._complain(entry.mark, draft.path, key, message)

    def _unknown(self, draft: Draft, key: str, shapes: dict[str, Shape]) -> None:
        near = nearest(key, shapes)
        template = messages.UNKNOWN_KEY_NEAR if near else messages.UNKNOWN_KEY
        self._complain(draft.marks[key], draft.path, key, template.format(near=near))
        if near:
            draft.suspects.add(near)

    def _default(self, draft: Draft, shape: Shape) -> None:
        if shape.default is _MISSING:
            self._complain(draft.mark, draft.path, shape.name, messages.MISSING)
        else:
            draft.values[shape.name] = shape.default

    def _fill(self, draft: Draft, shape: Shape, entry: Entry) -> None:
        path = join(draft.path, shape.name)
        parts: list[Draft] = []
        if shape.kind is Any or (shape.optional and tag_name(entry.node) == "null"):
            value: Any = None
        elif shape.many:
            value = self._list(shape, entry, path, parts)
        else:
            value = self._one(shape, entry.node, entry.mark, path, parts)
        if parts:
            draft.parts[shape.name] = parts
        if value is not _BAD:
            draft.values[shape.name] = value

    def _list(self, shape: Shape, entry: Entry, path: str, parts: list[Draft]) -> Any:
        if not isinstance(entry.node, yaml.SequenceNode):
            message = messages.NOT_A_LIST.format(what=describe(entry.node))
            self._complaints.add(entry.mark, path, message)
            return _BAD
        items = [
            self._one(shape, node, node.start_mark, f"{path}[{index}]", parts)
            for index, node in enumerate(entry.node.value)
        ]
        return _BAD if any(item is _BAD for item in items) else tuple(items)

    def _one(
        self, shape: Shape, node: yaml.Node, mark: yaml.Mark, path: str, parts: list[Draft]
    ) -> Any:
        self._budget.spend(1, mark)
        if tag_name(node) not in _TAGS:
            self._complaints.add(mark, path, messages.TAG.format(tag=quoted(node.tag)))
            return _BAD
        if isinstance(shape.kind, type) and dataclasses.is_dataclass(shape.kind):
            if not isinstance(node, yaml.MappingNode):
                message = messages.NOT_A_SECTION.format(what=describe(node))
                self._complaints.add(mark, path, message)
                return _BAD
            part = self.record(shape.kind, node, path)
            parts.append(part)
            return part.record
        try:
            return _scalar(shape, node)
        except RefusedError as refused:
            self._complaints.add(mark, path, str(refused))
            return _BAD

    def _cross_checks(self, draft: Draft) -> None:
        for name in getattr(draft.cls, "CROSS_CHECKS", ("cross_checks",)):
            for key, message in ask(draft.record, name) or ():
                if not draft.unsure(key):  # else it follows from what is already complained of
                    self._complain(draft.where(key), draft.path, key, message)

    def _complain(self, mark: yaml.Mark, path: str, key: str, message: str) -> None:
        self._complaints.add(mark, join(path, key) or WHOLE_FILE, message)


def _scalar(shape: Shape, node: yaml.Node) -> Any:
    """Give the value of a scalar; raise RefusedError."""
    rule = shape.rule
    if shape.kind is bool:
        return to_flag(node)
    if shape.kind is str:
        may_be_empty = shape.default == ""
        return to_text(node, rule if isinstance(rule, Text) else None, may_be_empty=may_be_empty)
    return to_number(node, rule if isinstance(rule, Number) else None, whole=shape.kind is int)


def _assemble(cls: type, values: dict[str, Any], shapes: dict[str, Shape]) -> Any:
    """Make the record; where a key has no good value, one without that attribute."""
    if len(values) == len(shapes):
        return cls(**values)
    record: Any = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(record, name, value)
    return record


def ask(record: Any, method: str) -> Any:
    """Call a method of a record; None where it has none, or where it reads an unset key."""
    if not hasattr(record, method):
        return None
    try:
        return getattr(record, method)()
    except AttributeError as error:
        owner = type(error.obj)
        if dataclasses.is_dataclass(owner) and error.name in shapes_of(owner):
            return None  # that key is complained of already
        raise
