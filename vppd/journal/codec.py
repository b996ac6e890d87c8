"""Tick records: columns, delta against the record before, byte shuffle, raw deflate.

The payload of a tick is the raw deflate stream of

    bitmap of the words that changed | bytes of (word XOR word before), byte planes | tail

A word is 8 bytes of the record's words and octets (padded). The first tick of a segment is
coded against zeros, so that a segment is read without the one before. Deflate runs with the
run-length strategy: on such data it is as small as plain level 1 and takes a quarter less time.
"""

import zlib
from typing import Final

import numpy as np

from vppd.core.types import Decision, Image, State
from vppd.journal.errors import LayoutError
from vppd.journal.layout import WORD, Block, Words, builder
from vppd.journal.schema import Meta, Schema

RAW: Final = -zlib.MAX_WBITS  # no zlib header: the frame has its own checksum
LEVEL: Final = 1
PAST_MAX: Final = 4096  # rows of setpoints that a State holds at most


def deflate(data: bytes) -> bytes:
    """Raw deflate stream of `data`."""
    coder = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
    return coder.compress(data) + coder.flush()


def inflate(data: bytes, size_max: int) -> bytes:
    """Undo `deflate`; never return, nor hold, more than `size_max` + 1 bytes.

    Raises
    ------
    LayoutError
        Not one whole stream, or one of more than `size_max` bytes.
    """
    coder = zlib.decompressobj(RAW)
    try:
        out = coder.decompress(data, size_max + 1)
    except zlib.error as error:
        raise LayoutError(f"payload: {error}") from error
    if len(out) > size_max or not coder.eof or coder.unused_data:
        raise LayoutError("payload is not one deflate stream of the size that is due")
    return out


class TickLayout:
    """Meta, image and decision of one tick as one vector of words and a tail."""

    def __init__(self, schema: Schema, n: int) -> None:
        self._makers = (
            builder(Meta, schema.meta),
            builder(Image, schema.image),
            builder(Decision, schema.decision),
        )
        self.blocks = (
            Block("Meta", schema.meta, n),
            Block("Image", schema.image, n),
            Block("Decision", schema.decision, n),
        )
        self.n = n
        self.n_words = sum(b.n_words for b in self.blocks)
        self.n_octets = sum(b.n_octets for b in self.blocks)
        self.size = self.n_words + (self.n_octets + 7) // 8
        self.tail_max = sum(b.tail_row for b in self.blocks) * (64 * n + 4096)
        self._predicted = [self._pair(a, b) for a, b in schema.predicted]

    def _pair(self, of_image: str, of_decision: str) -> tuple[slice, slice]:
        meta, image, decision = self.blocks
        first = meta.n_words + image.start(of_image)
        second = meta.n_words + image.n_words + decision.start(of_decision)
        return slice(first, first + self.n), slice(second, second + self.n)

    def join(self, meta: Meta, image: Image, decision: Decision) -> tuple[Words, bytes]:
        """Words (size,) and tail of one tick.

        Raises
        ------
        LayoutError
            A value of a wrong type or length.
        """
        words = np.zeros(self.size, WORD)
        octets = words[self.n_words :].view(np.uint8)
        at_word = at_octet = 0
        tail = b""
        for block, record in zip(self.blocks, (meta, image, decision), strict=True):
            tail += block.write(
                record,
                words[at_word : at_word + block.n_words],
                octets[at_octet : at_octet + block.n_octets],
            )
            at_word += block.n_words
            at_octet += block.n_octets
        if len(tail) > self.tail_max:
            raise LayoutError(f"{len(tail)} bytes of events in one tick")
        return words, tail

    def split(self, words: Words, tail: bytes) -> tuple[Meta, Image, Decision]:
        """Undo `join`. The arrays are read-only views of `words`.

        Raises
        ------
        LayoutError
            The tail does not fit the counts in the words.
        """
        words.flags.writeable = False
        octets = words[self.n_words :].view(np.uint8)
        parts = []
        at_word = at_octet = at_tail = 0
        for block in self.blocks:
            own = words[at_word : at_word + block.n_words]
            size = block.tail_size(own)
            if at_tail + size > len(tail):
                raise LayoutError(f"{block.name}: events are missing")
            own_octets = octets[at_octet : at_octet + block.n_octets]
            parts.append(block.read(own, own_octets, tail[at_tail : at_tail + size]))
            at_word += block.n_words
            at_octet += block.n_octets
            at_tail += size
        if at_tail != len(tail):
            raise LayoutError("bytes after the last column")
        make_meta, make_image, make_decision = self._makers
        n = self.n
        return make_meta(parts[0], n), make_image(parts[1], n), make_decision(parts[2], n)

    def base(self, before: Words) -> Words:
        """Words that the next tick is coded against, shape (size,)."""
        base = before.copy()
        for column, by in self._predicted:
            base[column] = before[by]
        return base


class TickEncoder:
    """Codes the ticks of one segment, each against the one before."""

    def __init__(self, layout: TickLayout) -> None:
        self._layout = layout
        self._before: Words = np.zeros(layout.size, WORD)

    def encode(self, meta: Meta, image: Image, decision: Decision) -> bytes:
        """Payload of the next tick. After an error the encoder is as it was before.

        Raises
        ------
        LayoutError
            A value of a wrong type or length.
        """
        words, tail = self._layout.join(meta, image, decision)
        delta = words ^ self._layout.base(self._before)
        changed = delta != 0
        planes = delta[changed].view(np.uint8).reshape(-1, 8).T
        payload = deflate(np.packbits(changed).tobytes() + planes.tobytes() + tail)
        self._before = words
        return payload


class TickDecoder:
    """Decodes the ticks of one segment in their order."""

    def __init__(self, layout: TickLayout) -> None:
        self._layout = layout
        self._before: Words = np.zeros(layout.size, WORD)
        self._bitmap = (layout.size + 7) // 8
        self._size_max = self._bitmap + 8 * layout.size + layout.tail_max

    def decode(self, payload: bytes) -> tuple[Meta, Image, Decision]:
        """Return the next tick; its arrays are read-only.

        Raises
        ------
        LayoutError
            A payload that no encoder wrote.
        """
        data = inflate(payload, self._size_max)
        bitmap = np.frombuffer(data, np.uint8, min(self._bitmap, len(data)))
        changed = np.unpackbits(bitmap, count=self._layout.size).view(np.bool_)
        n_changed = int(np.count_nonzero(changed))
        end = self._bitmap + 8 * n_changed
        if bitmap.size != self._bitmap or len(data) < end:
            raise LayoutError("payload is shorter than its bitmap says")
        planes = np.frombuffer(data, np.uint8, 8 * n_changed, self._bitmap).reshape(8, n_changed)
        words = self._layout.base(self._before)
        words[changed] ^= np.ascontiguousarray(planes.T).view(WORD).reshape(n_changed)
        ticks = self._layout.split(words, data[end:])
        self._before = words
        return ticks


class StateLayout:
    """A State as a payload of its own."""

    def __init__(self, schema: Schema, n: int) -> None:
        self._block = Block("State", schema.state, n)
        self._make = builder(State, schema.state)
        self.n = n

    def encode(self, state: State) -> bytes:
        """Payload of a state.

        Raises
        ------
        LayoutError
            A value of a wrong type or length.
        """
        return deflate(self._block.pack(state))

    def decode(self, payload: bytes) -> State:
        """Undo `encode`.

        Raises
        ------
        LayoutError
            A payload that no encoder wrote.
        """
        size = 8 * self._block.n_words + self._block.n_octets
        size += self._block.tail_row * PAST_MAX * (self.n + 1)
        return self._make(self._block.unpack(inflate(payload, size)), self.n)
