"""The daemon's ticks, taken from its own hand in virtual time instead of from its journal."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hil.measure.journal import ARRAYS, NUMBERS, OUT_REASONS, Ticks, has_room
from vppd.core.types import Mode, Reason, Verdict
from vppd.runtime.loop import Done

OUT = {int(reason): reason.name for reason in Reason if reason.name in OUT_REASONS}
CHUNK = 512  # ticks
KEPT: dict[str, tuple[str, Callable[[Done], Any]]] = {  # of each unit
    "p_setpoint_mw": ("<f8", lambda done: done.decision.p_setpoint_mw),
    "accepted_mw": ("<f8", lambda done: done.image.accepted_mw),
    "accepted_at_s": ("<f8", lambda done: done.image.accepted_at_s),
    "measured_at_s": ("<f8", lambda done: done.image.measured_at_s),
    "expected_mw": ("<f8", lambda done: done.decision.expected_mw),
    "send": ("?", lambda done: done.decision.send),
    "rises": ("?", lambda done: has_room(done.decision.p_setpoint_mw, done.decision.upper_mw)),
    "falls": ("?", lambda done: has_room(done.decision.lower_mw, done.decision.p_setpoint_mw)),
    "held_by": ("u1", lambda done: done.decision.held_by),
}


class TickRecorder:
    """Keeps what `vppd export` would tell of each tick, and no more: a day has 86,400 of them."""

    def __init__(self) -> None:
        self._numbers: list[tuple[float, ...]] = []
        self._fresh: list[bool] = []
        self._mode: list[str] = []
        self._chunks: dict[str, list[NDArray[Any]]] = {key: [] for key in KEPT}

    def add(self, done: Done) -> None:
        """Keep one finished tick."""
        image, decision, meta = done.image, done.decision, done.meta
        place = len(self._numbers) % CHUNK
        self._numbers.append(
            (
                image.now_s, image.agc_pu, image.agc_received_s, decision.regulation_mw,
                decision.request_mw, decision.served_mw, decision.unserved_mw,
                meta.late_s, meta.tick_us,
            )
        )  # fmt: skip
        self._fresh.append(decision.verdict == Verdict.FRESH)
        self._mode.append(Mode(decision.mode).name)
        for key, (kind, of) in KEPT.items():
            values, chunks = of(done), self._chunks[key]
            if not place:
                chunks.append(np.zeros((CHUNK, len(values)), dtype=kind))
            chunks[-1][place] = values

    def ticks(self, daemon_ids: Sequence[str], ids: Sequence[str]) -> Ticks:
        """Give all ticks, units in the order of `ids`, and forget them."""
        place = {name: k for k, name in enumerate(daemon_ids)}
        order = np.array([place[name] for name in ids], dtype=np.intp)
        numbers = np.array(self._numbers, dtype=np.float64).reshape(-1, len(NUMBERS))
        columns: dict[str, Any] = dict(zip(NUMBERS, numbers.T.copy(), strict=True))
        return Ticks(
            **columns,
            fresh=np.array(self._fresh, dtype=bool),
            mode=tuple(self._mode),
            **{key: self._whole(key, order) for key in (*ARRAYS, "send", "rises", "falls")},
            out=tuple(_out(self._whole("held_by", order))),
        )

    def _whole(self, key: str, order: NDArray[np.intp]) -> NDArray[Any]:
        """Array of all ticks, shape (ticks, units); each chunk is freed once it is copied."""
        chunks, total = self._chunks.pop(key), len(self._numbers)
        whole = np.zeros((total, order.size), dtype=KEPT[key][0])
        for first in range(0, total, CHUNK):
            rows = chunks.pop(0)[: total - first]
            whole[first : first + CHUNK] = rows[:, order]
        return whole


def _out(held_by: NDArray[np.uint8]) -> Iterator[tuple[int, int, str]]:
    """(row, unit, reason) of each unit that was out of the split."""
    codes = np.array(sorted(OUT), dtype=np.uint8)
    for row, unit in np.argwhere(np.isin(held_by, codes)).tolist():
        yield row, unit, OUT[int(held_by[row, unit])]
