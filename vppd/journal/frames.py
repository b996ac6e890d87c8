"""Frames: how one record stands in a segment.

    magic 4s | kind u2 | flags u2 | length u4 | seq u8 | head_crc u4 | chain 32s | crc u4 | payload

Little endian, 60 bytes and `length` bytes of payload. `head_crc` is the CRC-32 of the 20 bytes
before it, so that a damaged length is not taken for a torn file. `chain` is SHA-256 of (chain of
the record before, those 20 bytes, payload). `crc` is the CRC-32 of (those 20 bytes, chain,
payload).
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\xf5VPR"  # no UTF-8 text contains the first byte
_FIRST: Final = struct.Struct("<4sHHIQ")
_REST: Final = struct.Struct("<I32sI")
HEAD_SIZE: Final = _FIRST.size + _REST.size
PAYLOAD_MAX: Final = 64 << 20  # a tick of a million units takes about 40 MB
CONTINUES: Final = 1  # flag of STATE: it is what the tick before has handed on


class Kind(IntEnum):
    """What a record holds. The number is part of the format: append only."""

    TICK = 1
    EVENT = 2  # JSON
    STATE = 3  # the State that the next tick starts from
    END = 4  # JSON; nothing but its HEAD follows in this segment
    HEAD = 5  # see `heads`


@dataclass(frozen=True, slots=True)
class Head:
    """Head of a record whose `head_crc` holds."""

    kind: int
    flags: int
    length: int
    seq: int
    chain: bytes
    crc: int
    first: bytes  # the 20 bytes under `head_crc`


def chain_link(before: bytes, first: bytes, payload: bytes) -> bytes:
    """Chain of a record: SHA-256 over the chain before, the head and the payload."""
    return hashlib.sha256(before + first + payload).digest()


def first_bytes(kind: Kind, flags: int, length: int, seq: int) -> bytes:
    """Give the 20 bytes that a record starts with."""
    return _FIRST.pack(MAGIC, kind, flags, length, seq)


def frame(kind: Kind, flags: int, seq: int, before: bytes, payload: bytes) -> tuple[bytes, bytes]:
    """Return the bytes of a record, and its chain."""
    first = first_bytes(kind, flags, len(payload), seq)
    chain = chain_link(before, first, payload)
    crc = zlib.crc32(payload, zlib.crc32(first + chain))
    return first + _REST.pack(zlib.crc32(first), chain, crc) + payload, chain


def parse_head(data: bytes) -> Head | None:
    """Head in the first HEAD_SIZE bytes of `data`; None if it does not hold."""
    first = data[: _FIRST.size]
    magic, kind, flags, length, seq = _FIRST.unpack(first)
    head_crc, chain, crc = _REST.unpack_from(data, _FIRST.size)
    if magic != MAGIC or head_crc != zlib.crc32(first) or length > PAYLOAD_MAX:
        return None
    return Head(kind, flags, length, seq, chain, crc, first)


def crc_holds(head: Head, payload: bytes) -> bool:
    """Whether the checksum of a record holds."""
    return zlib.crc32(payload, zlib.crc32(head.first + head.chain)) == head.crc
