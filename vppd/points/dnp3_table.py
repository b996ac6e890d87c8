"""DNP3 points of a device, as data: index, unit, scale and sign, read from a YAML table.

A table has the sections `inputs` (analog inputs, group 30), `outputs` (analog outputs, group 41)
and, where the device has a meter, `counters` (group 20). Each point: `index`, `unit` (kW, W, MW, s,
or none; kWh, Wh, MWh) and `sign` (-1 where the maker counts a load
as positive). Sign and scale stand here and nowhere else; `Point` turns raw into MW and back.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vppd.core.types import Quality
from vppd.points.table import TableError

# Flag octet of an analog object, IEEE 1815-2012, 11.6.1.1
ONLINE = 0x01
RESTART = 0x02
COMM_LOST = 0x04
REMOTE_FORCED = 0x08
LOCAL_FORCED = 0x10
OVER_RANGE = 0x20
REFERENCE_ERR = 0x40

# Worst first: what a value with more than one flag is called.
_QUALITY_OF_FLAG = (
    (COMM_LOST, Quality.COMM_LOST),
    (RESTART, Quality.RESTART),
    (REFERENCE_ERR, Quality.REFERENCE_ERR),
    (OVER_RANGE, Quality.OVER_RANGE),
    (LOCAL_FORCED, Quality.LOCAL_FORCED),
    (REMOTE_FORCED, Quality.REMOTE_FORCED),
)

MW_PER = {"MW": 1.0, "kW": 1e-3, "W": 1e-6}  # powers become MW
MWH_PER = {"MWh": 1.0, "kWh": 1e-3, "Wh": 1e-6}  # energies MWh
UNITS = {**MW_PER, **MWH_PER, "s": 1.0, "": 1.0}

VITAL_INPUTS = ("p_meas", "p_avail_min", "p_avail_max", "state", "control")
TOLD = ("mode", "watchdog", "fallback")  # outputs that may be read back, if the device tells them
INPUTS = (*VITAL_INPUTS, *TOLD)
OUTPUTS = ("p_setpoint", "mode", "watchdog", "fallback")
COUNTERS = ("energy_injected", "energy_absorbed")  # what there is of them
SECTIONS = {"inputs": INPUTS, "outputs": OUTPUTS, "counters": COUNTERS}
NEEDED = {"inputs": len(VITAL_INPUTS), "outputs": len(OUTPUTS), "counters": 0}  # the first of them


def quality_of(flags: int) -> Quality:
    """Quality that a flag octet stands for. Not ONLINE and nothing else said: COMM_LOST."""
    if flags == ONLINE:
        return Quality.ONLINE
    for flag, quality in _QUALITY_OF_FLAG:
        if flags & flag:
            return quality
    return Quality.ONLINE if flags & ONLINE else Quality.COMM_LOST


@dataclass(frozen=True, slots=True)
class Point:
    """One analog point. `scale` turns the raw number into our unit, `sign` into our direction."""

    index: int
    scale: float
    sign: int

    @property
    def factor(self) -> float:
        """What turns a raw value into MW (or s, or a plain number), generation positive."""
        return self.scale * self.sign

    def encode(self, value: float) -> float:
        """MW (or s, or a plain number) to the raw value. Raises ValueError if not finite."""
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be sent")
        return value / self.scale * self.sign + 0.0  # never -0.0


@dataclass(frozen=True, slots=True)
class Dnp3Table:
    """Points of one kind of device, by our names."""

    inputs: dict[str, Point]
    outputs: dict[str, Point]
    counters: dict[str, Point] = field(default_factory=dict)  # energies, MWh


def load_table(path: Path) -> Dnp3Table:
    """Read a table. Raises TableError with every problem, also when the file cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TableError([f"{path}: {error}"]) from error
    reader = _Reader(str(path))
    sections = reader.entries(node, "table", tuple(SECTIONS), needed=2)
    table = Dnp3Table(*(reader.points(sections.get(name), name) for name in SECTIONS))
    if reader.problems:
        raise TableError(reader.problems)
    return table


class _Reader:
    """Walks the nodes and collects what is wrong, with lines."""

    def __init__(self, file: str) -> None:
        self.problems: list[str] = []
        self._file = file

    def _blame(self, node: yaml.Node | None, key: str, message: str) -> None:
        line = node.start_mark.line + 1 if node is not None else 1
        self.problems.append(f"{self._file}:{line}: {key}: {message}")

    def entries(
        self, node: yaml.Node | None, key: str, known: tuple[str, ...], needed: int | None = None
    ) -> dict[str, yaml.Node]:
        """Values of a mapping by key. The first `needed` of `known` must be there (None: all)."""
        if not isinstance(node, yaml.MappingNode):
            self._blame(node, key, f"must be a mapping of {', '.join(known)}")
            return {}
        found: dict[str, yaml.Node] = {}
        for name_node, value in node.value:
            name = str(name_node.value)
            if name not in known:
                self._blame(name_node, f"{key}.{name}", f"unknown key; known: {', '.join(known)}")
            elif name in found:
                self._blame(name_node, f"{key}.{name}", "given twice")
            else:
                found[name] = value
        for name in known[:needed]:
            if name not in found:
                self._blame(node, f"{key}.{name}", "missing")
        return found

    def points(self, node: yaml.Node | None, section: str) -> dict[str, Point]:
        """Points of a section, by our names."""
        if node is None:
            return {}  # complained of already
        nodes = self.entries(node, section, SECTIONS[section], NEEDED[section])
        units = MWH_PER if section == "counters" else UNITS
        found = {
            name: self._point(each, f"{section}.{name}", units) for name, each in nodes.items()
        }
        taken: dict[int, str] = {}
        for name, point in found.items():
            other = taken.setdefault(point.index, name)
            if other != name and not self.problems:
                self._blame(nodes[name], f"{section}.{name}.index", f"is that of {other}")
        return found

    def _point(self, node: yaml.Node, key: str, units: dict[str, float]) -> Point:
        given = self.entries(node, key, ("index", "unit", "sign"), needed=1)
        values = {name: _scalar(each) for name, each in given.items()}
        index, unit, sign = values.get("index", 0), values.get("unit", ""), values.get("sign", 1)
        if type(index) is not int or not 0 <= index <= 65535:
            self._blame(given["index"], f"{key}.index", f"must be 0 to 65535, is {index!r}")
        if not isinstance(unit, str) or unit not in units:
            *most, last = (each or "none" for each in units)
            known = f"{', '.join(most)} or {last}"
            self._blame(given.get("unit", node), f"{key}.unit", f"must be {known}, is {unit!r}")
            unit = next(iter(units))
        if type(sign) is not int or sign not in (1, -1):
            self._blame(given["sign"], f"{key}.sign", f"must be 1 or -1, is {sign!r}")
        return Point(index, units[unit], sign)


def _scalar(node: yaml.Node) -> Any:
    try:
        return yaml.SafeLoader("").construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError):  # a tag that nobody knows, a date that is none
        return node.value
