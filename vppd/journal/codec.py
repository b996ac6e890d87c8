"""Tick records: columns of words and octets, and the entropy coder that they go through.

What stands in a tick is Meta, Image and what is kept of the Decision (`kept`). Each column is coded
against a prediction that the header names (`schema.CODING`), see `coder`. The first tick of a
segment is coded against zeros, so that a segment is read without the one before.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from vppd.core.types import Decision, Image, Params, State
from vppd.journal import coder
from vppd.journal.errors import LayoutError
from vppd.journal.kept import Kept, keep
from vppd.journal.layout import WORD, Block, Octets, Words, builder
from vppd.journal.packing import deflate, inflate
from vppd.journal.plan import Plan
from vppd.journal.schema import Meta, Schema
from vppd.kernels.jit import entry

PAST_MAX: Final = 4096  # rows of setpoints that a State holds at most
WORD_BYTES_MAX: Final = 128  # of the payload, for one word: each of its bits in the worst context
OCTET_BYTES_MAX: Final = 16

_begin, _end = entry(coder.begin), entry(coder.end)
_code_scalars, _code_octets = entry(coder.code_scalars), entry(coder.code_octets)
_code_units, _code_bytes = entry(coder.code_units), entry(coder.code_bytes)


class TickLayout:
    """Meta, image and what is kept of the decision of one tick, as words, octets and a tail."""

    def __init__(self, schema: Schema, params: Params) -> None:
        n = len(params.ids)
        self._makers = (
            builder(Meta, schema.meta),
            builder(Image, schema.image),
            builder(Kept, schema.kept),
        )
        self.blocks = (
            Block("Meta", schema.meta, n),
            Block("Image", schema.image, n),
            Block("Kept", schema.kept, n),
        )
        builder(Decision, schema.decision)  # else its digest could not be computed
        self.decision = Block("Decision", schema.decision, n)
        self.n = n
        self.n_words = sum(b.n_words for b in self.blocks)
        self.n_octets = sum(b.n_octets for b in self.blocks)
        self.tail_max = sum(b.tail_row for b in self.blocks) * (64 * n + 4096)
        self.plan = Plan(self.blocks, schema.coding, params)

    def join(self, meta: Meta, image: Image, kept: Kept, words: Words, octets: Octets) -> bytes:
        """Write one tick into words (n_words,) and octets (n_octets,); return its tail.

        Raises
        ------
        LayoutError
            A value of a wrong type or length.
        """
        at_word = at_octet = 0
        tail = b""
        for block, record in zip(self.blocks, (meta, image, kept), strict=True):
            tail += block.write(
                record,
                words[at_word : at_word + block.n_words],
                octets[at_octet : at_octet + block.n_octets],
            )
            at_word += block.n_words
            at_octet += block.n_octets
        if len(tail) > self.tail_max:
            raise LayoutError(f"{len(tail)} bytes of events in one tick")
        return tail

    def tail_sizes(self, words: Words) -> list[int]:
        """Bytes of the tail of these words, by record.

        Raises
        ------
        LayoutError
            They cannot be.
        """
        at = 0
        sizes = []
        for block in self.blocks:
            sizes.append(block.tail_size(words[at : at + block.n_words]) if block.tail_row else 0)
            at += block.n_words
        if sum(sizes) > self.tail_max:
            raise LayoutError(f"{sum(sizes)} bytes of events in one tick")
        return sizes

    def split(
        self, words: Words, octets: Octets, tail: bytes, sizes: Sequence[int]
    ) -> tuple[Meta, Image, Kept]:
        """Undo `join`, given `tail_sizes`. The arrays are read-only views."""
        words.flags.writeable = octets.flags.writeable = False
        parts = []
        at_word = at_octet = at_tail = 0
        for block, size in zip(self.blocks, sizes, strict=True):
            own = words[at_word : at_word + block.n_words]
            own_octets = octets[at_octet : at_octet + block.n_octets]
            parts.append(block.read(own, own_octets, tail[at_tail : at_tail + size]))
            at_word += block.n_words
            at_octet += block.n_octets
            at_tail += size
        make_meta, make_image, make_kept = self._makers
        n = self.n
        return make_meta(parts[0], n), make_image(parts[1], n), make_kept(parts[2], n)


class _Coder:
    """What both ways remember from tick to tick of one segment."""

    def __init__(self, layout: TickLayout) -> None:
        plan, n = layout.plan, layout.n
        self._layout, self._plan = layout, plan
        self._before: Words = np.zeros(layout.n_words, WORD)
        self._octets_before = np.zeros(layout.n_octets, np.uint8)
        self._model = np.full(2 * plan.contexts, coder.HALF, np.uint16)
        self._code = np.zeros(coder.CODE_SIZE, np.int64)
        self._data: Octets
        # of each: whole number, class, size of the last differences; and mean, or last move
        scalars, units = np.zeros((4, plan.n_scalars), np.int64), (4, plan.n_columns * n)
        self._scalars = scalars[0], scalars[1], scalars[2], scalars[3]
        columns = np.zeros(units, np.int64)
        self._units = columns[0], columns[1], columns[2], columns[3]
        self._guess = np.zeros(1)
        self._trend = np.zeros(2 * coder.KINDS_MAX)

    def _columns(self, words: Words, octets: Octets) -> None:
        """Code all columns, into `words` and `octets` or from there."""
        plan, code, data, model = self._plan, self._code, self._data, self._model
        ints, floats, before = words.view(np.int64), words.view(np.float64), self._before
        before_ints = before.view(np.int64)
        before_us = int(self._scalars[0][plan.now])  # of the tick before
        _code_scalars(
            code, data, model, plan.scalars, plan.scalar_steps, ints, floats, before_ints,
            *self._scalars, self._guess.view(np.int64), self._guess,
        )  # fmt: skip
        _code_octets(
            code, data, model, plan.octets[0], plan.octet_base[0], octets, self._octets_before,
            ints, before_ints,
        )  # fmt: skip
        _code_units(
            code, data, model, plan.columns, plan.column_base, plan.column_steps, ints, floats,
            before_ints, octets, *self._units, before_us, plan.group, plan.span, self._trend,
        )  # fmt: skip
        _code_octets(
            code, data, model, plan.octets[1], plan.octet_base[1], octets, self._octets_before,
            ints, before_ints,
        )  # fmt: skip


class TickEncoder(_Coder):
    """Codes the ticks of one segment, each against the one before."""

    def __init__(self, layout: TickLayout) -> None:
        super().__init__(layout)
        size_max = WORD_BYTES_MAX * layout.n_words + OCTET_BYTES_MAX * layout.n_octets
        self._data = np.zeros(size_max + OCTET_BYTES_MAX * layout.tail_max + 64, np.uint8)

    def encode(self, meta: Meta, image: Image, decision: Decision) -> bytes:
        """Payload of the next tick. After an error the encoder is as it was before.

        Raises
        ------
        LayoutError
            A value of a wrong type or length.
        """
        layout, code, data = self._layout, self._code, self._data
        kept = keep(layout.decision, decision)
        words, octets = np.empty(layout.n_words, WORD), np.empty(layout.n_octets, np.uint8)
        tail = layout.join(meta, image, kept, words, octets)
        code[coder.SIZE] = data.size
        _begin(code, data, 0)
        self._columns(words, octets)
        if tail:
            _code_bytes(
                code, data, self._model, self._plan.tail_base, np.frombuffer(bytearray(tail), "u1")
            )
        size = _end(code, data)
        if code[coder.BAD]:
            raise AssertionError("a payload is larger than the largest that can be")
        self._before, self._octets_before = words, octets
        return data[:size].tobytes()


class TickDecoder(_Coder):
    """Decodes the ticks of one segment in their order."""

    def decode(self, payload: bytes) -> tuple[Meta, Image, Kept]:
        """Return the next tick; its arrays are read-only.

        Raises
        ------
        LayoutError
            A payload that no encoder wrote.
        """
        layout, code = self._layout, self._code
        data = np.frombuffer(bytearray(payload or b"\0"), np.uint8)
        self._data = data
        code[coder.SIZE] = len(payload)
        _begin(code, data, 1)
        words, octets = np.zeros(layout.n_words, WORD), np.zeros(layout.n_octets, np.uint8)
        self._columns(words, octets)
        sizes = layout.tail_sizes(words)
        tail = bytearray(sum(sizes))
        if tail:
            _code_bytes(
                code, data, self._model, self._plan.tail_base, np.frombuffer(tail, np.uint8)
            )
        if _end(code, data):
            raise LayoutError("payload is no tick's")
        ticks = layout.split(words, octets, bytes(tail), sizes)
        self._before, self._octets_before = words, octets
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
