"""Heads: what a chain holds at one instant, signed where there is a key.

A journal has two chains, ticks and events. A record HEAD in one of them says how far the other had
got, so that neither can be cut or written anew without the other, and signs all before it:

    other_seq u8 | other_chain 32s | utc_s f8 | key_id 8s | signature 64s

Little endian. `other_chain` is the chain after the record before `other_seq` of the other chain,
zeros where there is none. `key_id` is the start of SHA-256 of the public key. The signature
(Ed25519) is over CONTEXT, the chain before the record, the first 20 bytes of its head, and the
payload before the signature; zeros where nothing is signed.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from vppd.journal.errors import LayoutError

CONTEXT: Final = b"vppd journal head 1\0"
_SAID: Final = struct.Struct("<Q32sd8s")
SIGNATURE_SIZE: Final = 64
UNSIGNED: Final = bytes(SIGNATURE_SIZE)
PAYLOAD_SIZE: Final = _SAID.size + SIGNATURE_SIZE
KEY_ID_SIZE: Final = 8
PUBLIC_KEY_SIZE: Final = 32


class Signer(Protocol):
    """Signs with one private key."""

    @property
    def public_key(self) -> bytes:
        """Its public key, 32 bytes."""

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature, 64 bytes."""


Verifier = Callable[[bytes, bytes], bool]  # signature, message: whether it holds


@dataclass(frozen=True, slots=True)
class Place:
    """How far a chain has got: number of the record that comes next, and the chain before it."""

    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class HeadRecord:
    """Payload of a record HEAD."""

    other: Place
    utc_s: float
    key_id: bytes
    signature: bytes
    said: bytes  # what is signed of the payload

    @property
    def is_signed(self) -> bool:
        """Whether there is a signature at all."""
        return self.signature != UNSIGNED


@dataclass(frozen=True, slots=True)
class ToldHead:
    """A head for others to keep: with it, nobody can change what was before it unnoticed."""

    utc_s: float
    segment: str
    seq: int  # of the record HEAD
    chain: bytes  # up to and with that record
    key_id: bytes  # zeros: not signed
    signature: bytes
    events: Place  # how far the events had got

    def fields(self) -> dict[str, str | int | float]:
        """Fields of a line that tells of it."""
        signed = self.signature != UNSIGNED
        return {
            "head_utc_s": self.utc_s,
            "segment": self.segment,
            "seq": self.seq,
            "chain": self.chain.hex(),
            "key_id": self.key_id.hex() if signed else "",
            "signature": self.signature.hex() if signed else "",
            "events_seq": self.events.seq,
            "events_chain": self.events.chain.hex(),
        }


def key_id(public_key: bytes) -> bytes:
    """Short name of a key."""
    return hashlib.sha256(public_key).digest()[:KEY_ID_SIZE]


def message(before: bytes, first: bytes, said: bytes) -> bytes:
    """What a signature is over."""
    return CONTEXT + before + first + said


def head_payload(
    before: bytes, first: bytes, other: Place, utc_s: float, signer: Signer | None
) -> bytes:
    """Payload of a record HEAD. `before`, `first`: as of `message`."""
    if signer is None:
        return _SAID.pack(other.seq, other.chain, utc_s, bytes(KEY_ID_SIZE)) + UNSIGNED
    said = _SAID.pack(other.seq, other.chain, utc_s, key_id(signer.public_key))
    return said + signer.sign(message(before, first, said))


def parse_payload(payload: bytes) -> HeadRecord:
    """Undo `head_payload`.

    Raises
    ------
    LayoutError
        No writer made it.
    """
    if len(payload) != PAYLOAD_SIZE:
        raise LayoutError(f"a head of {len(payload)} bytes")
    said, signature = payload[: _SAID.size], payload[_SAID.size :]
    seq, chain, utc_s, name = _SAID.unpack(said)
    return HeadRecord(Place(seq, chain), utc_s, name, signature, said)
