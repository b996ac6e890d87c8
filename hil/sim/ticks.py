"""The daemon's ticks, taken from its own hand in virtual time instead of from its journal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hil.measure.journal import ARRAYS, OUT_REASONS, Ticks
from vppd.core.types import Mode, Reason, Verdict
from vppd.runtime.loop import Done

OUT = {int(reason): reason.name for reason in Reason if reason.name in OUT_REASONS}


class TickRecorder:
    """Keeps what `vppd export` would tell of each tick."""

    def __init__(self) -> None:
        self._done: list[Done] = []

    def add(self, done: Done) -> None:
        """Keep one finished tick; its arrays never change again."""
        self._done.append(done)

    def ticks(self, daemon_ids: Sequence[str], ids: Sequence[str]) -> Ticks:
        """All ticks so far, units in the order of `ids`."""
        order = np.array([daemon_ids.index(name) for name in ids], dtype=np.intp)
        done, shape = self._done, (len(self._done), len(ids))
        arrays = {
            "p_setpoint_mw": [d.decision.p_setpoint_mw for d in done],
            "accepted_mw": [d.image.accepted_mw for d in done],
            "accepted_at_s": [d.image.accepted_at_s for d in done],
        }
        assert tuple(arrays) == ARRAYS  # noqa: S101  (all that an export has)
        sends = [d.decision.send for d in done]
        return Ticks(
            now_s=np.array([d.image.now_s for d in done]),
            agc_pu=np.array([d.image.agc_pu for d in done]),
            agc_received_s=np.array([d.image.agc_received_s for d in done]),
            regulation_mw=np.array([d.decision.regulation_mw for d in done]),
            request_mw=np.array([d.decision.request_mw for d in done]),
            served_mw=np.array([d.decision.served_mw for d in done]),
            unserved_mw=np.array([d.decision.unserved_mw for d in done]),
            late_s=np.array([d.meta.late_s for d in done]),
            tick_us=np.array([d.meta.tick_us for d in done]),
            fresh=np.array([d.decision.verdict == Verdict.FRESH for d in done], dtype=bool),
            mode=tuple(Mode(d.decision.mode).name for d in done),
            **{
                key: np.array(a, dtype=np.float64).reshape(shape)[:, order]
                for key, a in arrays.items()
            },
            send=np.array(sends, dtype=bool).reshape(shape)[:, order],
            out=tuple(self._out(order)),
        )

    def _out(self, order: NDArray[np.intp]) -> list[tuple[int, int, str]]:
        """(row, unit, reason) of each unit that was out of the split."""
        codes = np.array(sorted(OUT))
        found: list[tuple[int, int, str]] = []
        for row, done in enumerate(self._done):
            held_by = done.decision.held_by[order]
            units = np.flatnonzero(np.isin(held_by, codes)).tolist()
            found += [(row, unit, OUT[int(held_by[unit])]) for unit in units]
        return found
