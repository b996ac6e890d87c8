"""Messages between the daemon and its api process, over a stream socket.

    length u4 | kind u1 | payload            little endian; length counts kind and payload

From the daemon come JSON, frames and packed records. The daemon itself reads nothing but JSON: the
api process talks to the network, and what it says is not trusted.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final

HEAD: Final = struct.Struct("<IB")
FROM_API_MAX: Final = 4 << 20  # a plan of 10,000 units is 0.4 MB
FROM_DAEMON_MAX: Final = 1 << 28


class Kind(IntEnum):
    """What a message holds."""

    HELLO = 1  # daemon: `hello.Hello`, as `runtime.console_pack` packs it
    FRAME = 2  # daemon: see `frame`
    STATUS = 3  # daemon: JSON
    EVENTS = 4  # daemon: JSON, list of events
    ANSWER = 5  # daemon: JSON, to a request of the same id
    INPUTS = 6  # daemon: `hello.Inputs`, packed likewise, to a request
    REQUEST = 7  # api: JSON, {"id", "do", ...}


CODES: Final = frozenset(int(kind) for kind in Kind)


class WireError(Exception):
    """The other side does not keep to the form."""


def message(kind: Kind, payload: bytes) -> bytes:
    """One message as bytes."""
    return HEAD.pack(1 + len(payload), kind) + payload


class Splitter:
    """Takes bytes as they come and gives whole messages."""

    def __init__(self, length_max: int) -> None:
        self._max = length_max
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[Kind, bytes]]:
        """Give the messages that are complete. Raises WireError."""
        self._data += data
        while len(self._data) >= HEAD.size:
            length, code = HEAD.unpack_from(self._data)
            if not 1 <= length <= self._max or code not in CODES:
                raise WireError(f"a message of kind {code} and {length} bytes")
            end = HEAD.size - 1 + length
            if len(self._data) < end:
                return
            payload = bytes(self._data[HEAD.size : end])
            del self._data[:end]
            yield Kind(code), payload
