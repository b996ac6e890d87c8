"""One Modbus value: where it stands, how it is written, and what it means.

`Register` is the only place where a sign or a scale is turned: what comes out of `decode` and goes
into `encode` is in our units, generation positive.
"""

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f",
           "uint64": "Q"}  # fmt: skip
COUNTS = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2,
          "uint64": 4}  # registers  # fmt: skip
RAW = {kind: struct.Struct(f">{code}") for kind, code in FORMATS.items()}
WORDS = {kind: struct.Struct(f">{count}H") for kind, count in COUNTS.items()}
WORD_ORDERS = ("high_first", "low_first")
READ_MAX = 125  # registers in one answer, Modbus Application Protocol V1.1b3, 6.3


@dataclass(frozen=True, slots=True)
class Register:
    """One Modbus value. `scale` turns the raw number into `unit`, `sign` into our direction."""

    name: str
    address: int  # as in the PDU, from 0
    format: str  # key of FORMATS
    unit: str = ""
    scale: float = 1.0  # > 0
    sign: int = 1  # -1 where the maker counts the other way round
    word_order: str = "high_first"  # of 32- and 64-bit values; each word itself is big endian
    missing: int | None = None  # raw value that says: not implemented

    @property
    def count(self) -> int:
        """Number of 16-bit registers."""
        return COUNTS[self.format]

    def decode(self, words: Sequence[int]) -> float:
        """Value in `unit`; NaN: the device does not have it. Raises ValueError on a wrong count."""
        if len(words) != self.count:
            raise ValueError(f"{self.name}: {len(words)} registers, expected {self.count}")
        if self.word_order == "low_first":
            words = words[::-1]
        (raw,) = RAW[self.format].unpack(WORDS[self.format].pack(*words))
        if raw == self.missing:
            return math.nan
        return float(raw) * self.scale * self.sign + 0.0  # never -0.0

    def encode(
        self, value: float, *, lower: float = -math.inf, upper: float = math.inf
    ) -> list[int]:
        """Registers for a value in `unit`. Raises ValueError if it is not finite or does not fit.

        An integer is rounded to the nearest step, but not past `lower` or `upper`: a limit that is
        no multiple of the step is still a limit.
        """
        if not math.isfinite(value):
            raise ValueError(f"{self.name}: {value} cannot be sent")
        kind = self.format
        raw = value / self.scale * self.sign + 0.0
        if not math.isfinite(raw):  # struct would send it
            raise ValueError(f"{self.name}: {value:g} {self.unit} does not fit")
        try:
            if kind != "float32":
                raw = self._nearest_step(raw, lower, upper)
            words = [*WORDS[kind].unpack(RAW[kind].pack(raw))]
        except (struct.error, OverflowError) as error:
            raise ValueError(f"{self.name}: {value:g} {self.unit} does not fit") from error
        if raw == self.missing:
            raise ValueError(f"{self.name}: {value:g} {self.unit} would mean: not implemented")
        if self.word_order == "low_first":
            words.reverse()
        return words

    def _nearest_step(self, raw: float, lower: float, upper: float) -> int:
        """Integer nearest to `raw` whose value is within the limits, if there is one."""
        step, factor = round(raw), self.scale * self.sign
        slack = 1e-6 * self.scale  # a limit on the grid is not missed by rounding of the product
        lower, upper = lower - slack, upper + slack
        if lower <= step * factor <= upper:
            return step
        for candidate in (step - 1, step + 1):
            if lower <= candidate * factor <= upper:
                return candidate
        return step


@dataclass(frozen=True, slots=True)
class Span:
    """Registers that are read in one transaction."""

    address: int
    count: int


def plan_reads(
    registers: Iterable[Register], *, gap_max: int = 0, count_max: int = READ_MAX
) -> tuple[Span, ...]:
    """Fewest transactions that read all `registers`.

    Two neighbours share one if at most `gap_max` registers that nobody asked for lie between
    them: many devices refuse to read an address that they do not have.
    """
    spans: list[Span] = []
    for register in sorted(registers, key=lambda r: r.address):
        end = register.address + register.count
        if spans:
            last = spans[-1]
            covered = max(last.count, end - last.address)
            near = register.address - (last.address + last.count) <= gap_max
            if near and covered <= count_max:
                spans[-1] = Span(last.address, covered)
                continue
        spans.append(Span(register.address, register.count))
    return tuple(spans)


def widest_gap(registers: Iterable[Register], plan: Iterable[Span]) -> int:
    """Most registers in a row that a plan reads and nobody asked for."""
    asked = {a for r in registers for a in range(r.address, r.address + r.count)}
    widest = 0
    for span in plan:
        gap = 0
        for address in range(span.address, span.address + span.count):
            gap = 0 if address in asked else gap + 1
            widest = max(widest, gap)
    return widest


def join_writes(
    values: Iterable[tuple[Register, Sequence[int]]],
) -> list[tuple[int, list[int]]]:
    """Fewest writes, in the order given: (address, words). Only true neighbours are joined."""
    writes: list[tuple[int, list[int]]] = []
    for register, words in values:
        if writes and writes[-1][0] + len(writes[-1][1]) == register.address:
            writes[-1][1].extend(words)
        else:
            writes.append((register.address, list(words)))
    return writes


class Words:
    """Answers to a plan of reads, by address."""

    def __init__(self, answers: Iterable[tuple[Span, Sequence[int]]] = ()) -> None:
        self._spans = list(answers)

    def add(self, span: Span, words: Sequence[int]) -> None:
        """Keep one answer. Raises ValueError if it is not as long as the span."""
        if len(words) != span.count:
            raise ValueError(f"{len(words)} registers at {span.address}, expected {span.count}")
        self._spans.append((span, words))

    def __contains__(self, register: Register) -> bool:
        """Say whether an answer covers a register."""
        first, last = register.address, register.address + register.count
        return any(s.address <= first and last <= s.address + s.count for s, _ in self._spans)

    def of(self, register: Register) -> Sequence[int]:
        """Raw registers of one value. Raises KeyError if no answer covers it."""
        for span, words in self._spans:
            start = register.address - span.address
            if start >= 0 and start + register.count <= span.count:
                return words[start : start + register.count]
        raise KeyError(register.name)

    def value(self, register: Register) -> float:
        """Decode one value. Raises KeyError if no answer covers it."""
        return register.decode(self.of(register))
