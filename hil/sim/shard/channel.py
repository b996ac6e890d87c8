"""Messages between the two processes of a run: octets over a socket pair, in their order."""

import contextlib
import os
import socket
import struct
import time
from enum import IntEnum

# So long is looked again and again before one sleeps: in a virtual machine it takes up to a
# millisecond to wake a core, as long as a tick of hundreds of units.
SPIN_S = 0.005
HEAD = struct.Struct("<BdI")  # kind, instant of the virtual clock, octets that follow


class Kind(IntEnum):
    """What a message asks for, once the worker has come to its instant."""

    GO = 0  # no more than that
    LOOK = 1  # say what stands in the slots
    SUBMIT = 2  # hand out setpoints
    FAULTS = 3  # the scored run begins at the instant in the message
    END = 4  # end everything, and say what was wrong
    DONE = 5  # the worker's answer
    FAILED = 6  # the worker's answer: why it ends


class ClosedError(Exception):
    """The other process is gone."""


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def send(self, kind: Kind, at_s: float, payload: bytes = b"") -> None:
        """Send a message. Raises ClosedError."""
        try:
            self._socket.sendall(HEAD.pack(kind, at_s, len(payload)) + payload)
        except OSError as error:
            raise ClosedError(str(error)) from error

    def receive(self) -> tuple[Kind, float, bytes]:
        """Wait for a message. Raises ClosedError."""
        kind, at_s, size = HEAD.unpack(self._exactly(HEAD.size))
        return Kind(kind), at_s, self._exactly(size)

    def last(self, kind: Kind, at_s: float, payload: bytes) -> None:
        """Send the last message, and wait until the other end is closed.

        An end that is closed while something is left to read takes what it has sent along.
        """
        with contextlib.suppress(ClosedError):
            self.send(kind, at_s, payload)
            while True:
                self.receive()

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        give_up_s = time.perf_counter() + SPIN_S
        while len(data) < size:
            waits = 0 if time.perf_counter() > give_up_s else socket.MSG_DONTWAIT
            try:
                some = self._socket.recv(size - len(data), waits)
            except BlockingIOError:
                os.sched_yield()
                continue
            except ConnectionResetError:
                some = b""
            if not some:
                raise ClosedError("the other process has ended")
            data += some
        return bytes(data)
