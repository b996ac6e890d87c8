"""Which units take no part, since when, and what they are counted with."""

from collections.abc import Callable

import numpy as np

from vppd.core.types import F8, I8, U1, Reason
from vppd.ops.status import Benched

COUNTED_AS = {
    Reason.TELEMETRY_AGE: "prediction",
    Reason.UNREACHABLE: "prediction",
    Reason.FALLBACK: "fallback",
    Reason.OPERATOR: "operator's value",
    Reason.LOCAL_CONTROL: "measured",
    Reason.REFUSED: "last accepted",
}


class Bench:
    """Remembers since when each unit has been out. Arrays of shape (n,), one entry a unit."""

    def __init__(self, ids: tuple[str, ...], kinds: tuple[str, ...], now_s: float) -> None:
        self._ids = ids
        self._kinds = kinds
        self._reason: U1 = np.zeros(len(ids), dtype=np.uint8)
        self._since_s: F8 = np.full(len(ids), now_s)

    def of_units(self, ids: tuple[str, ...], kinds: tuple[str, ...], where: I8) -> None:
        """Go on with other units; `where`, shape (n,): where each stood before, -1: it is new."""
        self._ids, self._kinds = ids, kinds
        stays = where >= 0
        reason, since_s = np.zeros(len(ids), dtype=np.uint8), np.full(len(ids), np.nan)
        reason[stays], since_s[stays] = self._reason[where[stays]], self._since_s[where[stays]]
        self._reason, self._since_s = reason, since_s

    def update(self, out_reason: U1, now_s: float) -> None:
        """Take in the reasons of one tick, as in `core.types.State.out_reason`.

        A new reason does not begin anew: a unit that goes from unreachable to its fallback has
        been out since it became unreachable.
        """
        turned = (out_reason == Reason.NONE) != (self._reason == Reason.NONE)
        self._since_s[turned] = now_s
        self._reason = out_reason

    @property
    def online(self) -> int:
        """Number of units that take part."""
        return int(np.count_nonzero(self._reason == Reason.NONE))

    def benched(
        self, p_setpoint_mw: F8, now_s: float, detail: Callable[[int], str]
    ) -> tuple[Benched, ...]:
        """List the units that are out.

        Parameters
        ----------
        p_setpoint_mw : ndarray(float64), shape (n,)
            What each unit is counted with, MW: `core.types.Decision.p_setpoint_mw`.
        now_s : float
            Monotonic instant of the tick, s.
        detail : callable
            Gives the driver's or link's own words for the unit of that index; may be empty.
        """
        return tuple(
            Benched(
                id=self._ids[i],
                kind=self._kinds[i],
                reason=Reason(int(self._reason[i])).name,
                since_s=now_s - float(self._since_s[i]),
                counted_as=COUNTED_AS.get(Reason(int(self._reason[i])), "last setpoint"),
                counted_mw=float(p_setpoint_mw[i]),
                detail=detail(i),
            )
            for i in np.flatnonzero(self._reason).tolist()
        )
