"""DNP3 frames typed from IEEE 1815-2012, clause 9 and 8: shares no code with what is tested."""

import asyncio
import struct


def crc(data: bytes) -> bytes:
    """CRC-16/DNP, bit by bit."""
    value = 0
    for octet in data:
        value ^= octet
        for _ in range(8):
            value = (value >> 1) ^ 0xA6BC if value & 1 else value >> 1
    return struct.pack("<H", value ^ 0xFFFF)


def frame(payload: bytes, *, source: int = 1024, to: int = 1, control: int = 0x44) -> bytes:
    """One link frame with user data (the control octet of an outstation by default)."""
    head = struct.pack("<2sBBHH", b"\x05\x64", 5 + len(payload), control, to, source)
    blocks = [payload[i : i + 16] for i in range(0, len(payload), 16)]
    return head + crc(head) + b"".join(block + crc(block) for block in blocks)


def fragment(application: bytes, **addresses: int) -> bytes:
    """An application fragment in as many frames as it takes."""
    parts = [application[i : i + 249] for i in range(0, len(application), 249)] or [b""]
    last = len(parts) - 1
    return b"".join(
        frame(
            bytes([(0x40 if i == 0 else 0) | (0x80 if i == last else 0) | (i % 64)]) + part,
            **addresses,
        )
        for i, part in enumerate(parts)
    )


def response(
    sequence: int,
    objects: bytes = b"",
    *,
    iin: bytes = b"\0\0",
    control: int = 0xC0,
    code: int = 0x81,
) -> bytes:
    """Application fragment of a response; FIR and FIN set by default."""
    return bytes([control | sequence, code]) + iin + objects


def floats(values: list[float], flags: int = 1) -> bytes:
    """Group 30 variation 5, from index 0."""
    body = b"".join(struct.pack("<Bf", flags, value) for value in values)
    return bytes([30, 5, 0, 0, len(values) - 1]) + body


class Request:
    """A request of one frame, taken apart."""

    def __init__(self, octets: bytes) -> None:
        length, rest, payload = octets[2] - 5, octets[10:], b""
        while len(payload) < length:
            size = min(16, length - len(payload))
            assert crc(rest[:size]) == rest[size : size + 2]
            payload, rest = payload + rest[:size], rest[size + 2 :]
        self.sequence = payload[1] & 0x0F
        self.function = payload[2]
        self.objects = payload[3:]


READ, WRITE, SELECT, OPERATE, DIRECT = 1, 2, 3, 4, 5


class Peer:
    """An outstation that answers as `answer(request)` says. Counts what reaches it."""

    def __init__(self, answer) -> None:
        self.requests: list[Request] = []
        self.connects = 0
        self.answer = answer
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Peer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readexactly(10)
                length = head[2] - 5
                body = await reader.readexactly(length + (length + 15) // 16 * 2)
                request = Request(head + body)
                if request.function == 0:  # a confirmation
                    continue
                self.requests.append(request)
                octets = self.answer(request)
                if octets is None:
                    return
                writer.write(octets)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
