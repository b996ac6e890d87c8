"""The outages that are always there, put on an agenda some time before they are due."""

from collections.abc import Iterator, Sequence

from hil.faults import Fault, outages, stream
from hil.faults.agenda import Agenda
from hil.fleet import Unit
from hil.scenario import FaultsConfig

AHEAD_S = 600.0


class OutagePlan:
    """Endless outages of some units, from the start of the scored run on.

    Parameters
    ----------
    t0_s, now_s : float
        Start of the scored run, and the present: what is over by then is left out.
    """

    def __init__(
        self, units: Sequence[Unit], faults: FaultsConfig, seed: int, t0_s: float, now_s: float
    ) -> None:
        self._now_s = now_s
        self._planned_s = now_s
        self._streams = [_faults(unit, faults, seed, t0_s) for unit in units]
        self._next = [next(each, None) for each in self._streams]

    def extend(self, agenda: Agenda, now_s: float) -> None:
        """Plan what begins within the next minutes."""
        if now_s + 0.5 * AHEAD_S < self._planned_s:
            return
        self._planned_s = now_s + AHEAD_S
        for k, each in enumerate(self._streams):
            while (fault := self._next[k]) is not None and fault.at_s < self._planned_s:
                if fault.until_s > self._now_s:
                    agenda.add(fault)
                self._next[k] = next(each, None)


def _faults(unit: Unit, faults: FaultsConfig, seed: int, t0_s: float) -> Iterator[Fault]:
    for each in outages(stream(seed, unit.index, "outages"), faults):
        how = "silent" if each.silent else "closed"
        yield Fault(each.start_s, "link_outage", unit.index, each.end_s, how=how).after(t0_s)
