"""SunSpec over Modbus: where a device keeps which point, and what its raw numbers mean.

Offsets come from the JSON models of pysunspec2 (114 of them, offline) and of `tables/`; positions
from walking the model chain of the device; scale factors from the same answer as the value, since
a device may change them when it restarts. Our own reads and writes: pysunspec2's client blocks.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from vppd.links.base import LinkError, RegisterLink
from vppd.points.decoder import Decoder, picker
from vppd.points.register import READ_MAX, Register, Span, Words

MARK = (0x5375, 0x6E53)  # "SunS"
END_MODEL = 0xFFFF
MODELS_MAX = 64  # a longer chain is no chain
EXPONENT_MAX = 10  # of scale factors, SunSpec Information Model Specification, 4.2.8
TO_MW = -6  # exponent: W to MW
TO_MWH = -6  # exponent: Wh to MWh
TO_PU = -2  # exponent: % to pu

# Type of a point -> how its registers are read, and the raw value that says "not implemented".
FORMATS: dict[str, tuple[str, int | None]] = {
    "int16": ("int16", -0x8000),
    "sunssf": ("int16", -0x8000),
    "uint16": ("uint16", 0xFFFF),
    "enum16": ("uint16", 0xFFFF),
    "bitfield16": ("uint16", 0xFFFF),
    "int32": ("int32", -0x80000000),
    "uint32": ("uint32", 0xFFFFFFFF),
    "uint64": ("uint64", 0xFFFFFFFFFFFFFFFF),
    "enum32": ("uint32", 0xFFFFFFFF),
    "bitfield32": ("uint32", 0xFFFFFFFF),
    "float32": ("float32", None),  # NaN already
}


@dataclass(frozen=True, slots=True)
class PointDef:
    """One point of a model: offset from the model's ID register, format, scale factor."""

    offset: int
    format: str
    missing: int | None
    factor: str | None  # name of the point that holds the scale factor
    exponent: int = 0  # a scale factor that the model itself fixes


@cache
def points_of(model_id: int) -> Mapping[str, PointDef]:
    """Numeric points of a model, without its repeating groups. Raises LookupError if unknown."""
    name = f"model_{model_id}.json"
    for folder in (
        resources.files("vppd.devices") / "tables",
        resources.files("sunspec2") / "models" / "json",
    ):
        file = folder / name
        if file.is_file():
            return MappingProxyType(_parse(json.loads(file.read_text(encoding="utf-8"))))
    raise LookupError(f"no definition of SunSpec model {model_id}")


def _parse(model: dict[str, Any]) -> dict[str, PointDef]:
    points, offset = {}, 0
    for point in model["group"]["points"]:
        if point["type"] in FORMATS:
            kind, missing = FORMATS[point["type"]]
            factor = point.get("sf")
            named = factor if isinstance(factor, str) else None
            fixed = factor if isinstance(factor, int) else 0
            points[point["name"]] = PointDef(offset, kind, missing, named, fixed)
        offset += point["size"]
    return points


@dataclass(frozen=True, slots=True)
class SunspecPoint:
    """One point at its place in a device. `shift` is the exponent that makes its unit ours."""

    register: Register
    factor: Register | None
    shift: int

    @property
    def registers(self) -> tuple[Register, ...]:
        """What must be read to know its value."""
        return (self.register,) if self.factor is None else (self.register, self.factor)

    def value(self, words: Words) -> float:
        """Value in our unit; NaN if the device does not implement it."""
        return words.value(self.register) * self.scale(self.exponent(words))

    def raw(self, words: Words) -> list[int]:
        """Registers as they were read."""
        return list(words.of(self.register))

    def exponent(self, words: Words) -> int | None:
        """Scale factor in force; None if the device does not implement it. Raises LinkError."""
        return 0 if self.factor is None else _exponent(self.factor, words.value(self.factor))

    def scaled(self, exponent: int) -> Register:
        """Register that turns raw numbers into our unit and back."""
        return replace(self.register, scale=self.scale(exponent))

    def scale(self, exponent: int | None) -> float:
        """What turns a raw number into our unit; NaN without a scale factor."""
        return math.nan if exponent is None else float(10.0 ** (exponent + self.shift))


def _exponent(factor: Register, value: float) -> int | None:
    """Scale factor that was read; None if the device does not implement it. Raises LinkError."""
    if math.isnan(value):
        return None
    if abs(value) > EXPONENT_MAX:
        raise LinkError(f"scale factor {factor.name} is {value:g}")
    return int(value)


class PolledPoints:
    """Points of one device that are read again and again, with their scale factors.

    Only what changes all the time is decoded each time; the rest when its registers differ from
    those of the last answer.

    Parameters
    ----------
    points : mapping
        Points whose values are wanted, by name.
    live : collection of str
        Names of those that change all the time.
    written : sequence of SunspecPoint
        Points of which only the scale factors are wanted.
    plan : sequence of Span
        What is read; it must cover all of them.
    """

    def __init__(
        self,
        points: Mapping[str, SunspecPoint],
        live: Collection[str],
        written: Sequence[SunspecPoint],
        plan: Sequence[Span],
    ) -> None:
        self.values: dict[str, float] = {}  # in our units; NaN: not implemented
        self._exponents: dict[Register, int | None] = {}
        self._points = points
        every = (*points.values(), *written)
        self._factors = list({p.factor: None for p in every if p.factor is not None})
        steady = [p.register for name, p in points.items() if name not in live] + self._factors
        self._pick_steady, _ = picker(steady, plan)
        self._steady: Any = None
        self._live = {name: points[name] for name in live}
        self._scales: list[float] = []  # of the live ones
        self._decode_live = Decoder([p.register for p in self._live.values()], plan).decode
        self._decode_all = Decoder(
            [*(p.register for p in points.values()), *self._factors], plan
        ).decode

    def take_in(self, words: Sequence[int]) -> bool:
        """Take in all that was read. True if more than the live points may have changed.

        Raises LinkError for a wild scale factor.
        """
        steady = self._pick_steady(words)
        if steady != self._steady:
            self._take_in_all(words)
            self._steady = steady
            return True
        numbers = self._decode_live(words)
        for name, number, scale in zip(self._live, numbers, self._scales, strict=True):
            self.values[name] = number * scale
        return False

    def exponent(self, point: SunspecPoint) -> int | None:
        """Scale factor in force; None if the device does not implement it."""
        return 0 if point.factor is None else self._exponents[point.factor]

    def _take_in_all(self, words: Sequence[int]) -> None:
        numbers = self._decode_all(words)
        factors = zip(self._factors, numbers[len(self._points) :], strict=True)
        self._exponents = {factor: _exponent(factor, number) for factor, number in factors}
        self.values = {
            name: number * point.scale(self.exponent(point))
            for (name, point), number in zip(self._points.items(), numbers, strict=False)
        }
        self._scales = [p.scale(self.exponent(p)) for p in self._live.values()]


@dataclass(frozen=True, slots=True)
class Chain:
    """Models of one device: id -> (address of its ID register, length without ID and L).

    Of a model that stands there several times, the first; its id is in `repeated`, too.
    """

    models: Mapping[int, tuple[int, int]]
    repeated: Collection[int] = ()

    def point(self, model_id: int, name: str, shift: int = 0) -> SunspecPoint:
        """Find one point. Raises LinkError if the device has not got it."""
        if model_id not in self.models:
            have = ", ".join(str(m) for m in self.models)
            raise LinkError(f"SunSpec model {model_id} missing; the device has {have or 'none'}")
        points = points_of(model_id)
        register = self._register(model_id, name, points[name])
        factor_name, shift = points[name].factor, shift + points[name].exponent
        if factor_name is None:
            return SunspecPoint(register, None, shift)
        factor = self._register(model_id, factor_name, points[factor_name])
        return SunspecPoint(register, factor, shift)

    def all_or_none(self, wanted: Mapping[str, tuple[int, str, int]]) -> dict[str, SunspecPoint]:
        """Find points that a device may do without; none if one of them is missing.

        Those of a repeated model count as missing: each speaks for a part of the device only.
        """
        if any(model_id in self.repeated for model_id, _, _ in wanted.values()):
            return {}
        try:
            return {name: self.point(*where) for name, where in wanted.items()}
        except LinkError:
            return {}

    def _register(self, model_id: int, name: str, point: PointDef) -> Register:
        address, length = self.models[model_id]
        register = Register(
            f"{model_id} {name}", address + point.offset, point.format, missing=point.missing
        )
        if register.address + register.count > address + 2 + length:
            raise LinkError(f"SunSpec model {model_id} of length {length} ends before {name}")
        return register


async def scan(
    link: RegisterLink, unit_id: int, base_address: int, wanted: Collection[int]
) -> tuple[Chain, Words]:
    """Walk the model chain: one transaction a model.

    The words of the `wanted` models come along (the last 123 registers of each: scale factors
    stand at the end). Raises LinkError if there is no chain or no end to it.
    """
    words, models, repeated = Words(), dict[int, tuple[int, int]](), set[int]()
    head = await link.read_registers(unit_id, base_address, 4)
    if tuple(head[:2]) != MARK:
        raise LinkError(f"no SunSpec device: {head[0]:#06x} {head[1]:#06x} at {base_address}")
    address, model_id, length = base_address + 2, head[2], head[3]
    while model_id != END_MODEL:
        following = address + 2 + length  # where the next header stands
        if len(models) >= MODELS_MAX or following + 2 > 0x10000:
            raise LinkError(f"SunSpec chain without an end: model {model_id} at {address}")
        if models.setdefault(model_id, (address, length)) != (address, length):
            repeated.add(model_id)
        ahead = min(length, READ_MAX - 2) if model_id in wanted else 0
        span = Span(following - ahead, ahead + 2)
        answer = await link.read_registers(unit_id, span.address, span.count)
        words.add(span, answer)
        address, model_id, length = following, answer[-2], answer[-1]
    return Chain(MappingProxyType(models), frozenset(repeated)), words
