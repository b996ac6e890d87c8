"""Records go in and come back, bit for bit; what does not fit is refused."""

import dataclasses
import itertools
import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from journal_plant import bits, first_state, make_image, make_meta, make_params, record_of, words_of

from vppd.core.types import F8, Decision, Image, Params, State
from vppd.journal.codec import (
    StateLayout,
    TickDecoder,
    TickEncoder,
    TickLayout,
)
from vppd.journal.errors import LayoutError
from vppd.journal.kept import COLUMNS as KEPT
from vppd.journal.kept import digest_of
from vppd.journal.layout import Block, Column, builder, columns_of
from vppd.journal.packing import deflate, inflate
from vppd.journal.schema import SCHEMA, Meta, schema_from_json

RECORDS = (Meta, Image, Decision)
SPECIAL = [
    0x0000000000000000,  # 0.0
    0x8000000000000000,  # -0.0
    0x0000000000000001,  # smallest denormal
    0x7FF0000000000000,  # inf
    0xFFF0000000000000,
    0x7FF8000000000000,  # NaN
    0xFFF8000000000000,  # the NaN that x86 makes
    0x7FF8DEADBEEF0001,  # a payload
    0x7FF0000000000001,  # signalling
    0xFFFFFFFFFFFFFFFF,
]
word = st.one_of(st.sampled_from(SPECIAL), st.integers(0, 2**64 - 1))


def kept_bits(decision: object) -> dict[str, bytes]:
    return {name: value for name, value in bits(decision).items() if name in KEPT}


@settings(max_examples=60)
@given(
    n=st.integers(0, 5),
    counts=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    pool=st.lists(word, min_size=1, max_size=40),
)
@example(n=1, counts=[0, 0, 0], pool=[0xFFF8000000000000, 0, 0, 1])  # -2^51, then 1
def test_ticks_come_back_bit_for_bit(n, counts, pool):
    words = itertools.cycle(pool)
    encoder, decoder = (
        TickEncoder(TickLayout(SCHEMA, make_params(n))),
        TickDecoder(TickLayout(SCHEMA, make_params(n))),
    )
    for k in counts:
        written = [record_of(kind, n, k, words) for kind in RECORDS]
        meta, image, kept = decoder.decode(encoder.encode(*written))
        assert (bits(meta), bits(image)) == (bits(written[0]), bits(written[1]))
        assert kept_bits(kept) == kept_bits(written[2])
        assert kept.digest == digest_of(Block("Decision", SCHEMA.decision, n), written[2])


@settings(max_examples=40)
@given(n=st.integers(0, 5), pool=st.lists(word, min_size=1, max_size=40))
def test_state_comes_back_bit_for_bit(n, pool):
    state = record_of(State, n, 0, itertools.cycle(pool))
    layout = StateLayout(SCHEMA, n)
    assert bits(layout.decode(layout.encode(state))) == bits(state)


def test_decoded_arrays_are_read_only_and_aligned():
    layout = TickLayout(SCHEMA, make_params(3))
    written = [record_of(kind, 3, 2, words_of(5)) for kind in RECORDS]
    for record in TickDecoder(layout).decode(TickEncoder(layout).encode(*written)):
        for column in columns_of(type(record)):
            if column.per:
                array = getattr(record, column.name)
                assert array.flags.aligned, column
                assert not array.flags.writeable, column


def test_unchanged_ticks_cost_next_to_nothing():
    encoder = TickEncoder(TickLayout(SCHEMA, make_params(200)))
    written = [record_of(kind, 200, 0, words_of(1)) for kind in RECORDS]
    first, second, third = (len(encoder.encode(*written)) for _ in range(3))
    assert first > 15_000
    assert second < 0.15 * first  # accepted setpoints are held against those of the tick before
    assert third < 0.02 * first


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"p_meas_mw": np.zeros(3, np.float32)}, "Image.p_meas_mw: float32 instead of f8"),
        ({"p_meas_mw": np.zeros(4)}, r"Image.p_meas_mw: shape \(4,\) for 3 units"),
        ({"quality": np.zeros(3, np.bool_)}, "Image.quality: bool instead of u1"),
        ({"quality": [0, 0, 0]}, "Image.quality: list instead of u1"),
        ({"tick": 1.5}, "Image: tick"),
        ({"freq_hz": None}, "Image: freq_hz"),
        ({"agc_sequence": 2**63}, "Image: agc_sequence"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_and_harms_nothing(change, message):
    layout = TickLayout(SCHEMA, make_params(3))
    encoder, decoder = TickEncoder(layout), TickDecoder(layout)
    decision = record_of(Decision, 3, 0, words_of(2))
    decoder.decode(encoder.encode(make_meta(0), make_image(0, 3), decision))
    with pytest.raises(LayoutError, match=message):
        encoder.encode(make_meta(1), dataclasses.replace(make_image(1, 3), **change), decision)
    image = make_image(2, 3)
    assert bits(decoder.decode(encoder.encode(make_meta(2), image, decision))[1]) == bits(image)


def test_event_columns_of_different_length_are_refused():
    decision = record_of(Decision, 3, 2, words_of(2))
    crooked = dataclasses.replace(decision, event_value=np.zeros(1))
    with pytest.raises(LayoutError, match="differ in length"):
        Block("Decision", SCHEMA.decision, 3).pack(crooked)


@pytest.mark.parametrize(
    ("count", "message"), [(-1, "-1 values of event_index"), (2**40, "bytes of events in one tick")]
)
def test_a_count_of_events_that_cannot_be_is_refused(count, message):
    layout = TickLayout(SCHEMA, make_params(3))
    words = np.zeros(layout.n_words, np.uint64)
    meta, image, _ = layout.blocks
    words.view(np.int64)[meta.n_words + image.n_words] = count
    with pytest.raises(LayoutError, match=message):
        layout.tail_sizes(words)


def test_a_bomb_is_not_inflated():
    bomb = deflate(bytes(50_000_000))
    tracemalloc.start()
    with pytest.raises(LayoutError, match="size that is due"):
        inflate(bomb, 1000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"\xff" * 40, deflate(b"abc") + b"x"])
def test_what_is_no_stream_is_refused(data):
    with pytest.raises(LayoutError):
        inflate(data, 1000)


@settings(max_examples=300)
@given(payloads=st.lists(st.binary(max_size=400), min_size=1, max_size=3))
def test_no_payload_does_more_than_raise_a_layout_error(payloads):
    decoder = TickDecoder(TickLayout(SCHEMA, make_params(2)))
    try:
        for payload in payloads:
            assert len(decoder.decode(payload)) == 3
    except LayoutError:
        pass


@settings(max_examples=300)
@given(
    at=st.integers(0, 10**6),
    flip=st.integers(1, 255),
    cut=st.integers(0, 40),
    more=st.binary(max_size=9),
)
def test_a_payload_that_was_changed_gives_words_or_a_layout_error(at, flip, cut, more):
    """What the checksums are there for; the decoder itself has to bear it."""
    layout = TickLayout(SCHEMA, make_params(3))
    encoder, decoder = TickEncoder(layout), TickDecoder(layout)
    decision = record_of(Decision, 3, 2, words_of(2))
    for tick in range(3):
        payload = bytearray(encoder.encode(make_meta(tick), make_image(tick, 3), decision))
        if tick == 1:
            payload[at % len(payload)] ^= flip
            payload = payload[: len(payload) - cut] + more
        try:
            decoder.decode(bytes(payload))
        except LayoutError:
            return


def test_bytes_behind_a_payload_are_refused():
    layout = TickLayout(SCHEMA, make_params(3))
    written = [record_of(kind, 3, 1, words_of(3)) for kind in RECORDS]
    payload = TickEncoder(layout).encode(*written)
    for more in (b"\0", b"\1", bytes(50) + b"\1"):
        with pytest.raises(LayoutError, match="no tick"):
            TickDecoder(layout).decode(payload + more)


@dataclass(frozen=True, slots=True)
class Wider:
    """A record as a later version has it."""

    now_s: float
    p_mw: F8
    added_mw: F8 = field(metadata={"missing": float("nan")})
    added: int = 7


def test_a_file_from_before_a_field_was_appended_is_read():
    old = (Column("now_s", "f8", ""), Column("p_mw", "f8", "n"))
    record = builder(Wider, old)([1.5, np.array([2.0, 3.0])], 2)
    assert (record.now_s, record.p_mw.tolist(), record.added) == (1.5, [2.0, 3.0], 7)
    assert np.isnan(record.added_mw).tolist() == [True, True]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            [Column("now_s", "f8", "")],
            "older than Wider.p_mw",
        ),
        (
            [Column("now_s", "f8", ""), Column("p_mw", "f8", "n"), Column("gone", "i8", "")],
            "Wider.gone of the file is unknown",
        ),
        (
            [Column("now_s", "i8", ""), Column("p_mw", "f8", "n")],
            "Wider.now_s of the file is unknown",
        ),
    ],
)
def test_a_file_of_another_layout_is_refused_by_name(columns, message):
    with pytest.raises(LayoutError, match=message):
        builder(Wider, columns)


def test_a_record_that_has_no_place_is_refused():
    @dataclass
    class Odd:
        what: dict

    with pytest.raises(LayoutError, match=r"what: .* has no place"):
        columns_of(Odd)


def test_the_schema_comes_back_and_any_change_changes_its_hash():
    assert schema_from_json(SCHEMA.as_json()) == SCHEMA
    fewer = dataclasses.replace(SCHEMA, image=SCHEMA.image[:-1])
    swapped = dataclasses.replace(SCHEMA, state=SCHEMA.state[::-1])
    assert len({s.layout_hash() for s in (SCHEMA, fewer, swapped)}) == 3


def test_every_record_of_the_core_has_a_layout():
    params, state = make_params(2), first_state(2)
    block = Block("Params", SCHEMA.params, 2)
    back = builder(Params, SCHEMA.params)(
        block.unpack(block.pack(params), {k: tuple(v) for k, v in block.texts(params).items()}), 2
    )
    assert bits(back) == bits(params)
    assert bits(state)["out_reason"] == b"\0\0"
