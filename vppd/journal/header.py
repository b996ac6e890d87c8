"""Header of a segment: everything that is needed to read and to replay it alone.

    magic 8s | format u4 | json_length u4 | params_length u8 | number u8 | first_seq u8
    | previous 32s | crc u4 | JSON | Params as one packed block

Little endian. `previous` is the chain of the last record of the segment before, or zeros. `crc`
is the CRC-32 of everything else in the header. The chain of the segment starts with the SHA-256
of the whole header.
"""

import hashlib
import json
import math
import platform
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import BinaryIO, Final

from vppd.core.types import Params
from vppd.journal.errors import LayoutError
from vppd.journal.layout import PER_UNIT, Block, builder
from vppd.journal.schema import SCHEMA, Schema, schema_from_json

MAGIC: Final = b"VPPDJRNL"
FORMAT: Final = 2
FORMATS: Final = (1, 2)  # of the same frames and chains: all are verified
UNCHAINED: Final = bytes(32)
JSON_MAX: Final = 256 << 20
UNITS_MAX: Final = 1 << 24
_PRELUDE: Final = struct.Struct("<8sIIQQQ32s")
_CRC: Final = struct.Struct("<I")
FIXED_SIZE: Final = _PRELUDE.size + _CRC.size


class DefectError(LayoutError):
    """The header is not as its writer left it. Another layout is no defect."""


class TornHeaderError(DefectError):
    """The file ends within its header."""


def software() -> dict[str, str]:
    """Versions that the bits of a tick may depend on."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in ("vppd", "numpy", "numba", "llvmlite"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    return found


@dataclass(frozen=True, slots=True)
class About:
    """Whose journal it is."""

    site: str
    config_hash: str
    software: Mapping[str, str] = field(default_factory=software)
    public_key: str = ""  # hex, of what signs its heads; empty: nothing does


@dataclass(frozen=True, slots=True)
class Header:
    """Header of one segment."""

    number: int  # of the segment, from 1
    first_seq: int
    previous: bytes  # chain of the record before; UNCHAINED if there is none
    created_utc_s: float  # NaN: not known
    about: About
    schema: Schema
    params: Params

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.params.ids)


def pack_header(header: Header) -> tuple[bytes, bytes]:
    """Bytes of a header, and the chain that starts with it.

    Raises
    ------
    LayoutError
        Params that do not fit their annotations.
    """
    block = Block("Params", header.schema.params, header.n)
    packed = block.pack(header.params)
    fields = _about_fields(header.about, header.created_utc_s) | {
        "layout": header.schema.layout_hash(),
        "schema": header.schema.as_json(),
        "text": block.texts(header.params),
    }
    data = _pack(header.number, header.first_seq, header.previous, fields, packed)
    return data, hashlib.sha256(data).digest()


def pack_text_header(
    number: int, first_seq: int, previous: bytes, about: About, created_utc_s: float
) -> bytes:
    """Bytes of a header of a segment that has no ticks: without Params and schema."""
    return _pack(number, first_seq, previous, _about_fields(about, created_utc_s), b"")


def _about_fields(about: About, created_utc_s: float) -> dict[str, object]:
    return {
        "site": about.site,
        "config_hash": about.config_hash,
        "software": dict(about.software),
        "created_utc_s": created_utc_s if math.isfinite(created_utc_s) else None,
        **({"public_key": about.public_key} if about.public_key else {}),
    }


def _pack(
    number: int, first_seq: int, previous: bytes, fields: Mapping[str, object], packed: bytes
) -> bytes:
    text = json.dumps(fields, separators=(",", ":")).encode()
    prelude = _PRELUDE.pack(MAGIC, FORMAT, len(text), len(packed), number, first_seq, previous)
    crc = zlib.crc32(packed, zlib.crc32(text, zlib.crc32(prelude)))
    return prelude + _CRC.pack(crc) + text + packed


@dataclass(frozen=True, slots=True)
class RawHeader:
    """Header whose checksum holds, not looked into: all that the chain needs."""

    form: int
    number: int
    first_seq: int
    previous: bytes
    text: bytes
    packed: bytes
    chain: bytes  # that it starts
    size: int


def read_header(file: BinaryIO, size: int) -> RawHeader:
    """Read the header at the start of a file of `size` bytes.

    Raises
    ------
    TornHeaderError
        The file ends within its header.
    LayoutError
        Not a journal, damaged, or of another format.
    """
    fixed = file.read(FIXED_SIZE)
    if not fixed.startswith(MAGIC[: len(fixed)]):
        raise DefectError("not a segment of a journal")
    if len(fixed) < FIXED_SIZE:
        raise TornHeaderError("the file ends within its header")
    _, form, text_size, packed_size, number, first_seq, previous = _PRELUDE.unpack_from(fixed)
    if form not in FORMATS:
        raise LayoutError(f"format {form} of the file, this version reads {FORMAT}")
    end = FIXED_SIZE + text_size + packed_size
    if text_size > JSON_MAX or end > size:
        raise TornHeaderError("the file ends within its header")
    text, packed = file.read(text_size), file.read(packed_size)
    crc = zlib.crc32(packed, zlib.crc32(text, zlib.crc32(fixed[: _PRELUDE.size])))
    if (crc,) != _CRC.unpack_from(fixed, _PRELUDE.size):
        raise DefectError("checksum")
    chain = hashlib.sha256(fixed + text + packed).digest()
    return RawHeader(form, number, first_seq, previous, text, packed, chain, end)


def parse_header(raw: RawHeader) -> Header:
    """Look into a header.

    Raises
    ------
    LayoutError
        Of a format or layout that this version cannot read, or made by no writer.
    """
    try:
        data = json.loads(raw.text)
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"JSON: {error}") from error
    if not isinstance(data, dict):
        raise LayoutError("JSON is no object")
    if raw.form != FORMAT:
        writer = _texts(data, "software").get("vppd", "unknown")
        raise LayoutError(
            f"its ticks are of format {raw.form}, this version reads {FORMAT}: `vppd verify` checks"
            f" them all the same; to read or replay them, take vppd {writer} of before 2026-11-28"
        )
    schema = schema_from_json(data.get("schema"))
    if data.get("layout") != schema.layout_hash():
        raise LayoutError("the layout hash is not the one of the schema")
    if schema == SCHEMA:
        schema = SCHEMA  # one object for all segments
    about = About(
        _text(data, "site"),
        _text(data, "config_hash"),
        _texts(data, "software"),
        _text({"public_key": "", **data}, "public_key"),
    )
    utc_s = data.get("created_utc_s")
    created = float(utc_s) if isinstance(utc_s, int | float) else math.nan
    params = _params(schema, data.get("text"), raw.packed)
    return Header(raw.number, raw.first_seq, raw.previous, created, about, schema, params)


def _params(schema: Schema, text: object, packed: bytes) -> Params:
    names = [c.name for c in schema.params if c.code == "text"]
    if not isinstance(text, dict) or set(text) != set(names) or "ids" not in names:
        raise LayoutError("the units are not named")
    lists = {name: text[name] for name in names}
    n = len(lists["ids"]) if isinstance(lists["ids"], list) else -1
    per_unit = {c.name for c in schema.params if c.per == PER_UNIT}
    for name, values in lists.items():
        if not isinstance(values, list) or len(values) > UNITS_MAX or n > UNITS_MAX:
            raise LayoutError("the units are not named")
        if (name in per_unit and len(values) != n) or not all(isinstance(v, str) for v in values):
            raise LayoutError("the units are not named")
    make = builder(Params, schema.params)
    block = Block("Params", schema.params, n)
    return make(block.unpack(packed, {k: tuple(v) for k, v in lists.items()}), n)


def _text(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        raise LayoutError(f"no {key}")
    return value


def _texts(data: Mapping[str, object], key: str) -> dict[str, str]:
    value = data.get(key)
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise LayoutError(f"no {key}")
    return value
