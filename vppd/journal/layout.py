"""Byte layout of the records of the core, derived from their annotations.

A record becomes three parts, all little endian: *words* of 8 bytes (float and int scalars, then
arrays of float64 and int64), *octets* (bool scalars, then arrays of uint8), and a *tail* with the
arrays of other lengths. Those whose names begin alike (`LISTS`) share one length, which may
differ from record to record and stands first among the words. Bits are copied, never converted:
NaN payloads, -0.0 and denormals come back as they went in.
"""

import dataclasses
import struct
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from vppd.core.drafts import draft_of, freeze
from vppd.journal.errors import LayoutError

T = TypeVar("T")
Words = NDArray[np.uint64]
Octets = NDArray[np.uint8]

ONE: Final = ""  # one value
PER_UNIT: Final = "n"  # an array of shape (n,)
PER_EVENT: Final = "k"  # an array of shape (k,), k of its own in every record
PER_PAST: Final = "p"  # likewise
PER_POINT: Final = "a"
PER_TICK: Final = "w"
PER_GROUP: Final = "g"
PER_HORIZON: Final = "h"
LISTS: Final = {  # by name
    "event_": PER_EVENT, "past_": PER_PAST, "ahead_": PER_POINT, "when_": PER_TICK,
    "group_": PER_GROUP, "promise_": PER_HORIZON,
}  # fmt: skip
TEXT: Final = "text"  # a tuple of str: constant, kept in the segment's header only

SCALAR_CODE: Final = {float: "f8", int: "i8", bool: "b1"}
ARRAY_CODE: Final = {np.float64: "f8", np.int64: "i8", np.uint8: "u1"}
STRUCT_CODE: Final = {"f8": "d", "i8": "q"}
DTYPE: Final[dict[str, np.dtype[Any]]] = {
    "f8": np.dtype("<f8"),
    "i8": np.dtype("<i8"),
    "u1": np.dtype("u1"),
}
EMPTY: Final = {code: np.frombuffer(b"", dtype) for code, dtype in DTYPE.items()}  # read-only
WORD: Final = np.dtype("<u8")
KNOWN: Final = frozenset(
    [(c, ONE) for c in ("f8", "i8", "b1")]
    + [(c, per) for c in ("f8", "i8", "u1") for per in (PER_UNIT, *LISTS.values())]
    + [(TEXT, PER_UNIT), (TEXT, PER_GROUP)]
)
MISSING: Final = "missing"  # metadata key: the value of a field that an older file does not have


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One field of a record in the file."""

    name: str
    code: str  # f8, i8, u1, b1 or text
    per: str  # "" one value, n one a unit, else one of LISTS


def columns_of(record: type) -> tuple[Column, ...]:
    """Columns of a dataclass, in the order of its fields."""
    hints = get_type_hints(record)
    return tuple(_column(f.name, hints[f.name]) for f in dataclasses.fields(record))


def _column(name: str, hint: Any) -> Column:
    if hint in SCALAR_CODE:
        return Column(name, SCALAR_CODE[hint], ONE)
    if hint == tuple[str, ...]:
        return Column(name, TEXT, _length_of(name))
    if get_origin(hint) is np.ndarray:
        item = get_args(get_args(hint)[1])[0]
        if item in ARRAY_CODE:
            return Column(name, ARRAY_CODE[item], _length_of(name))
    raise LayoutError(f"{name}: {hint} has no place in the journal")


def _length_of(name: str) -> str:
    """Whose length a list has, by its name."""
    return next((per for start, per in LISTS.items() if name.startswith(start)), PER_UNIT)


class Block:
    """Places the columns of one record for a fleet of n units.

    Parameters
    ----------
    name : str
        Name of the record, for messages.
    columns : sequence of Column
        In the order of the file. Text columns take no bytes.
    n : int
        Length of the arrays that hold one entry a unit.
    """

    def __init__(self, name: str, columns: Sequence[Column], n: int) -> None:
        self.name = name
        self.columns = tuple(columns)
        self.n = n
        pick = self._pick
        self._scalars = [c for c in self.columns if c.per == ONE and c.code in STRUCT_CODE]
        self._flags = pick(("b1",), ONE)
        self._wide = pick(("f8", "i8"), PER_UNIT)
        self._narrow = pick(("u1",), PER_UNIT)
        lists = [[*pick(("f8", "i8"), per), *pick(("u1",), per)] for per in LISTS.values()]
        self._lists = [columns for columns in lists if columns]
        self._tail = [c for columns in self._lists for c in columns]
        self._text = [c for c in self.columns if c.code == TEXT]
        codes = "q" * len(self._lists) + "".join(STRUCT_CODE[c.code] for c in self._scalars)
        self._struct = struct.Struct("<" + codes)
        self._n_scalars = len(codes)
        self.n_words = self._n_scalars + n * len(self._wide)
        self.n_octets = len(self._flags) + n * len(self._narrow)
        self.tail_row = sum(DTYPE[c.code].itemsize for c in self._tail)
        stored = [*self._scalars, *self._flags, *self._wide, *self._narrow, *self._tail]
        place = {c.name: i for i, c in enumerate([*stored, *self._text])}
        self._ordered = _picked(itemgetter, [place[c.name] for c in self.columns])
        arrays = [*self._wide, *self._narrow, *self._tail]
        each = [n] * (len(self._wide) + len(self._narrow)) + [None] * len(self._tail)
        self._arrays = [(c, DTYPE[c.code], k) for c, k in zip(arrays, each, strict=True)]
        self._array_values = _picked(attrgetter, [c.name for c, _, _ in self._arrays])
        self._dtypes = [dtype for _, dtype, _ in self._arrays]
        self._floats = [c.code == "f8" for c in self._wide]
        self._whole_wide = [k for k, is_float in enumerate(self._floats) if not is_float]
        self._one_values = _picked(attrgetter, [c.name for c in self._scalars])
        row = [len(columns) for columns in self._lists]
        ends = [sum(row[: i + 1]) - len(self._tail) for i in range(len(row))]
        self._list_slices = [
            slice(len(arrays) + end - k, len(arrays) + end)
            for end, k in zip(ends, row, strict=True)
        ]

    def places(self) -> Iterator[tuple[str, Column | None, int]]:
        """Name and column of what takes words, with the first word; then likewise for octets.

        A length of a list has the name of its first column, and is no column.
        """
        for at, columns in enumerate(self._lists):
            yield f"#{columns[0].name}", None, at
        first = len(self._lists)
        for at, column in enumerate(self._scalars, first):
            yield column.name, column, at
        for k, column in enumerate(self._wide):
            yield column.name, column, self._n_scalars + k * self.n
        for at, column in enumerate(self._flags):
            yield column.name, column, at
        for k, column in enumerate(self._narrow):
            yield column.name, column, len(self._flags) + k * self.n

    def _pick(self, codes: tuple[str, ...], per: str) -> list[Column]:
        return [c for c in self.columns if c.code in codes and c.per == per]

    # -- writing ------------------------------------------------------------------------------

    def write(self, record: object, words: Words, octets: Octets) -> bytes:
        """Copy a record into `words` (n_words,) and `octets` (n_octets,); return its tail.

        Raises
        ------
        LayoutError
            A value of another type, dtype or length than the annotation says.
        """
        arrays = self._values(record)
        self._pack_scalars(record, arrays, words.data)
        f8, i8 = words.view(DTYPE["f8"]), words.view(DTYPE["i8"])
        n, at = self.n, self._n_scalars
        for is_float, values in zip(self._floats, arrays, strict=False):
            (f8 if is_float else i8)[at : at + n] = values
            at += n
        at = len(self._flags)
        octets[:at] = self._bools(record)
        narrow = len(self._wide) + len(self._narrow)
        for values in arrays[len(self._wide) : narrow]:
            octets[at : at + n] = values
            at += n
        return b"".join([a.tobytes() for a in arrays[narrow:]])

    def _values(self, record: object) -> Sequence[NDArray[Any]]:
        """Arrays of a record, each of its type and length: wide ones, narrow ones, lists."""
        found: Sequence[Any] = self._array_values(record)
        if not self._fit(found):
            found = [self._array(record, column, length) for column, _, length in self._arrays]
        for inside in self._list_slices:
            if len({*map(len, found[inside])}) > 1:
                raise LayoutError(f"{self.name}: arrays of one list differ in length")
        return found

    def _fit(self, found: Sequence[Any]) -> bool:
        """Whether all are as they must be; False also where that takes a closer look."""
        if {*map(type, found)} - {np.ndarray} or [a.dtype for a in found] != self._dtypes:
            return False
        shapes = [a.shape for a in found]
        fixed = len(self._wide) + len(self._narrow)
        return shapes[:fixed] == [(self.n,)] * fixed and all(len(k) == 1 for k in shapes[fixed:])

    def _pack_scalars(self, record: object, arrays: Sequence[NDArray[Any]], to: Any) -> None:
        """Write lengths and single numbers into a buffer."""
        values: list[Any] = [len(arrays[inside][0]) for inside in self._list_slices]
        values += self._one_values(record)
        try:
            self._struct.pack_into(to, 0, *values)
        except (struct.error, TypeError) as error:
            raise LayoutError(f"{self.name}: {self._wrong_scalar(record)}: {error}") from error

    def _bools(self, record: object) -> list[bool]:
        return [bool(getattr(record, c.name)) for c in self._flags]

    def _array(self, record: object, column: Column, length: int | None) -> NDArray[Any]:
        value = getattr(record, column.name)
        if not isinstance(value, np.ndarray) or value.dtype != DTYPE[column.code]:
            found = getattr(value, "dtype", type(value).__name__)
            raise LayoutError(f"{self.name}.{column.name}: {found} instead of {column.code}")
        if value.ndim != 1 or (length is not None and value.shape[0] != length):
            raise LayoutError(f"{self.name}.{column.name}: shape {value.shape} for {self.n} units")
        return value

    def _wrong_scalar(self, record: object) -> str:
        for c in self._scalars:
            try:
                struct.pack(STRUCT_CODE[c.code], getattr(record, c.name))
            except (struct.error, TypeError):
                return c.name
        return "?"

    def pack(self, record: object) -> bytes:
        """One record as bytes: words, octets, tail."""
        arrays, one_values = self._values(record), bytearray(self._struct.size)
        self._pack_scalars(record, arrays, one_values)
        parts = [a.tobytes() for a in arrays]
        wide = len(self._wide)
        flags = bytes(self._bools(record))
        return b"".join([one_values, *parts[:wide], flags, *parts[wide:]])

    def texts(self, record: object) -> dict[str, list[str]]:
        """Text columns of a record, for the header."""
        return {c.name: list(getattr(record, c.name)) for c in self._text}

    # -- reading ------------------------------------------------------------------------------

    def tail_size(self, words: Words) -> int:
        """Bytes of the tail that belongs to these words.

        Raises
        ------
        LayoutError
            A negative count.
        """
        size = 0
        lengths = words[: len(self._lists)].view(DTYPE["i8"]).tolist()
        for k, columns in zip(lengths, self._lists, strict=True):
            if k < 0:
                raise LayoutError(f"{self.name}: {k} values of {columns[0].name}")
            size += k * sum(DTYPE[c.code].itemsize for c in columns)
        return size

    def read(
        self,
        words: Words,
        octets: Octets,
        tail: bytes,
        texts: Mapping[str, tuple[str, ...]] | None = None,
    ) -> Sequence[Any]:
        """Values in the order of the columns; arrays are views of `words` and `octets`."""
        numbers = self._struct.unpack_from(words.data)
        lengths, pool = numbers[: len(self._lists)], [*numbers[len(self._lists) :]]
        if self._flags:
            pool += map(bool, octets[: len(self._flags)].tolist())
        if self._wide:
            wide = words[self._n_scalars :].reshape(len(self._wide), self.n)
            rows = [*wide.view(DTYPE["f8"])]
            for k in self._whole_wide:
                rows[k] = wide[k].view(DTYPE["i8"])
            pool += rows
        if self._narrow:
            pool.extend(octets[len(self._flags) :].reshape(len(self._narrow), self.n))
        if self._lists:
            pool += self._read_tail(tail, lengths)
        pool += [(texts or {})[c.name] for c in self._text]
        return self._ordered(pool)

    def _read_tail(self, tail: bytes, lengths: Sequence[int]) -> Iterator[NDArray[Any]]:
        at = 0
        for k, columns in zip(lengths, self._lists, strict=True):
            for c in columns:
                if k == 0:
                    yield EMPTY[c.code]
                    continue
                size = k * DTYPE[c.code].itemsize
                yield np.frombuffer(tail[at : at + size], DTYPE[c.code])  # the copy aligns it
                at += size

    def unpack(
        self, data: bytes, texts: Mapping[str, tuple[str, ...]] | None = None
    ) -> Sequence[Any]:
        """Values of one packed record.

        Raises
        ------
        LayoutError
            When the length is not the one that the columns ask for.
        """
        fixed = 8 * self.n_words + self.n_octets
        if len(data) < fixed:
            raise LayoutError(f"{self.name}: {len(data)} bytes instead of {fixed}")
        words = np.frombuffer(data, WORD, self.n_words)
        octets = np.frombuffer(data, np.uint8, self.n_octets, 8 * self.n_words)
        if len(data) != fixed + self.tail_size(words):
            raise LayoutError(f"{self.name}: {len(data)} bytes do not fit its columns")
        return self.read(words, octets, data[fixed:], texts)


def _picked(getter: Any, keys: Sequence[Any]) -> Callable[[Any], Sequence[Any]]:
    """Return what gives items or attributes as a sequence, of one as well."""
    if len(keys) > 1:
        found: Callable[[Any], Sequence[Any]] = getter(*keys)
        return found
    return lambda of: [getter(key)(of) for key in keys]


def _drafted(record: type[T], names: Sequence[str]) -> Callable[[Sequence[Any], int], T]:
    draft_class = draft_of(record)

    def build(values: Sequence[Any], _n: int) -> T:
        draft = draft_class()
        deque(map(setattr, repeat(draft), names, values), 0)  # a loop of C
        return freeze(draft, record)

    return build


def builder(record: type[T], columns: Sequence[Column]) -> Callable[[Sequence[Any], int], T]:
    """Return what makes a `record` of the values of `columns`, as a file has them.

    A field that the file does not have gets its `missing` metadata or its default. This is how
    a file that was written before a field was appended is still read.

    Raises
    ------
    LayoutError
        A column without a field, a field of another type, or a missing one without a value.
    """
    own = columns_of(record)
    if tuple(columns) == own:
        if record.__bases__ != (object,):  # it has slots of its own beside its fields
            return lambda values, _n: record(*values)
        return _drafted(record, [c.name for c in own])
    known = {c.name: c for c in own}
    for c in columns:
        if known.get(c.name) != c:
            raise LayoutError(f"{record.__name__}.{c.name} of the file is unknown to this version")
    names = [c.name for c in columns]
    fill = {c: _missing(record, c) for c in own if c.name not in set(names)}

    def build(values: Sequence[Any], n: int) -> T:
        sizes = {PER_UNIT: n}  # a list that the file does not have is empty
        late = {
            c.name: v if c.per == ONE else np.full(sizes.get(c.per, 0), v, DTYPE[c.code])
            for c, v in fill.items()
            if c.code != TEXT
        }
        late |= {c.name: () for c in fill if c.code == TEXT}
        return record(**dict(zip(names, values, strict=True)), **late)

    return build


def _missing(record: type, column: Column) -> Any:
    if column.per in LISTS.values():
        return 0
    field = {f.name: f for f in dataclasses.fields(record)}[column.name]
    if column.per in (ONE, PER_UNIT) and column.code != TEXT:
        if MISSING in field.metadata:
            return field.metadata[MISSING]
        if field.default is not dataclasses.MISSING:
            return field.default
    raise LayoutError(f"the file is older than {record.__name__}.{column.name}")
