"""What the daemon hands to its api process, as bytes: JSON, and records as a journal packs them.

    HELLO    size of JSON u4 | JSON | header of a journal segment, with the parameters
    INPUTS   sizes of the parts 8 u4 | JSON | State | Image | State | Decision
             | basepoint_mw | locked | operator_mw

Little endian. Nothing in it is ever carried out: bytes that are not of this form raise.
"""

import dataclasses
import io
import json
import math
import struct
from typing import Any, Final, TypeVar

import numpy as np

from vppd.core.orders import Standing
from vppd.core.types import Decision, Image, Order, Params, State
from vppd.journal.errors import LayoutError
from vppd.journal.header import UNCHAINED, About, Header, pack_header, parse_header, read_header
from vppd.journal.layout import Block, Column, builder
from vppd.journal.schema import SCHEMA
from vppd.ops.api.hello import Hello, Inputs, Settings
from vppd.ops.orders.book import Book, from_document, to_document

_SIZE: Final = struct.Struct("<I")
_SIZES: Final = struct.Struct("<8I")
T = TypeVar("T")


def pack_hello(hello: Hello) -> bytes:
    """Bytes of a hello."""
    text = _text(
        {
            "version": hello.version,
            "links": hello.links,
            "settings": dataclasses.asdict(hello.settings),
            "journal": hello.journal,
        }
    )
    about = About(hello.site, "", {})
    header, _ = pack_header(Header(0, 0, UNCHAINED, math.nan, about, SCHEMA, hello.params))
    return _SIZE.pack(len(text)) + text + header


def unpack_hello(data: bytes) -> Hello:
    """Give the hello of these bytes. Raises LayoutError, ValueError or KeyError for others."""
    (size,) = _SIZE.unpack_from(data)
    said = json.loads(data[_SIZE.size : _SIZE.size + size])
    rest = data[_SIZE.size + size :]
    header = parse_header(read_header(io.BytesIO(rest), len(rest)))
    told = said["settings"]
    settings = Settings(**{**told, "hosts": tuple(told["hosts"])})
    return Hello(
        header.about.site, said["version"], header.params, tuple(said["links"]), settings,
        said["journal"],
    )  # fmt: skip


def pack_inputs(inputs: Inputs, params: Params) -> bytes:
    """Bytes of a tick's inputs."""
    base, book, n = inputs.base, inputs.book, len(params.ids)
    text = _text(
        {
            "utc_s": inputs.utc_s,
            "order": base.order.name,
            "up_mw": base.regulation_capacity_up_mw,
            "down_mw": base.regulation_capacity_down_mw,
            "pardon": base.pardon,
            "book": to_document(book, params),
            "pardons": book.pardons,
            "newest": book.newest,
        }
    )
    state = Block("State", SCHEMA.state, n)
    parts = (
        text,
        state.pack(inputs.before),
        Block("Image", SCHEMA.image, n).pack(inputs.image),
        state.pack(inputs.after),
        Block("Decision", SCHEMA.decision, n).pack(inputs.decision),
        base.basepoint_mw.tobytes(),
        base.locked.tobytes(),
        base.operator_mw.tobytes(),
    )
    return b"".join((_SIZES.pack(*map(len, parts)), *parts))


def unpack_inputs(data: bytes, params: Params) -> Inputs:
    """Give the inputs of these bytes, for the plant of `params`.

    Raises LayoutError for bytes that are of no such plant, ValueError or KeyError for wrong JSON.
    """
    text, before, image, after, decision, *arrays = _parts(data)
    said, n = json.loads(text), len(params.ids)
    return Inputs(
        utc_s=float(said["utc_s"]),
        before=_record(State, SCHEMA.state, before, n),
        image=_record(Image, SCHEMA.image, image, n),
        after=_record(State, SCHEMA.state, after, n),
        decision=_record(Decision, SCHEMA.decision, decision, n),
        base=_standing(said, *arrays),
        book=_book(said, params),
    )


def _standing(said: dict[str, Any], basepoint: bytes, locked: bytes, operator: bytes) -> Standing:
    return Standing(
        order=Order[said["order"]],
        regulation_capacity_up_mw=float(said["up_mw"]),
        regulation_capacity_down_mw=float(said["down_mw"]),
        basepoint_mw=np.frombuffer(basepoint, np.float64),
        locked=np.frombuffer(locked, np.uint8),
        operator_mw=np.frombuffer(operator, np.float64),
        pardon=int(said["pardon"]),
    )


def _parts(data: bytes) -> list[bytes]:
    if len(data) < _SIZES.size:
        raise LayoutError(f"inputs: {len(data)} bytes")
    sizes, at, parts = _SIZES.unpack_from(data), _SIZES.size, []
    if len(data) != at + sum(sizes):
        raise LayoutError(f"inputs: {len(data)} bytes instead of {at + sum(sizes)}")
    for size in sizes:
        parts.append(data[at : at + size])
        at += size
    return parts


def _book(said: dict[str, Any], params: Params) -> Book:
    book, lost = from_document(said["book"], params)
    if lost:
        raise LayoutError(f"inputs: {lost[0]}")
    pardons = tuple(map(int, said["pardons"]))
    return dataclasses.replace(book, pardons=pardons, newest=int(said["newest"]))


def _record(kind: type[T], columns: tuple[Column, ...], packed: bytes, n: int) -> T:
    return builder(kind, columns)(Block(kind.__name__, columns, n).unpack(packed), n)


def _text(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, allow_nan=False, separators=(",", ":")).encode()
