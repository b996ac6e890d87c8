"""Fields that were appended later: how an older file reads, and how long their lists may be."""

import dataclasses

import numpy as np
import pytest
from builders import image, params
from journal_plant import bits, make_image, make_meta, make_params, record_of, words_of

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.core.types import Decision, Image, Params, Policy, State
from vppd.journal.codec import StateLayout, TickDecoder, TickEncoder, TickLayout
from vppd.journal.kept import digest_of
from vppd.journal.layout import LISTS, MISSING, Block, builder, columns_of
from vppd.journal.packing import deflate
from vppd.journal.schema import SCHEMA


def before(kind):
    """Columns of a record as they were before the first field was appended."""
    late = {f.name for f in dataclasses.fields(kind) if MISSING in f.metadata}
    return tuple(c for c in columns_of(kind) if c.name not in late), late


def as_missing(record, name):
    """Whether a field has the value that stands for one that an older file does not have."""
    column = {c.name: c for c in columns_of(type(record))}[name]
    field = {f.name: f for f in dataclasses.fields(record)}[name]
    value = getattr(record, name)
    if column.code == "text":
        return value == ()
    if column.per in LISTS.values():
        return value.size == 0
    return bool(np.array_equal(value, np.full_like(value, field.metadata[MISSING]), equal_nan=True))


def test_a_state_from_before_the_response_model_is_read_and_goes_on():
    columns, late = before(State)
    assert {"past_mw", "when_s", "p_model_mw", "slow_mw", "ahead_price"} <= late
    p = params(policy=Policy.RESPONSE_AWARE)
    old, _ = tick(initial_state(p), image(agc_pu=0.2), p)
    layout = StateLayout(dataclasses.replace(SCHEMA, state=columns), 3)
    read = layout.decode(deflate(Block("State", columns, 3).pack(old)))
    assert [name for name in late if not as_missing(read, name)] == []
    assert {k: v for k, v in bits(read).items() if k not in late} == {
        k: v for k, v in bits(old).items() if k not in late
    }
    after, decision = tick(read, image(tick=1, now_s=101.0, agc_pu=0.3), p)
    assert after.past_mw.size == old.past_mw.size
    assert decision.served_mw + decision.unserved_mw == pytest.approx(6.0)


def test_ticks_from_before_it_are_read_and_their_digest_is_of_what_was_then():
    columns, late = before(Decision)
    assert {"expected_mw", "ahead_s", "target_mw"} <= late
    of_image, late_in_image = before(Image)
    assert late_in_image == {"pardon", "energy_mwh", "energy_at_s"}
    coding = tuple(c for c in SCHEMA.coding if c.column.removeprefix("image.") not in late_in_image)
    schema = dataclasses.replace(SCHEMA, image=of_image, decision=columns, coding=coding)
    written = record_of(Decision, 3, 2, words_of(4))
    layout = TickLayout(schema, make_params(3))
    encoder, decoder = TickEncoder(layout), TickDecoder(layout)
    for k in range(3):
        record = encoder.encode(make_meta(k), make_image(k, 3), written)
        _, read_image, read = decoder.decode(record)
        assert [name for name in late_in_image if not as_missing(read_image, name)] == []
        assert read.digest == digest_of(Block("Decision", columns, 3), written)
        assert bits(read)["event_value"] == bits(written)["event_value"]


def test_parameters_from_before_it_are_read():
    columns, late = before(Params)
    assert {"dead_time_s", "lag_s", "participation", "look_ahead_s"} <= late
    block = Block("Params", columns, 3)
    written = params(policy=Policy.EXACT)
    texts = {k: tuple(v) for k, v in block.texts(written).items()}
    read = builder(Params, columns)(block.unpack(block.pack(written), texts), 3)
    assert [name for name in late if not as_missing(read, name)] == []
    assert tick(initial_state(read), image(), read)[1].status == 0


@pytest.mark.parametrize("n", [1, 3])
def test_the_longest_list_of_past_setpoints_comes_back(n):
    """The longest dead time of the schema at the shortest period fits into a payload."""
    p = params(n, policy=Policy.RESPONSE_AWARE, tick_s=0.1, dead_time_s=np.full(n, 600.0))
    state, _ = tick(initial_state(p), image(n, agc_pu=0.2), p)
    assert state.past_mw.size > 6000 * n
    layout = StateLayout(SCHEMA, n)
    rng = np.random.default_rng(n)  # numbers that cannot be packed
    noisy = dataclasses.replace(state, past_mw=rng.normal(size=state.past_mw.size))
    assert bits(layout.decode(layout.encode(noisy))) == bits(noisy)
