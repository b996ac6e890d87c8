"""Changes that must outlive the ticks, as events of the journal: the site's mode and order."""

from vppd.core.types import Mode, Order
from vppd.journal.writer import JournalWriter
from vppd.runtime.loop import Done

MODE = "mode_changed"
ORDER = "order_changed"


class ChangeRecorder:
    """Records each change once, with what was before; the first tick's state, too."""

    def __init__(self, journal: JournalWriter) -> None:
        self._journal = journal
        self._mode = self._order = ""

    def tell(self, done: Done) -> None:
        """Take in a finished tick."""
        mode, order = Mode(done.decision.mode).name, Order(done.image.order).name
        if mode != self._mode:
            self._record(done, MODE, self._mode, mode)
        if order != self._order:
            self._record(done, ORDER, self._order, order)
        self._mode, self._order = mode, order

    def _record(self, done: Done, name: str, before: str, now: str) -> None:
        tick = done.decision.tick
        self._journal.put_event(done.meta.utc_s, name, tick=tick, before=before, now=now)
