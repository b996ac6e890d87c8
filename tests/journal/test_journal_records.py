"""Records of ticks: their bytes are pinned, they are small, and others can read them."""

import dataclasses
import hashlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builders import image
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_core import N, images, noise, plant, write
from journal_plant import bits, first_state, make_meta, make_params, only_segment

from vppd.core.state import initial_state
from vppd.core.tick import tick
from vppd.journal.codec import TickDecoder, TickEncoder, TickLayout
from vppd.journal.errors import LayoutError
from vppd.journal.header import parse_header
from vppd.journal.kept import keep
from vppd.journal.layout import columns_of
from vppd.journal.reader import TickRecord, read
from vppd.journal.scan import SegmentScan
from vppd.journal.schema import SCHEMA, Coding

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "tools" / "read_journal.py"
NAN = float("nan")
# Payloads of `plain_ticks`. They change only with the format, which then gets another number.
GOLDEN = "0d0e9e57ecfbe5c03490752b314edaca7a81f32e1d6dcbd05a1bb0f651c20fbc"


def plain_ticks(count: int):
    """Ticks of arithmetic that is the same on every machine: no tick of the core."""
    p = plant()
    _, decision = tick(initial_state(p), image(N), p)
    for k, seen in enumerate(images(count)):
        told = (100.0 * (k % 40) + noise(1)) / 1000.0
        yield make_meta(k), seen, dataclasses.replace(
            decision, tick=k, p_setpoint_mw=told, request_mw=float(k), served_mw=k + 0.1,
            kkt_mw=0.0, lam=0.0,
        )  # fmt: skip


def test_the_bytes_are_those_of_the_format(monkeypatch):
    def plain_keep(block, decision):
        return dataclasses.replace(keep(block, decision), digest=0x0123456789ABCDEF)

    monkeypatch.setattr("vppd.journal.codec.keep", plain_keep)  # else of all the core's columns
    encoder = TickEncoder(TickLayout(SCHEMA, plant()))
    payloads = b"".join(encoder.encode(*written) for written in plain_ticks(60))
    assert hashlib.sha256(payloads).hexdigest() == GOLDEN


def test_a_reader_that_uses_nothing_of_vppd_reads_the_same(tmp_path):
    write(tmp_path, 40)
    path = only_segment(tmp_path)
    recorded = [r for r in read(path) if isinstance(r, TickRecord)]
    rows = [json.loads(line) for line in tool(path).splitlines()]
    assert len(rows) == len(recorded) == 40
    for row, record in zip(rows, recorded, strict=True):
        for name in ("meta", "image", "decision"):
            kind = getattr(record, name)
            place = "kept" if name == "decision" else name
            for column in columns_of(type(kind)):
                value = np.asarray(getattr(kind, column.name))
                told = row[f"{place}.{column.name}"]
                told = np.array(told, float) if value.dtype == np.float64 else np.array(told)
                assert np.array_equal(value, told, equal_nan=value.dtype == np.float64), column


def test_it_gives_the_columns_that_are_asked_for_and_sees_a_changed_bit(tmp_path):
    write(tmp_path, 5)
    path = only_segment(tmp_path)
    rows = [json.loads(line) for line in tool(path, "image.tick", "kept.send").splitlines()]
    assert rows[1] == {"image.tick": 1, "kept.send": [1] * N}
    data = bytearray(path.read_bytes())
    with SegmentScan(path) as scan:
        offset = list(scan)[3].offset
    data[offset + 70] ^= 4
    path.write_bytes(data)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        tool(path)
    assert "does not hold" in failed.value.stderr


def tool(path: Path, *columns: str) -> str:
    command = [sys.executable, "-I", str(TOOL), str(path), *columns]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@settings(max_examples=60)
@given(data=st.data())
def test_the_two_readers_agree_on_any_words(data):
    """Whatever a segment holds: on its grids, off them, NaN of any kind, and jumps."""
    spec = importlib.util.spec_from_file_location("read_journal", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    p = plant()
    head = {"schema": SCHEMA.as_json()}
    texts = {"ids": p.ids, "kinds": p.kinds}
    arrays = {name: getattr(p, name).tolist() for name in ("p_min_mw", "p_max_mw", "steps_per_mw")}
    encoder = TickEncoder(TickLayout(SCHEMA, p))
    decoder, other = TickDecoder(TickLayout(SCHEMA, p)), module.Segment(head, texts | arrays)
    number = st.one_of(
        st.integers(-3000, 3000).map(lambda k: k / 1000.0),
        st.sampled_from([NAN, -NAN, 0.0, -0.0, 1e300, -5e-324, float("inf"), 4503599627370497.0]),
        st.floats(),
    )
    column = st.lists(number, min_size=N, max_size=N).map(lambda v: np.array(v, float))
    for meta, seen, decision in plain_ticks(data.draw(st.integers(1, 4))):
        seen = dataclasses.replace(
            seen, p_meas_mw=data.draw(column), accepted_mw=data.draw(column),
            measured_at_s=data.draw(column), accepted_at_s=data.draw(column),
            agc_pu=data.draw(number), now_s=data.draw(number),
        )  # fmt: skip
        decision = dataclasses.replace(
            decision, p_setpoint_mw=data.draw(column), served_mw=data.draw(number),
            held_by=data.draw(st.lists(st.integers(0, 255), min_size=N, max_size=N).map(octets)),
        )  # fmt: skip
        payload = encoder.encode(meta, seen, decision)
        _, back, kept = decoder.decode(payload)
        assert bits(back) == bits(seen)
        row = other.tick(payload)
        for name, record in (("image", back), ("kept", kept)):
            for c in columns_of(type(record)):
                value = np.asarray(getattr(record, c.name))
                assert np.asarray(row[f"{name}.{c.name}"], value.dtype).tobytes() == value.tobytes()


def octets(values):
    return np.array(values, np.uint8)


def test_a_noisy_tick_is_small():
    """Half of it is the digest, the request and what is served, which are any bits."""
    encoder = TickEncoder(TickLayout(SCHEMA, plant()))
    sizes = [len(encoder.encode(*written)) for written in plain_ticks(300)]
    assert np.mean(sizes[100:]) < 70


def test_a_value_off_its_grid_costs_its_bits_and_comes_back():
    layout = TickLayout(SCHEMA, plant())
    encoder, decoder = TickEncoder(layout), TickDecoder(layout)
    sizes = []
    for k, (meta, seen, decision) in enumerate(plain_ticks(80)):
        if k == 70:
            off = seen.p_meas_mw.copy()
            off[2] = np.nextafter(off[2], 1.0)
            seen = dataclasses.replace(seen, p_meas_mw=off)
        payload = encoder.encode(meta, seen, decision)
        sizes.append(len(payload))
        assert bits(decoder.decode(payload)[1]) == bits(seen)
    assert sizes[70] < max(sizes[60:70]) + 16


@pytest.mark.parametrize(
    "wrong",
    [
        Coding("kept.request_mw", "sum", "", ("kept.droop_mw",)),
        Coding("kept.request_mw", "product"),
        Coding("kept.request_mw", "noise", "", ("image.p_meas_mw",)),
        Coding("meta.utc_s", "shift", "", ("kept.request_mw",)),
        Coding("image.soc_pu", "noise", "", ("kept.p_setpoint_mw",)),
        Coding("image.soc_pu", "since", "", ("kept.send",)),
        Coding("image.soc_pu", "hold", "", ("kept.p_setpoint_mw",)),
        Coding("image.agc_pu", "hold", "", ("image.now_s",)),
        Coding("image.quality", "hold", "", ("image.soc_pu",)),
        Coding("kept.nothing", "hold"),
    ],
)
def test_a_coding_that_cannot_be_is_refused(wrong):
    coding = [wrong if c.column == wrong.column else c for c in SCHEMA.coding]
    coding += [] if wrong in coding else [wrong]
    with pytest.raises(LayoutError, match="schema: coding"):
        TickLayout(dataclasses.replace(SCHEMA, coding=tuple(coding)), plant())


def test_params_of_any_bits_make_a_layout():
    for seed in range(20):
        layout = TickLayout(SCHEMA, make_params(4, seed))
        assert np.all(np.isfinite(layout.plan.span))


def test_the_header_says_how_ticks_are_coded(tmp_path):
    write(tmp_path, 1)
    with SegmentScan(only_segment(tmp_path)) as scan:
        header = parse_header(scan.header)
    assert header.schema.coding == SCHEMA.coding
    assert first_state(2).now_s != first_state(2).now_s  # NaN: nothing was before


@pytest.mark.parametrize(
    "ends", [(4.5e9, -4.5e9), (-4.5e9, 4.5e9 - 1e-6), (4503599627.370495, 0.0)]
)
def test_instants_and_readings_may_jump_from_one_end_of_whole_numbers_to_the_other(ends):
    layout = TickLayout(SCHEMA, plant())
    encoder, decoder = TickEncoder(layout), TickDecoder(layout)
    for k, (meta, seen, decision) in enumerate(plain_ticks(6)):
        far = ends[k % 2]
        seen = dataclasses.replace(
            seen, now_s=far, agc_received_s=-far, p_meas_mw=np.full(N, far / 10.0),
            measured_at_s=np.full(N, -far), accepted_at_s=np.full(N, far + 0.02),
            tick=int(1e6 * far),
        )  # fmt: skip
        decision = dataclasses.replace(decision, p_setpoint_mw=np.full(N, -far))
        _, image_back, kept = decoder.decode(encoder.encode(meta, seen, decision))
        assert bits(image_back) == bits(seen)
        assert kept.p_setpoint_mw.tolist() == [-far] * N
