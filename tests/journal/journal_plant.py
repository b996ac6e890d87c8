"""A small plant for the journal's tests: records of the core, and a tick of its own."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vppd.core.types import Decision, Image, Params, State
from vppd.journal.appender import Limits
from vppd.journal.header import About
from vppd.journal.layout import DTYPE, Column, columns_of
from vppd.journal.reader import TickRecord, read
from vppd.journal.schema import Meta
from vppd.journal.writer import JournalWriter

ABOUT = About("site", "c0ffee", {"vppd": "0.1.0", "numpy": "2"})
UTC_S = 1_790_000_000.0


def record_of(kind: type, n: int, k: int, words: Iterator[int]) -> object:
    """A record whose bits are `words`, 64 bits each, as its annotations cut them."""
    return kind(**{c.name: _value(c, n, k, words) for c in columns_of(kind)})


# of the other lists: each has a length of its own
LENGTHS = {"p": 5, "a": 2, "w": 4, "g": 3, "h": 6}


def _value(column: Column, n: int, k: int, words: Iterator[int]) -> object:
    length = ({"": 1, "n": n, "k": k} | LENGTHS)[column.per]
    if column.code == "text":
        return tuple(f"u{i}" for i in range(length))
    if column.code == "b1":
        return bool(next(words) & 1)
    bits = np.array([next(words) for _ in range(length)], np.uint64)
    if column.code == "u1":
        return (bits & 0xFF).astype(np.uint8)
    values = bits.view(DTYPE[column.code])
    return values if column.per else values[0].item()


def bits(record: object) -> dict[str, bytes]:
    """Every field of a record as bytes."""
    out = {}
    for c in columns_of(type(record)):
        value = getattr(record, c.name)
        if c.code == "text":
            out[c.name] = repr(value).encode()
        else:
            kind = np.dtype("?") if c.code == "b1" else DTYPE[c.code]
            out[c.name] = np.asarray(value, kind).tobytes()
    return out


def words_of(seed: int) -> Iterator[int]:
    """Endless random words."""
    rng = np.random.default_rng(seed)
    while True:
        yield from rng.integers(0, 2**63, 4096).tolist()


def make_params(n: int, seed: int = 1) -> Params:
    return record_of(Params, n, 0, words_of(seed))


def first_state(n: int) -> State:
    state = record_of(State, n, 0, iter(lambda: 0, 1))
    return dataclasses.replace(state, now_s=float("nan"))


def make_image(tick: int, n: int) -> Image:
    """An image that changes from tick to tick in about the way real ones do."""
    rng = np.random.default_rng(tick)
    image = record_of(Image, n, 0, iter(lambda: 0, 1))
    now_s = 100.0 + tick
    return dataclasses.replace(
        image,
        tick=tick,
        now_s=now_s,
        agc_pu=float(np.sin(tick)),
        agc_received_s=now_s - 0.3 if tick else float("nan"),
        basepoint_mw=np.linspace(-1.0, 1.0, n),
        p_meas_mw=rng.normal(size=n),
        measured_at_s=now_s - rng.random(n),
        soc_pu=np.full(n, np.nan),
    )


def fake_tick(state: State, image: Image, params: Params) -> tuple[State, Decision]:
    """A pure tick that carries a state: a ramp towards basepoint and signal."""
    n = len(params.ids)
    step = (image.basepoint_mw * (1.0 + image.agc_pu) - state.p_setpoint_mw) * 0.25
    p_setpoint_mw = state.p_setpoint_mw + step
    decision = record_of(Decision, n, image.tick % 3, iter(lambda: 0, 1))
    after = dataclasses.replace(
        state, now_s=image.now_s, lam=image.agc_pu, p_setpoint_mw=p_setpoint_mw
    )
    return after, dataclasses.replace(
        decision, tick=image.tick, request_mw=image.agc_pu + state.lam, p_setpoint_mw=p_setpoint_mw
    )


def make_meta(tick: int, missed_ticks: int = 0) -> Meta:
    return Meta(UTC_S + tick, 0.0001, 50.0, 120.0, missed_ticks)


class Daemon:
    """Ticks and a writer, as the shell runs them."""

    def __init__(self, folder: Path, n: int = 3, *, inline: bool = True, **options: object) -> None:
        options.setdefault("sync", False)
        self.params = make_params(n)
        self.state = first_state(n)
        self.folder = folder
        self.writer = JournalWriter(
            folder, self.params, ABOUT, utc_s=UTC_S, inline=inline, **options
        )

    def tick(self, number: int, missed_ticks: int = 0) -> bool:
        image = make_image(number, len(self.params.ids))
        before = self.state
        self.state, decision = fake_tick(before, image, self.params)
        return self.writer.put(make_meta(number, missed_ticks), before, image, decision)

    def run(self, first: int, last: int) -> None:
        for number in range(first, last):
            assert self.tick(number)


def write_journal(folder: Path, ticks: int, n: int = 3, *, segment_ticks: float = 1e9) -> None:
    """A whole journal, closed in order."""
    daemon = Daemon(folder, n, limits=Limits(segment_s=segment_ticks))
    daemon.run(0, ticks)
    assert daemon.writer.close()


def tick_numbers(folder: Path, **options: object) -> list[int]:
    return [r.image.tick for r in read(folder, **options) if isinstance(r, TickRecord)]


def only_segment(folder: Path) -> Path:
    (path,) = folder.glob("*.vppj")
    return path
