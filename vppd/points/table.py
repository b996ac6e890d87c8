"""Register tables as data: a maker's document in YAML, checked on loading.

    word_order: high_first      # of 32-bit values; or low_first
    gap_max: 16                 # unasked registers that a read may cross
    registers:
      p_meas: {address: 10, format: int32, unit: kW, scale: 0.1, sign: -1}
      mode: {address: 102, format: uint16, values: {autonomous: 0, follow: 1}}

`unit` and `scale` are the maker's (0.1 kW a count); powers become MW on loading, energies MWh.
`missing` is the raw value that says: not there. Every problem is reported at once, as
`file:line: key: message`.
"""

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from vppd.points.register import COUNTS, FORMATS, WORD_ORDERS, Register

MW_PER = {"W": 1e-6, "kW": 1e-3, "MW": 1.0}
MWH_PER = {"Wh": 1e-6, "kWh": 1e-3, "MWh": 1.0}
UNITS = (*MW_PER, *MWH_PER, "s", "pu", "%", "")
PU_PER = {"pu": 1.0, "%": 1e-2}
TOP_KEYS = ("word_order", "gap_max", "registers")
REGISTER_KEYS = ("address", "format", "unit", "scale", "sign", "values", "missing")


class TableError(ValueError):
    """A table that cannot be used; one problem a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class RegisterTable:
    """Registers of one kind of device, by our names."""

    registers: MappingProxyType[str, Register]
    values: MappingProxyType[str, MappingProxyType[str, int]]  # what codes of a register mean
    gap_max: int = 0

    def get(self, *names: str) -> list[Register]:
        """Those of the named registers that the device has, in that order."""
        return [self.registers[name] for name in names if name in self.registers]

    def code(self, name: str, meaning: str) -> int | None:
        """Raw value that stands for a meaning; None where the table does not say."""
        return self.values[name].get(meaning) if name in self.values else None

    def meaning(self, name: str, raw: float) -> str:
        """Word for a raw value; the number where the table has none."""
        if name in self.values:
            for word, code in self.values[name].items():
                if code == raw:
                    return word
        return f"{raw:g}"


def load_table(path: Path, required: tuple[str, ...] = ()) -> RegisterTable:
    """Read a table. Raises TableError with every problem, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TableError([f"{path}: {error}"]) from error
    return parse_table(text, str(path), required)


def parse_table(text: str, file: str, required: tuple[str, ...] = ()) -> RegisterTable:
    """Build a table from YAML text. Raises TableError with every problem."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise TableError([f"{file}:{line}: not YAML: {getattr(error, 'problem', error)}"]) from None
    reader = _Reader(file)
    table = reader.table(node, required)
    if reader.problems:
        raise TableError(reader.problems)
    return table


@dataclass(slots=True)
class _Reader:
    """Walks the nodes and collects what is wrong, with lines."""

    file: str
    problems: list[str] = field(default_factory=list)

    def blame(self, node: yaml.Node | None, key: str, message: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 1
        self.problems.append(f"{self.file}:{line}: {key}: {message}")

    def table(self, node: yaml.Node | None, required: tuple[str, ...]) -> RegisterTable:
        top = dict(self.entries(node, "table", TOP_KEYS))
        order = self.choice(top.get("word_order"), "word_order", WORD_ORDERS, WORD_ORDERS[0])
        gap_max = self.integer(top.get("gap_max"), "gap_max", 0, 123, 0)
        registers: dict[str, Register] = {}
        values: dict[str, MappingProxyType[str, int]] = {}
        if "registers" not in top and node is not None:
            self.blame(node, "registers", "missing")
        for name, entry in self.entries(top.get("registers"), "registers", None):
            if not isinstance(entry, yaml.MappingNode):
                self.blame(entry, f"registers.{name}", "must be a mapping")
                continue
            register, codes = self.register(name, entry, order)
            registers[name] = register
            values[name] = MappingProxyType(codes)
        for name in required:
            if name not in registers and "registers" in top:
                self.blame(top["registers"], f"registers.{name}", "missing")
        if not self.problems:  # a mistyped address would be blamed twice
            self.overlaps(registers, top.get("registers"))
        return RegisterTable(MappingProxyType(registers), MappingProxyType(values), gap_max)

    def register(self, name: str, node: yaml.Node, order: str) -> tuple[Register, dict[str, int]]:
        key = f"registers.{name}"
        given = dict(self.entries(node, key, REGISTER_KEYS))
        kind = self.choice(given.get("format"), f"{key}.format", tuple(FORMATS), None, node)
        last = 65536 - COUNTS[kind]
        address = self.integer(given.get("address"), f"{key}.address", 0, last, None, node)
        unit = self.choice(given.get("unit"), f"{key}.unit", UNITS, "")
        scale = self.scale(given.get("scale"), f"{key}.scale")
        sign = self.integer(given.get("sign"), f"{key}.sign", -1, 1, 1)
        if sign == 0:
            self.blame(given["sign"], f"{key}.sign", "must be 1 or -1, is 0")
            sign = 1
        codes = {
            word: self.integer(code, f"{key}.values.{word}", 0, 65535, 0)
            for word, code in self.entries(given.get("values"), f"{key}.values", None)
        }
        if unit in MW_PER:
            unit, scale = "MW", scale * MW_PER[unit]
        elif unit in MWH_PER:
            unit, scale = "MWh", scale * MWH_PER[unit]
        elif unit in PU_PER:
            unit, scale = "pu", scale * PU_PER[unit]
        missing = None
        if "missing" in given:
            missing = self.integer(given["missing"], f"{key}.missing", -(1 << 31), (1 << 64) - 1, 0)
        return Register(name, address, kind, unit, scale, sign, order, missing), codes

    def entries(
        self, node: yaml.Node | None, key: str, known: tuple[str, ...] | None
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Keys and values of a mapping; unknown and repeated keys are blamed and left out."""
        if node is None:
            if key == "table":
                self.blame(None, key, "is empty")
            return
        if not isinstance(node, yaml.MappingNode):
            self.blame(node, key, "must be a mapping")
            return
        seen: dict[str, int] = {}
        for name_node, value in node.value:
            name = str(name_node.value)
            if name in seen:
                self.blame(name_node, f"{key}.{name}", f"given twice, first on line {seen[name]}")
                continue
            seen[name] = name_node.start_mark.line + 1
            if known is not None and name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.blame(name_node, f"{key}.{name}", f"unknown key{hint}")
                continue
            yield name, value

    def choice(
        self,
        node: yaml.Node | None,
        key: str,
        choices: tuple[str, ...],
        default: str | None,
        parent: yaml.Node | None = None,
    ) -> str:
        if node is None:
            if default is None:
                self.blame(parent, key, "missing")
            return choices[0] if default is None else default
        value = _scalar(node)
        if value not in choices:
            listed = ", ".join(c or "none" for c in choices)
            self.blame(node, key, f"must be one of {listed}, is {value!r}")
            return choices[0]
        return str(value)

    def integer(
        self,
        node: yaml.Node | None,
        key: str,
        minimum: int,
        maximum: int,
        default: int | None,
        parent: yaml.Node | None = None,
    ) -> int:
        if node is None:
            if default is None:
                self.blame(parent, key, "missing")
            return minimum if default is None else default
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int):
            self.blame(node, key, f"must be a whole number, is {value!r}")
        elif not minimum <= value <= maximum:
            self.blame(node, key, f"must be {minimum} to {maximum}, is {value}")
        else:
            return value
        return minimum if default is None else default

    def scale(self, node: yaml.Node | None, key: str) -> float:
        value = 1.0 if node is None else _scalar(node)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0.0:
            # A negative scale would be a second place where a sign is turned.
            self.blame(node, key, f"must be a number above 0, is {value!r}")
            return 1.0
        return float(value)

    def overlaps(self, registers: dict[str, Register], node: yaml.Node | None) -> None:
        ordered = sorted(registers.values(), key=lambda r: r.address)
        for left, right in pairwise(ordered):
            if left.address + left.count > right.address:
                self.blame(node, f"registers.{right.name}", f"overlaps {left.name}")


def _scalar(node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    try:
        return yaml.SafeLoader("").construct_object(node)
    except (yaml.YAMLError, ValueError):  # a tag that nobody knows, a date that is none
        return node.value
